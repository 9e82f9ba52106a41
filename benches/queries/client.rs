//! As little HTTP as it takes, so that what is measured is the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

/// A connection that stays.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// The body of an answer.
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0).expect("JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.clone()).expect("text")
    }

    /// Where the next page starts. All of a page is not worth the processor that it takes to read it.
    pub(crate) fn next_cursor(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let (_, cursor) = text.rsplit_once("\"next_cursor\":\"")?;
        cursor.split('"').next().map(str::to_owned)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::try_new(server).expect("a server")
    }

    pub(crate) fn try_new(server: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(server).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// With more lines of the head, each with its end.
    pub(crate) fn get_with(&mut self, path: &str, head: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("the question is asked");
        let status = self.line();
        assert!(status.starts_with("HTTP/1.1 200 "), "{path}: {status}");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            }
            chunked |= line == "transfer-encoding: chunked";
        }
        Answer(if chunked { self.chunks() } else { self.octets(length) })
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line(), 16).expect("a length");
            body.extend(self.octets(length));
            self.line();
            if length == 0 {
                return body;
            }
        }
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets).expect("the whole answer");
        octets
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}
