//! A controller that answers as its test tells it, in as few words of HTTP as that takes.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a server")]

use std::fmt::Write as _;
use std::future::pending;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) method: String,
    /// As it stood in the request line.
    pub(super) target: String,
    /// All headers of that name.
    pub(super) cookies: Vec<String>,
    pub(super) body: String,
}

impl Heard {
    pub(super) fn is_login(&self) -> bool {
        self.target.starts_with("/api/aaaLogin")
    }

    pub(super) fn is_refresh(&self) -> bool {
        self.target.starts_with("/api/aaaRefresh")
    }

    /// The token that it brings.
    pub(super) fn token(&self) -> &str {
        self.cookies.first().and_then(|cookie| cookie.strip_prefix("APIC-cookie=")).unwrap_or_default()
    }

    /// The page that it asks for.
    pub(super) fn page(&self) -> usize {
        self.number("page=").unwrap()
    }

    pub(super) fn number(&self, key: &str) -> Option<usize> {
        let (_, rest) = self.target.split_once(&format!("&{key}"))?;
        rest.split('&').next()?.parse().ok()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Full {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// The connection ends after the first bytes of the body.
    Cut(Vec<u8>),
    /// The connection ends without an answer.
    Close,
    /// None ever.
    Silence,
}

impl Reply {
    pub(super) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full { status, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    /// An error as the APIC writes it.
    pub(super) fn error(status: u16, code: &str, text: &str) -> Self {
        let error = serde_json::json!({"error": {"attributes": {"code": code, "text": text}}});
        Self::of(status, serde_json::json!({"totalCount": "1", "imdata": [error]}).to_string())
    }

    /// What nginx answers when nobody behind it does.
    pub(super) fn html(status: u16) -> Self {
        let page =
            format!("<html>\r\n<head><title>{status} nginx is busy</title></head><body></body></html>");
        Self::of(status, page).header("Content-Type", "text/html")
    }

    /// A token for ten minutes.
    pub(super) fn token(token: &str) -> Self {
        let reply = serde_json::json!({"aaaLogin": {
            "attributes": {"token": token, "refreshTimeoutSeconds": "600", "maximumLifetimeSeconds": "86400"},
            "children": [{"aaaUserDomain": {"attributes": {"name": "all", "rolesR": "admin", "rolesW": "ops"}}}],
        }});
        Self::of(200, serde_json::json!({"totalCount": "1", "imdata": [reply]}).to_string())
    }

    /// Subnets with these numbers, of `total`.
    pub(super) fn subnets(total: usize, numbers: impl IntoIterator<Item = usize>) -> Self {
        let subnets: Vec<_> = numbers.into_iter().map(|n| subnet(&dn(n))).collect();
        Self::of(200, format!(r#"{{"totalCount":"{total}","imdata":[{}]}}"#, subnets.join(",")))
    }

    /// The page that was asked for, of so many subnets.
    pub(super) fn page_of(total: usize, heard: &Heard) -> Self {
        let size = heard.number("page-size=").unwrap();
        let first = (heard.page() * size).min(total);
        Self::subnets(total, first..(first + size).min(total))
    }

    pub(super) fn done() -> Self {
        Self::of(200, r#"{"totalCount":"0","imdata":[]}"#)
    }
}

pub(super) fn dn(number: usize) -> String {
    format!("uni/tn-T/out-O/instP-E/extsubnet-[10.{}.{}.0/24]", number / 256, number % 256)
}

pub(super) fn subnet(dn: &str) -> String {
    format!(r#"{{"l3extSubnet":{{"attributes":{{"dn":"{dn}"}}}}}}"#)
}

type Answering = dyn Fn(&Heard) -> Reply + Send + Sync;

/// A controller. It ends when it is dropped.
pub(super) struct Stub {
    pub(super) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// One that answers everything so.
    pub(super) async fn start(answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answer)).await
    }

    /// One that takes every login, and answers everything else so.
    pub(super) async fn behind_login(answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |heard| if heard.is_login() { Reply::token("token-1") } else { answer(heard) }).await
    }

    /// The same with a certificate.
    pub(super) async fn with_tls(
        tls: ServerConfig,
        answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(TlsAcceptor::from(Arc::new(tls))), Arc::new(answer)).await
    }

    async fn serve(tls: Option<TlsAcceptor>, answer: Arc<Answering>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = heard.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (tls, answer, record) = (tls.clone(), answer.clone(), record.clone());
                connections.spawn(async move {
                    match tls {
                        None => speak(stream, &*answer, &record).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => speak(stream, &*answer, &record).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { url, heard, task }
    }

    /// Everything that came so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How much of it is like this.
    pub(super) fn count(&self, which: impl Fn(&Heard) -> bool) -> usize {
        self.heard().iter().filter(|heard| which(heard)).count()
    }
}

/// Until the far end leaves, or the answer ends it.
async fn speak(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answering,
    record: &Mutex<Vec<Heard>>,
) -> Option<()> {
    loop {
        let heard = hear(&mut stream).await?;
        record.lock().unwrap().push(heard.clone());
        let (status, headers, body, length) = match answer(&heard) {
            Reply::Full { status, headers, body } => {
                let length = body.len();
                (status, headers, body, length)
            }
            Reply::Cut(body) => {
                let length = body.len() + 1000;
                (200, Vec::new(), body, length)
            }
            Reply::Close => return None,
            Reply::Silence => pending().await,
        };
        let mut begin = format!("HTTP/1.1 {status} Stub\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            write!(begin, "{name}: {value}\r\n").unwrap();
        }
        let answer = [format!("{begin}\r\n").as_bytes(), &body].concat();
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
        if length != body.len() {
            return None;
        }
    }
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Option<Heard> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let (method, rest) = lines.next()?.split_once(' ')?;
    let target = rest.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = |name: &str| -> Vec<String> {
        let found = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    };
    let length = headers("content-length").first().map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Heard {
        method: method.to_owned(),
        target,
        cookies: headers("cookie"),
        body: String::from_utf8(body).unwrap(),
    })
}
