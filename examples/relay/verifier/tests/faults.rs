//! The verifier sees every fault, and none where there is none: it runs against a relay that does one thing wrong.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../rust/src/session.rs"]
mod session;

use session::Session;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the relay does wrong, once, on one connection.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    ChangesAByte,
    LosesAByte,
    DoublesAReply,
    ForgetsARequest,
    ForgetsItsState,
    Resets,
    Closes,
    Stalls,
}

/// What a fault is put in. Not the reply to WHO: that one is told, not checked. One reply alone, and with payload, or its last
/// byte would end a line, and a line that does not end is waited for.
fn is_one_echo_with_payload(out: &[u8]) -> bool {
    let Some(end) = out.iter().position(|byte| *byte == b'\n') else { return false };
    let line = String::from_utf8_lossy(&out[..end]);
    let mut words = line.split(' ');
    let length = words.nth(2).and_then(|length| length.parse::<usize>().ok());
    line.starts_with("ECHO ") && length.is_some_and(|length| length > 0 && end + 1 + length == out.len())
}

fn serve(mut socket: TcpStream, fault: Fault) -> std::io::Result<()> {
    let mut session = Session::default();
    let mut buffer = vec![0; 64 << 10];
    let mut armed = true;
    while !session.ended() {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        session.received(&buffer[..count]);
        while session.serve("1 test 1") || !session.unsent().is_empty() {
            let mut out = session.unsent().to_vec();
            session.sent(out.len());
            if armed && session.name() == "live-10" && out.len() < 500 && is_one_echo_with_payload(&out) {
                armed = fault == Fault::None;
                match fault {
                    Fault::None => {}
                    Fault::ChangesAByte => *out.last_mut().unwrap() ^= 1,
                    Fault::LosesAByte => drop(out.pop()),
                    Fault::DoublesAReply => out = [&out[..], &out[..]].concat(),
                    Fault::ForgetsARequest => out.clear(),
                    Fault::ForgetsItsState => {
                        let mut fresh = Session::default();
                        fresh.received(b"HELLO live-10\n");
                        fresh.serve("");
                        let unread = session.unread().to_vec();
                        session = Session::restore(&fresh.state()).unwrap();
                        session.carry(unread, Vec::new());
                    }
                    Fault::Resets => {
                        let socket = socket2::SockRef::from(&socket);
                        return socket.set_linger(Some(Duration::ZERO));
                    }
                    Fault::Closes => return Ok(()),
                    Fault::Stalls => std::thread::sleep(Duration::from_secs(3)),
                }
            }
            socket.write_all(&out)?;
        }
    }
    Ok(())
}

/// failed, reset, timeout and out_of_order of a short run against a relay with this fault.
fn run(fault: Fault) -> [u64; 4] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.unwrap();
            std::thread::spawn(move || serve(socket, fault));
        }
    });
    let mut verifier = Command::new(env!("CARGO_BIN_EXE_relay-verifier"))
        .args([&address, "--connections", "20", "--rate", "300", "--new-per-second", "30"])
        .args(["--timeout-ms", "900", "--padding", "5000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = verifier.stdin.take().unwrap();
    let mut lines = BufReader::new(verifier.stdout.take().unwrap()).lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        line
    });
    assert!(lines.any(|line| line["type"] == "ready"), "every connection comes up");
    writeln!(stdin, r#"{{"cmd":"begin","name":"w"}}"#).unwrap();
    assert!(lines.any(|line| line["type"] == "begun"));
    std::thread::sleep(Duration::from_millis(1_500));
    writeln!(stdin, r#"{{"cmd":"end"}}"#).unwrap();
    let window = lines.find(|line| line["type"] == "window").unwrap();
    assert!(window["connections"].as_u64().unwrap() >= 10, "{window}");
    writeln!(stdin, r#"{{"cmd":"stop"}}"#).unwrap();
    let report = lines.find(|line| line["type"] == "report").unwrap();
    let kinds = ["failed", "reset", "timeout", "out_of_order"].map(|kind| report[kind].as_u64().unwrap());
    assert_eq!(verifier.wait().unwrap().success(), kinds == [0; 4], "{report}");
    assert!(report["requests"].as_u64().unwrap() > 200, "{report}");
    let bins = report["bins"].as_array().unwrap();
    let sum = |field: &str| bins.iter().map(|bin| bin[field].as_u64().unwrap()).sum::<u64>();
    let counted = (report["requests"].as_u64().unwrap(), kinds.iter().sum());
    assert_eq!((sum("requests"), sum("failed")), counted, "all of it is in the bins: {report}");
    assert!(report["new_connections"].as_u64().unwrap() > 20, "{report}");
    let checked: u64 =
        report["final_generations"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(
        checked + kinds.iter().sum::<u64>(),
        20,
        "every other connection is checked at the end: {report}"
    );
    kinds
}

#[test]
fn a_right_relay_passes() {
    assert_eq!(run(Fault::None), [0, 0, 0, 0]);
}

#[test]
fn a_changed_byte_is_a_failure() {
    assert_eq!(run(Fault::ChangesAByte), [1, 0, 0, 0]);
}

#[test]
fn a_lost_byte_is_seen() {
    assert_eq!(run(Fault::LosesAByte).iter().sum::<u64>(), 1);
}

#[test]
fn a_doubled_reply_is_out_of_order() {
    assert_eq!(run(Fault::DoublesAReply), [0, 0, 0, 1]);
}

#[test]
fn a_forgotten_request_is_seen() {
    assert_eq!(run(Fault::ForgetsARequest).iter().sum::<u64>(), 1);
}

#[test]
fn a_connection_that_forgot_its_state_is_out_of_order() {
    assert_eq!(run(Fault::ForgetsItsState), [0, 0, 0, 1]);
}

#[test]
fn a_reset_is_a_reset() {
    assert_eq!(run(Fault::Resets), [0, 1, 0, 0]);
}

#[test]
fn an_early_end_is_a_failure() {
    assert_eq!(run(Fault::Closes), [1, 0, 0, 0]);
}

#[test]
fn silence_is_a_timeout() {
    assert_eq!(run(Fault::Stalls), [0, 0, 1, 0]);
}

#[test]
fn a_refused_connection_is_a_failure() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut verifier = Command::new(env!("CARGO_BIN_EXE_relay-verifier"))
        .args([&free, "--connections", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    drop(verifier.stdin.take());
    let output = verifier.wait_with_output().unwrap();
    let last = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((output.status.success(), &report["failed"]), (false, &1.into()), "{report}");
}

#[test]
fn a_run_that_checked_nothing_does_not_pass() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_relay-verifier"))
        .args([&silent.local_addr().unwrap().to_string(), "--connections", "1", "--timeout-ms", "300"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
}
