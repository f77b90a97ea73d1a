//! Whether the clients see what a server does wrong, each fault by itself, and nothing where nothing is wrong.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use zdt_load::{Count, Group, Kind, Load, Settings};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a server does with the n-th request on a connection; false: it ends the connection.
type Manner = dyn Fn(&mut TcpStream, usize, &Request) -> std::io::Result<bool> + Send + Sync;

struct Request {
    path: String,
    body: Vec<u8>,
    last: bool,
}

/// None: the client has ended the connection.
fn request(from: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).ok_or("no path")?.to_owned();
    let (mut length, mut last) = (0, false);
    loop {
        line.clear();
        from.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse()?,
            Some(("Connection", "close")) => last = true,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(Request { path, body, last }))
}

/// For as long as the test runs.
fn serve(manner: Arc<Manner>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let manner = Arc::clone(&manner);
            thread::spawn(move || -> Result { converse(stream, &*manner) });
        }
    });
    Ok(address)
}

fn converse(mut stream: TcpStream, manner: &Manner) -> Result {
    let mut peeked = [0; 7];
    if stream.peek(&mut peeked)? == 7 && &peeked == b"GET /ws" {
        let mut websocket = tokio_tungstenite::tungstenite::accept(stream)?;
        loop {
            let message = websocket.read()?;
            if message.is_text() || message.is_binary() {
                websocket.send(message)?;
            }
        }
    }
    let mut requests = BufReader::new(stream.try_clone()?);
    let mut number = 0;
    while let Some(request) = request(&mut requests)? {
        number += 1;
        if !manner(&mut stream, number, &request)? || request.last {
            break;
        }
    }
    Ok(())
}

fn answer(to: &mut TcpStream, headers: &str, body: &[u8]) -> std::io::Result<bool> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    to.write_all(&[head.as_bytes(), body].concat())?;
    Ok(true)
}

fn well(to: &mut TcpStream, _: usize, request: &Request) -> std::io::Result<bool> {
    match request.path.as_str() {
        "/echo" => answer(to, "", &request.body),
        _ => answer(to, "", b"generation 1"),
    }
}

fn settings(kind: Kind) -> Settings {
    Settings {
        clients: vec![Group { kind, clients: 1 }],
        keep: vec![],
        may_race: false,
        body: 50_000,
        pause: 1,
        patience: 30,
    }
}

/// What the clients say once `enough` has happened, or after a long while.
fn judged(address: SocketAddr, settings: &Settings, enough: impl Fn(&Count) -> bool) -> Result<Count> {
    let load = Load::start(address, settings)?;
    let began = Instant::now();
    while !enough(&load.seen().kinds[&settings.clients[0].kind]) && began.elapsed() < Duration::from_secs(30)
    {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(load.stop().kinds[&settings.clients[0].kind].clone())
}

fn seen(
    kind: Kind,
    manner: impl Fn(&mut TcpStream, usize, &Request) -> std::io::Result<bool> + Send + Sync + 'static,
) -> Result<Count> {
    judged(serve(Arc::new(manner))?, &settings(kind), |count| count.failed + count.closed > 0)
}

#[test]
fn a_server_that_does_well_has_no_failures() -> Result {
    let address = serve(Arc::new(well))?;
    for kind in [
        Kind::KeepAlive,
        Kind::Fresh,
        Kind::Pipeline,
        Kind::HalfHead,
        Kind::Slow,
        Kind::Reader,
        Kind::Upload,
        Kind::WebSocket,
    ] {
        let keep = Settings { keep: vec![kind], ..settings(kind) };
        let count = judged(address, &keep, |count| count.requests >= 12)?;
        assert!(count.requests >= 12 && count.failed == 0 && count.closed == 0, "{kind:?}: {count:?}");
    }
    Ok(())
}

#[test]
fn who_serves_is_counted() -> Result {
    let address = serve(Arc::new(well))?;
    let count = judged(address, &settings(Kind::KeepAlive), |count| count.requests > 0)?;
    assert_eq!(count.served["generation 1"], count.requests);
    Ok(())
}

#[test]
fn a_connection_may_end_between_two_requests_unless_it_is_to_be_kept() -> Result {
    let ends =
        |to: &mut TcpStream, number: usize, request: &Request| Ok(well(to, number, request)? && number < 3);
    let says =
        |to: &mut TcpStream, _: usize, _: &Request| answer(to, "Connection: close\r\n", b"generation 1");
    for address in [serve(Arc::new(ends))?, serve(Arc::new(says))?] {
        // What crosses the end is put up with here: on a busy machine that may happen.
        let may = Settings { may_race: true, ..settings(Kind::KeepAlive) };
        let count = judged(address, &may, |count| count.closed > 2)?;
        assert!(count.closed > 2 && count.wrong + count.timeout + count.refused == 0, "{count:?}");
        let keep = Settings { keep: vec![Kind::KeepAlive], ..may };
        let count = judged(address, &keep, |count| count.failed > 0)?;
        assert!(count.failed > 0, "{count:?}");
    }
    Ok(())
}

#[test]
fn a_request_without_an_answer_has_failed() -> Result {
    let count = seen(Kind::KeepAlive, |to, number, request| Ok(number < 2 && well(to, number, request)?))?;
    assert!(count.failed > 0 && count.raced + count.cut + count.reset > 0, "{count:?}");
    Ok(())
}

#[test]
fn an_answer_that_is_cut_has_failed() -> Result {
    let count = seen(Kind::KeepAlive, |to, _, _| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ngenerat")?;
        Ok(false)
    })?;
    assert!(count.failed > 0 && count.cut > 0, "{count:?}");
    Ok(())
}

#[test]
fn a_reset_has_failed() -> Result {
    // Whoever closes with bytes unread sends a reset.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let _ = stream.peek(&mut [0]);
        }
    });
    let count = judged(address, &settings(Kind::KeepAlive), |count| count.failed > 0)?;
    assert!(count.failed > 0 && count.reset > 0, "{count:?}");
    Ok(())
}

#[test]
fn a_byte_that_differs_is_noticed() -> Result {
    for kind in [Kind::Reader, Kind::Upload, Kind::HalfHead] {
        let count = seen(kind, |to, _, request| {
            let mut body = request.body.clone();
            body[20] ^= 1;
            answer(to, "", &body)
        })?;
        assert!(count.failed > 0 && count.wrong > 0, "{kind:?}: {count:?}");
    }
    Ok(())
}

#[test]
fn answers_in_another_order_are_noticed() -> Result {
    let held = std::sync::Mutex::new(Vec::new());
    let count = seen(Kind::Pipeline, move |to, number, request| {
        let mut held = held.lock().map_err(|_| std::io::ErrorKind::Other)?;
        held.push(request.body.clone());
        if number % 3 == 0 {
            held.iter().rev().try_for_each(|body| answer(to, "", body).map(|_| ()))?;
            held.clear();
        }
        Ok(true)
    })?;
    assert!(count.failed > 0 && count.wrong > 0, "{count:?}");
    Ok(())
}

#[test]
fn an_answer_that_does_not_come_has_failed() -> Result {
    let address = serve(Arc::new(|_: &mut TcpStream, _: usize, _: &Request| Ok(true)))?;
    let hasty = Settings { patience: 1, ..settings(Kind::KeepAlive) };
    let count = judged(address, &hasty, |count| count.failed > 0)?;
    assert!(count.failed > 0 && count.timeout > 0, "{count:?}");
    Ok(())
}

#[test]
fn a_connection_that_nobody_takes_has_failed() -> Result {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let count = judged(address, &settings(Kind::Fresh), |count| count.failed > 0)?;
    assert!(count.failed > 0 && count.refused > 0, "{count:?}");
    Ok(())
}
