//! Established TCP connections to be moved: their client ends lie in a process of their own, their server ends here.
//!
//! They are established once and lent to every run, so that no run pays for handshakes or meets TIME_WAIT.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use zdt_bench::{Result, raise_descriptor_limit};

/// The server ends, and the process that holds the client ends.
pub struct Pool {
    connections: Vec<TcpStream>,
    clients: Child,
}

impl Pool {
    /// Establishes `count` connections on the loopback interface.
    pub fn establish(count: usize) -> Result<Pool> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let clients = Command::new(std::env::current_exe()?)
            .args(["clients", &listener.local_addr()?.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .spawn()?;
        let mut pool = Pool { connections: Vec::with_capacity(count), clients };
        for _ in 0..count {
            pool.connections.push(listener.accept()?.0);
        }
        Ok(pool)
    }

    /// The first `count` connections.
    pub fn connections(&self, count: usize) -> &[TcpStream] {
        &self.connections[..count]
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // End of its standard input ends the other process.
        drop(self.clients.stdin.take());
        if let Err(error) = self.clients.wait() {
            eprintln!("bench-core: the process with the client ends: {error}");
        }
    }
}

/// The other process: dials `count` connections and holds them until its standard input ends.
pub fn clients(address: &str, count: &str) -> Result<()> {
    raise_descriptor_limit()?;
    let connections: Vec<TcpStream> =
        (0..count.parse()?).map(|_| TcpStream::connect(address)).collect::<io::Result<_>>()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    drop(connections);
    Ok(())
}
