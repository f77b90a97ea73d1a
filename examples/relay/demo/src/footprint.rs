//! What a process holds, read from /proc: what grows from generation to generation is a leak.

use crate::Trouble;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

/// A descriptor counts if it is there before and after this: what opens and closes in between is work, not a leak.
const APART: Duration = Duration::from_millis(50);

/// What a process holds at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Footprint {
    /// Descriptors that stay and are not a client's connection: so their number does not depend on the load.
    pub fds: usize,
    /// Clients' connections.
    pub connections: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory.
    pub rss_kb: u64,
}

impl Footprint {
    /// That of process `pid`, which serves at this TCP port. Takes [`APART`].
    pub fn of(pid: u32, port: u16) -> Result<Footprint, Trouble> {
        let process = Path::new("/proc").join(pid.to_string());
        let before = descriptors(&process)?;
        std::thread::sleep(APART / 2);
        let mut established = HashSet::new();
        for table in ["net/tcp", "net/tcp6"] {
            // Without IPv6 the second one is missing.
            let table = std::fs::read_to_string(process.join(table)).unwrap_or_default();
            established.extend(table.lines().filter_map(|line| connection(line, port)));
        }
        std::thread::sleep(APART / 2);
        let after = descriptors(&process)?;
        let (fds, connections) = count(&before, &after, established);
        let status = std::fs::read_to_string(process.join("status"))?;
        let number = |name: &str| -> Result<u64, Trouble> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
            Ok(word.ok_or_else(|| format!("no {name} in the status of process {pid}"))?.parse()?)
        };
        let (threads, rss_kb) = (number("Threads")? as usize, number("VmRSS")?);
        Ok(Footprint { fds, connections, threads, rss_kb })
    }
}

/// Each open descriptor and what it leads to (`socket:[4711]`, a path).
fn descriptors(process: &Path) -> Result<HashMap<String, String>, Trouble> {
    let mut open = HashMap::new();
    for entry in std::fs::read_dir(process.join("fd"))? {
        let entry = entry?;
        // One that is gone meanwhile does not stay.
        if let Ok(target) = std::fs::read_link(entry.path()) {
            open.insert(entry.file_name().display().to_string(), target.display().to_string());
        }
    }
    Ok(open)
}

/// What stays, without the established connections; and how many of those there are. One that is held by two descriptors
/// is a connection and a descriptor; one that the client has closed, and the process has not, is a descriptor.
fn count(
    before: &HashMap<String, String>,
    after: &HashMap<String, String>,
    mut established: HashSet<String>,
) -> (usize, usize) {
    let mut stays: Vec<&String> = before
        .iter()
        .filter(|(fd, target)| after.get(*fd) == Some(target))
        .map(|(_, target)| target)
        .collect();
    let all = stays.len();
    stays.retain(|target| !established.remove(*target));
    (stays.len(), all - stays.len())
}

/// The socket of a line of /proc/net/tcp (proc_pid_net(5)), if it is an established connection of this local port.
fn connection(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let is_ours = local.ends_with(&format!(":{port:04X}")) && *state == "01";
    is_ours.then(|| format!("socket:[{inode}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    /// What a process holds that has these as its first three descriptors, and otherwise what we leave to any child.
    fn of_a_child(descriptors: [Stdio; 3], port: u16) -> Footprint {
        let [stdin, stdout, stderr] = descriptors;
        let mut child =
            Command::new("sleep").arg("60").stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        let footprint = Footprint::of(child.id(), port);
        child.kill().unwrap();
        child.wait().unwrap();
        footprint.unwrap()
    }

    #[test]
    fn a_served_connection_is_no_descriptor_of_its_own_and_a_forgotten_one_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = || {
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            (client, OwnedFd::from(listener.accept().unwrap().0))
        };
        let nothing = of_a_child([Stdio::null(), Stdio::null(), Stdio::null()], port);
        let (_client, served) = connect();
        let twice = served.try_clone().unwrap();
        let (gone, forgotten) = connect();
        drop(gone);
        let three = of_a_child([served.into(), twice.into(), forgotten.into()], port);
        assert_eq!((nothing.connections, three.connections), (0, 1));
        assert_eq!(three.fds, nothing.fds - 1, "the second descriptor of one, and the forgotten one");
        assert_eq!((three.threads, three.rss_kb > 0), (1, true));
    }

    #[test]
    fn a_descriptor_that_comes_or_goes_meanwhile_does_not_count() {
        let open = |these: &[(&str, &str)]| {
            these.iter().map(|(fd, target)| (fd.to_string(), target.to_string())).collect()
        };
        let before = open(&[("0", "/dev/null"), ("5", "socket:[1]"), ("6", "socket:[2]")]);
        let after = open(&[("0", "/dev/null"), ("5", "socket:[3]"), ("7", "socket:[2]")]);
        assert_eq!(count(&before, &after, HashSet::new()), (1, 0));
    }
}
