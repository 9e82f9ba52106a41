//! One request to a receiver, from the connection to its answer, of which nothing is believed.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};

use super::health::Health;
use crate::config::model::{Credentials, Secret, Trust};
use crate::time::Timestamp;
use crate::trust;

/// To establish a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Octets of an answer that are read: what has more is cut off.
const BODY: usize = 16 * 1024;
/// Characters of an answer that stand in an error.
const TEXT: usize = 200;
/// Octets of a part of a URL that may be a secret of its own.
const SECRET: usize = 12;
/// Nobody waits longer because a receiver says so.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Shorter than the time after which servers end idle connections.
const IDLE: Duration = Duration::from_secs(20);

/// A receiver: where it is, who we are there, and how it does.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) name: Arc<str>,
    /// `alertmanager` or `webhook`.
    pub(super) integration: &'static str,
    pub(super) health: Health,
    way: Result<Way, String>,
}

/// How it is reached.
#[derive(Debug)]
struct Way {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    /// What it may say again, and nobody else may read: the longest first.
    hidden: Vec<String>,
}

/// Why a request came to nothing. No text holds a secret or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) text: String,
    /// It would be refused again.
    pub(super) for_good: bool,
    /// The receiver was reached, and it is this request that it fails at.
    pub(super) answered: bool,
    /// When to come again, if it says so.
    pub(super) wait: Option<Duration>,
}

impl Receiver {
    /// One at `url`.
    pub(super) fn new<'h>(
        name: Arc<str>,
        integration: &'static str,
        url: &str,
        credentials: &Credentials,
        trust: &Trust,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
    ) -> Self {
        let way = Way::new(url, credentials, trust, headers);
        Self { name, integration, health: Health::default(), way }
    }

    /// Sends `body`, and waits for what becomes of it.
    pub(super) async fn post(&self, body: Bytes, headers: HeaderMap) -> Result<(), Failure> {
        let unusable =
            |text: &String| Failure { text: text.clone(), for_good: false, answered: false, wait: None };
        let way = self.way.as_ref().map_err(unusable)?;
        let request = way.http.post(way.url.clone()).headers(way.headers.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(unreached)?;
        judge(response, &way.hidden).await
    }

    /// Notes what became of a request.
    pub(super) fn note(&self, outcome: &Result<(), Failure>, now: Timestamp) {
        match outcome {
            Ok(()) => self.health.succeeded(&self.name, now),
            Err(Failure { text, for_good, .. }) => self.health.failed(&self.name, text, *for_good, now),
        }
    }
}

impl Way {
    /// Environment proxies are not used: no variable of somebody's shell decides who hears of what is wrong. Redirects
    /// are not followed: a token belongs to one receiver.
    fn new<'h>(
        url: &str,
        credentials: &Credentials,
        trust: &Trust,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("its URL cannot be used: {error}"))?;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .user_agent(concat!("thirdleaf/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = trust::tls(trust).map_err(|error| error.to_string())? {
            builder = builder.tls_backend_preconfigured(tls);
        }
        let http = builder.build().map_err(|error| chain(&error))?;
        let hidden = hidden(&url, credentials);
        Ok(Self { http, url, headers: self::headers(credentials, headers)?, hidden })
    }
}

fn headers<'h>(
    credentials: &Credentials,
    more: impl Iterator<Item = (&'h str, &'h str)>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in more {
        let name: HeaderName = name.parse().map_err(|_| format!("no header can be called {name:?}"))?;
        let value: HeaderValue = value.parse().map_err(|_| format!("no header can say what {name} says"))?;
        headers.insert(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let authorization = match credentials {
        Credentials::None => return Ok(headers),
        Credentials::Token(token) => format!("Bearer {}", token.expose()),
        Credentials::Password { user, password } => format!("Basic {}", basic(user, password)),
    };
    let mut value: HeaderValue =
        authorization.parse().map_err(|_| "its token cannot be sent in a header".to_owned())?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

/// What errors must not repeat: receivers that find nothing at a path, or do not like a token, tend to quote it.
fn hidden(url: &Url, credentials: &Credentials) -> Vec<String> {
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let parts = path.split('/').chain(query.split(['&', '='])).filter(|part| part.len() >= SECRET);
    let whole = [path, query].into_iter().filter(|text| text.len() > 1);
    let mut hidden: Vec<_> = parts.chain(whole).map(ToOwned::to_owned).collect();
    match credentials {
        Credentials::None => {}
        Credentials::Token(token) => hidden.push(token.expose().to_owned()),
        Credentials::Password { user, password } => {
            hidden.extend([password.expose().to_owned(), basic(user, password)]);
        }
    }
    hidden.sort_by_key(|text| Reverse(text.len()));
    hidden
}

fn basic(user: &str, password: &Secret) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()))
}

async fn judge(mut response: Response, hidden: &[String]) -> Result<(), Failure> {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
    // What is read to its end leaves the connection fit for the next request.
    let mut body = Vec::new();
    while body.len() < BODY
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(());
    }
    let again = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let said = said(&body, hidden);
    let text = if status.is_redirection() {
        format!("it answered {status}, and redirects are not followed: say where it is now")
    } else if said.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {said}")
    };
    Err(Failure { text, for_good: !again, answered: true, wait })
}

/// What it said, short and on one line.
fn said(body: &[u8], hidden: &[String]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for secret in hidden {
        text = text.replace(secret.as_str(), "********");
    }
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let text: String = plain.take(TEXT).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unreached(error: reqwest::Error) -> Failure {
    let refused = trust::refusal(&error).map(|refusal| match refusal.presented {
        Some(digest) => format!("the certificate with SHA-256 {digest} is not trusted: {refusal}"),
        None => format!("its certificate is not trusted: {refusal}"),
    });
    let text = refused.unwrap_or_else(|| chain(&error.without_url()));
    Failure { text, for_good: false, answered: false, wait: None }
}

/// The innermost cause says what happened.
fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    said(cause.to_string().as_bytes(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_quotes_of_its_secrets_is_not_repeated() {
        let url =
            Url::parse("https://chat.example/services/T0000/B0000/XXXXXXXXXXXX?key=YYYYYYYYYYYY").unwrap();
        let tokens = hidden(&url, &Credentials::Token(Secret::new("ZZZZZZZZ")));
        let user = Credentials::Password { user: "me".into(), password: Secret::new("WWWW") };
        for (answer, hidden, expected) in [
            (
                "Cannot POST /services/T0000/B0000/XXXXXXXXXXXX?key=YYYYYYYYYYYY",
                &tokens,
                "Cannot POST ********?********",
            ),
            ("no hook XXXXXXXXXXXX, no key YYYYYYYYYYYY", &tokens, "no hook ********, no key ********"),
            ("Bearer ZZZZZZZZ is nobody", &tokens, "Bearer ******** is nobody"),
            ("bWU6V1dXVw== is not WWWW", &hidden(&url, &user), "******** is not ********"),
            ("not / found", &hidden(&Url::parse("http://a").unwrap(), &Credentials::None), "not / found"),
        ] {
            assert_eq!(said(answer.as_bytes(), hidden), expected);
        }
    }
}
