//! A receiver that notes what it is sent, and answers as a test wants it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use serde_json::Value;

/// How to answer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With this status.
    Status(u16),
    /// Not at all.
    Silence,
    /// That it is elsewhere.
    Redirect(String),
    /// With 200, and a body that does not end.
    Flood,
}

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("{name}: {:?}", self.headers)).1.clone()
    }

    /// As a receiver that has the key verifies it.
    pub(super) fn is_signed_with(&self, key: &str) -> bool {
        let signature = self.header("x-thirdleaf-signature");
        let digits = signature.strip_prefix("sha256=").unwrap();
        let tag: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let text = [self.header("x-thirdleaf-timestamp").as_bytes(), b".", &self.body].concat();
        verify(&Key::new(HMAC_SHA256, key.as_bytes()), &text, &tag).is_ok()
    }
}

/// A server on a port of its own, for as long as the test's process lives.
pub(super) struct Stub {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// One that always answers so.
    pub(super) fn start(answer: Answer) -> Self {
        Self::script(&[answer])
    }

    /// One that answers so in turn, and at last always with the last.
    pub(super) fn script(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (notes, answers) = (Arc::clone(&requests), answers.to_vec());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (notes, answers) = (Arc::clone(&notes), answers.clone());
                std::thread::spawn(move || serve(&stream, &notes, &answers));
            }
        });
        Self { url, requests }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// What came so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }
}

fn serve(stream: &TcpStream, notes: &Mutex<Vec<Request>>, answers: &[Answer]) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length =
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.parse().ok()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let number = {
            let mut notes = notes.lock().unwrap();
            notes.push(Request { path, headers, body });
            notes.len() - 1
        };
        let answer = answers.get(number).or(answers.last())?;
        match answer {
            Answer::Status(status) => {
                write!(writer, "HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nso").ok()?;
            }
            Answer::Redirect(there) => {
                write!(writer, "HTTP/1.1 307 There\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n")
                    .ok()?;
            }
            Answer::Silence => {
                let _ = reader.read(&mut [0]);
                return None;
            }
            Answer::Flood => {
                write!(writer, "HTTP/1.1 200 So\r\nContent-Length: 1000000000000\r\n\r\n").ok()?;
                loop {
                    writer.write_all(&[b'x'; 4096]).ok()?;
                }
            }
        }
    }
}
