//! What is left on the machine: what is there at the end and was not at the beginning is a leak that no process shows.

use crate::Trouble;
use nix::unistd::{Pid, getpgrp};
use serde::Serialize;
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// How long the machine has to become as it was: closed connections say goodbye, other programs come and go.
const PATIENCE: Duration = Duration::from_secs(90);
/// Other programs open and close so many sockets at any time.
const NOISE: u64 = 500;

/// What is there at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// Processes of our process group, we among them.
    pub processes: u64,
    /// Open files on this machine (/proc/sys/fs/file-nr). A figure only: every other program's are among them.
    pub files: u64,
    /// Whether nobody else is in our network namespace: then the next ones are ours alone.
    pub alone: bool,
    /// Sockets of this network namespace, Unix sockets among them (/proc/net/sockstat).
    pub sockets: u64,
    /// TCP sockets of it that nobody holds any more and that still have something to say.
    pub orphans: u64,
}

impl Remains {
    /// This moment's.
    pub fn now(alone: bool) -> Result<Remains, Trouble> {
        let files = read_to_string("/proc/sys/fs/file-nr")?;
        let sockets = read_to_string("/proc/net/sockstat")?;
        Ok(Remains {
            processes: processes(getpgrp())?,
            files: files.split_whitespace().next().unwrap_or_default().parse()?,
            alone,
            sockets: after(&sockets, "used").ok_or("sockstat does not tell how many are used")?,
            orphans: after(&sockets, "orphan").ok_or("sockstat does not tell of orphans")?,
        })
    }

    /// Those of the end, as soon as they are like those `before`, or when patience is over.
    pub fn settled(before: &Remains, takeovers: u64) -> Result<Remains, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Remains::now(before.alone)?;
            if now.more_than(before, takeovers).is_none() || Instant::now() > deadline {
                return Ok(now);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What has grown. What we share with other programs has grown if it is half as much as one a takeover would be.
    pub fn more_than(&self, before: &Remains, takeovers: u64) -> Option<String> {
        let own = if self.alone { 0 } else { NOISE.max(takeovers / 2) };
        let counts = [
            ("processes", before.processes, self.processes, 0),
            ("sockets", before.sockets, self.sockets, own),
            ("orphaned TCP sockets", before.orphans, self.orphans, own),
        ];
        let grown = counts.iter().filter(|(_, before, now, allowed)| *now > before + allowed);
        let words: Vec<String> =
            grown.map(|(what, before, now, _)| format!("{before} {what} before, {now} at the end")).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// How many processes there are in a process group.
fn processes(group: Pid) -> Result<u64, Trouble> {
    let (group, mut count) = (group.to_string(), 0);
    for entry in std::fs::read_dir("/proc")? {
        // One that is gone meanwhile is not left.
        let stat = read_to_string(entry?.path().join("stat")).unwrap_or_default();
        // pid (name) state ppid pgrp (proc_pid_stat(5)); a name may contain anything.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        count += u64::from(after.split(' ').nth(2) == Some(&group));
    }
    Ok(count)
}

/// The number after a word.
fn after(text: &str, word: &str) -> Option<u64> {
    let mut words = text.split_whitespace().skip_while(|one| *one != word);
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_process_is_left_until_somebody_has_seen_its_end() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let group = Pid::from_raw(child.id() as i32);
        assert_eq!(processes(group).unwrap(), 1);
        child.kill().unwrap();
        assert_eq!(processes(group).unwrap(), 1, "nobody has asked for its end");
        child.wait().unwrap();
        assert_eq!(processes(group).unwrap(), 0);
    }

    #[test]
    fn what_is_ours_may_not_grow_and_what_is_shared_only_a_little() {
        assert!(Remains::now(false).unwrap().files > 0);
        let before = Remains { processes: 2, files: 1_000, alone: true, sockets: 9, orphans: 0 };
        assert_eq!(before.more_than(&before, 1_000), None);
        let grown: [fn(&mut Remains); 3] =
            [|now| now.processes += 1, |now| now.sockets += 1, |now| now.orphans += 1];
        for (number, grow) in grown.iter().enumerate() {
            let mut now = before;
            grow(&mut now);
            assert!(now.more_than(&before, 1_000).is_some(), "{number}");
            now.alone = false;
            assert_eq!(now.more_than(&before, 1_000).is_some(), number < 1, "{number}");
        }
        let fewer = Remains { processes: 1, files: 900, sockets: 8, ..before };
        assert_eq!(fewer.more_than(&before, 1_000), None);
    }

    #[test]
    fn a_number_follows_its_word() {
        let text = "sockets: used 1030\nTCP: inuse 1003 orphan 7 tw 68 alloc 1003 mem 3\n";
        assert_eq!(
            (after(text, "used"), after(text, "orphan"), after(text, "lost")),
            (Some(1030), Some(7), None)
        );
    }
}
