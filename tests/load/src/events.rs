//! A stream of server-sent events (WHATWG HTML, 9.2), whose ids are numbers, each one more than the one before.

use crate::http::{End, Http};

/// How many events are read at a time.
const SOME: u64 = 5;

/// What its reader has seen.
#[derive(Debug, Default)]
pub(crate) struct Events {
    flow: bool,
    last: u64,
    half: String,
}

impl Events {
    /// Whether an answer is being read.
    pub(crate) fn flow(&self) -> bool {
        self.flow
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.flow = false;
        self.half.clear();
    }

    /// Some events, and how many streams they are the end of.
    pub(crate) async fn read(&mut self, http: &mut Http) -> Result<(u64, u64), End> {
        let (mut events, mut ended) = (0, 0);
        while events < SOME {
            if !self.flow {
                let last = self.last;
                let request = format!("GET /events HTTP/1.1\r\nHost: load\r\nLast-Event-ID: {last}\r\n\r\n");
                http.send(request.as_bytes()).await?;
                http.streams().await?;
                self.flow = true;
            }
            match http.piece().await? {
                Some(piece) => events += self.came(&String::from_utf8_lossy(&piece))?,
                None if self.half.is_empty() => {
                    self.flow = false;
                    ended += 1;
                }
                None => return Err(End::Wrong("a stream that ends in the middle of an event".into())),
            }
        }
        Ok((events, ended))
    }

    /// How many events are whole by it.
    fn came(&mut self, piece: &str) -> Result<u64, End> {
        self.half.push_str(piece);
        let mut events = 0;
        while let Some(end) = self.half.find("\n\n") {
            let event: String = self.half.drain(..end + 2).collect();
            let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) else {
                continue; // a comment
            };
            if id.parse() != Ok(self.last + 1) {
                return Err(End::Wrong(format!("event {id} behind event {}", self.last)));
            }
            self.last += 1;
            events += 1;
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_once_they_are_whole() {
        let mut events = Events::default();
        assert_eq!(events.came("data: a\nid: 1\n\n: a comment\n\nda").unwrap(), 1);
        assert_eq!(events.came("ta: b\nid: 2\n\n").unwrap(), 1);
    }

    #[test]
    fn an_event_that_is_missing_or_comes_twice_is_noticed() {
        for second in ["id: 3\n\n", "id: 1\n\n"] {
            let mut events = Events::default();
            assert_eq!(events.came("id: 1\n\n").unwrap(), 1);
            assert!(matches!(events.came(second), Err(End::Wrong(_))), "{second:?}");
        }
    }
}
