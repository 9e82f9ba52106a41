//! Requests that are too slow, too large or too many are cut, and cost nobody else an answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::with_tokens;
use crate::run::{Daemon, Place};

/// Longer than anything is waited for, but for a stream.
const BOUND: Duration = Duration::from_mins(1);

struct Scene {
    place: Place,
    daemon: Daemon,
}

impl Scene {
    fn new() -> Self {
        let place = Place::new();
        let path = place.write("thirdleaf.toml", &with_tokens(&place));
        let daemon = Daemon::start(&place, &path);
        Self { place, daemon }
    }

    /// A connection from this host.
    fn connect(&self, host: u8) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let at = |address: Ipv4Addr, port| SocketAddr::from((address, port)).into();
        socket.bind(&at(self.place.host(host), 0)).unwrap();
        socket.connect(&at(self.place.host(4), 9179)).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        stream
    }

    /// Everybody else is served.
    fn is_well(&self) {
        let mut stream = self.connect(200);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!self.daemon.text("/metrics").is_empty());
    }
}

/// What is answered until the server closes; it does within the bound.
fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // Who is sent more than it wants closes with a reset.
        Err(error) => assert!(
            [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()),
            "the connection is not closed: {error}"
        ),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends what the server takes of it.
fn send(stream: &mut TcpStream, octets: &[u8]) {
    // It may have closed by now.
    let _ = stream.write_all(octets);
}

const POST: &str =
    "POST /api/v1/reload HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token-to-operate\r\n";

#[test]
fn what_is_too_large() {
    let scene = Scene::new();
    let headers = "x: y\r\n".repeat(200);
    let line = "x".repeat(1 << 20);
    let body = "x".repeat(65 * 1024);
    for (what, request, statuses) in [
        ("200 headers", format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n"), &["431"][..]),
        ("a line of 1 MiB", format!("GET /{line} HTTP/1.1\r\nhost: localhost\r\n\r\n"), &["414", "431"]),
        ("a header of 1 MiB", format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {line}\r\n\r\n"), &["431"]),
        (
            "a body of 65 KiB",
            format!("{POST}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
            &["413"],
        ),
        (
            "a body that is said to be endless",
            format!("{POST}content-length: 18446744073709551615\r\n\r\n{{"),
            &["400", "413", "431"],
        ),
        (
            "a chunk that is larger than all",
            format!("{POST}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
            &["400"],
        ),
    ] {
        let mut stream = scene.connect(9);
        send(&mut stream, request.as_bytes());
        // What was sent beyond what is taken may cost the answer, but not the end.
        let answer = answer(stream);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(answer.is_empty() || statuses.contains(&status), "{what}: {answer}");
    }
    scene.is_well();
}

#[test]
fn what_is_too_slow() {
    let scene = Scene::new();
    // One octet a second, for as long as it is taken.
    let drip = |mut stream: TcpStream, octet: &'static [u8]| {
        std::thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < BOUND && stream.write_all(octet).is_ok() {
                std::thread::sleep(Duration::from_secs(1));
            }
        })
    };
    let begin = |request: String| {
        let mut stream = scene.connect(9);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let head = begin("GET / HTTP/1.1\r\nhost: localhost\r\n".to_owned());
    let body = begin(format!("{POST}content-length: 60000\r\n\r\n{{"));
    let silent = begin(String::new());
    let half = begin("GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned());
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let drips = [drip(head.try_clone().unwrap(), b"x: y\r\n"), drip(body.try_clone().unwrap(), b" ")];
    scene.is_well();
    let [head, body, silent, half] =
        [head, body, silent, half].map(|stream| std::thread::spawn(|| answer(stream)));
    assert!(!head.join().unwrap().contains(" 200 "));
    let told = body.join().unwrap();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408 "), "{told}");
    assert!(silent.join().unwrap().is_empty());
    half.join().unwrap();
    for drip in drips {
        drip.join().unwrap();
    }
    scene.is_well();
}

#[test]
fn what_comes_too_often() {
    let scene = Scene::new();
    // Questions by the hundred thousand, and no answer is read.
    let mut flood = scene.connect(9);
    flood.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let questions = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let mut sent = 0;
    // More than any socket's buffers hold.
    while sent < 2_000 && flood.write_all(questions.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 2_000, "what nobody answers yet is not read on and on");
    scene.is_well();
    drop(flood);

    // Connections, of one client: it has its share, and others theirs.
    let mut connections: Vec<_> = (0..600).map(|_| scene.connect(9)).collect();
    scene.is_well();
    let mut closed = 0;
    for stream in &mut connections {
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        match stream.read(&mut [0]) {
            Ok(_) => closed += 1,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => closed += 1,
            Err(error) => assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())),
        }
    }
    assert!(closed >= 600 - 384, "{closed} of 600 were closed at once");
    let metrics = scene.daemon.text("/metrics");
    let rejected = "thirdleaf_http_connections_rejected_total ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(rejected)?.parse::<f64>().ok());
    assert!(count.is_some_and(|count| count >= 216.0), "{count:?}");
    drop(connections);
    scene.is_well();
}
