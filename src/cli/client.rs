//! The client of the HTTP API.

use std::fs;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Identity, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::observer::view::Page;

/// Items that one request asks for.
const PAGE: usize = 1000;

/// The daemon answers sooner, if only that it is busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longer than the heartbeat of a stream.
const SILENCE: Duration = Duration::from_secs(40);

/// Parameters of a request; those without a value are left out.
pub(super) type Query<'a> = [(&'a str, Option<String>)];

/// What was done, as the daemon says it.
#[derive(Deserialize)]
struct Done {
    result: String,
}

/// Asks one daemon.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
}

/// The body of every error.
#[derive(Deserialize)]
struct Failure {
    error: Cause,
}

#[derive(Deserialize)]
struct Cause {
    code: String,
    message: String,
}

impl Client {
    /// A client of the daemon at `server`.
    #[cfg(test)]
    pub(super) fn new(server: &str, token_file: Option<&Path>) -> Result<Self, Error> {
        Self::with(server, token_file, None, None)
    }

    /// The same over TLS: who may have signed its certificate, and who we are to it.
    pub(super) fn with(
        server: &str,
        token_file: Option<&Path>,
        ca_file: Option<&Path>,
        cert_file: Option<&Path>,
    ) -> Result<Self, Error> {
        let with_scheme = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
        let url = Url::parse(&with_scheme).ok().filter(is_http);
        let server =
            url.ok_or_else(|| Error::Usage(format!("{server:?} is not an http:// or https:// address")))?;
        let token = token_file.map(read_token).transpose()?;
        let mut builder = reqwest::Client::builder();
        if let Some(file) = ca_file {
            let authorities = Certificate::from_pem_bundle(&read(file)?);
            let authorities = authorities.ok().filter(|authorities| !authorities.is_empty());
            let none = || Error::Usage(format!("{} holds no certificate (PEM)", file.display()));
            builder = builder.tls_certs_only(authorities.ok_or_else(none)?);
        }
        if let Some(file) = cert_file {
            let identity = Identity::from_pem(&read(file)?).map_err(|error| {
                let why = chain(&error);
                Error::Usage(format!("{} must hold a certificate and its key (PEM): {why}", file.display()))
            })?;
            builder = builder.identity(identity);
        }
        let http = builder
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(SILENCE)
            .user_agent(concat!("thirdleaf/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Usage(chain(&error)))?;
        Ok(Self { http, server, token })
    }

    /// `GET`s one document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Query<'_>) -> Result<T, Error> {
        self.document(self.http.get(self.url(path)).query(query)).await
    }

    /// `POST`s one document; answers what was done.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<String, Error> {
        let Done { result } = self.document(self.http.post(self.url(path)).json(body)).await?;
        Ok(result)
    }

    /// `POST`s one document; answers the one that comes back.
    pub(super) async fn post_for<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.document(self.http.post(self.url(path)).json(body)).await
    }

    /// Opens a stream of server-sent events after event `last`.
    pub(super) async fn stream(&self, path: &str, last: Option<u64>) -> Result<Response, Error> {
        let request = self.http.get(self.url(path)).header("accept", "text/event-stream");
        self.send(match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        })
        .await
    }

    /// All pages of a list, at most `limit` items of it.
    pub(super) fn pages<T>(
        &self,
        path: &'static str,
        query: &Query<'_>,
        limit: Option<usize>,
    ) -> Pages<'_, T> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Pages {
            client: self,
            path,
            query,
            cursor: None,
            is_last: limit == Some(0),
            left: limit,
            items: PhantomData,
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.server.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    async fn document<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let response = self.send(request.timeout(PATIENCE)).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| Error::Answer(error.to_string()))
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, Error> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(match serde_json::from_slice::<Failure>(&body) {
            Ok(Failure { error }) => {
                Error::Refused { status: status.as_u16(), code: error.code, message: error.message }
            }
            Err(_) => Error::Answer(format!("HTTP status {status}; is that the daemon?")),
        })
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable { server: self.server.to_string(), cause: chain(error) }
    }
}

/// The pages of a list, fetched one at a time.
pub(super) struct Pages<'a, T> {
    client: &'a Client,
    path: &'static str,
    query: Vec<(String, Option<String>)>,
    cursor: Option<String>,
    is_last: bool,
    left: Option<usize>,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Pages<'_, T> {
    /// The next page, empty ones included; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        if self.is_last {
            return Ok(None);
        }
        let size = self.left.unwrap_or(PAGE).min(PAGE);
        let mut query: Vec<_> =
            self.query.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        query.push(("limit", Some(size.to_string())));
        query.push(("cursor", self.cursor.take()));
        let mut page: Page<T> = self.client.get(self.path, &query).await?;
        page.items.truncate(size);
        if let Some(left) = &mut self.left {
            *left -= page.items.len();
        }
        self.is_last = self.left == Some(0) || page.next_cursor.is_none();
        self.cursor = page.next_cursor;
        Ok(Some(page.items))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|error| Error::Usage(format!("cannot read {}: {error}", file.display())))
}

fn read_token(file: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("cannot read the token file {}: {error}", file.display())))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        let file = file.display();
        return Err(Error::Usage(format!(
            "the token file {file} must hold one word of printable ASCII characters"
        )));
    }
    Ok(token.to_owned())
}

/// The innermost cause says what happened; the outer ones only that something did.
fn chain(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_with_and_without_scheme() {
        let url = |server| Client::new(server, None).map(|client| client.url("/api/v1/peers").to_string());
        assert_eq!(url("http://127.0.0.1:9179").unwrap(), "http://127.0.0.1:9179/api/v1/peers");
        assert_eq!(url("http://proxy/leaf3/").unwrap(), "http://proxy/leaf3/api/v1/peers");
        assert_eq!(url("[::1]:9179").unwrap(), "http://[::1]:9179/api/v1/peers");
        assert_eq!(url("https://tl:9179").unwrap(), "https://tl:9179/api/v1/peers");
        assert!(matches!(url("ftp://127.0.0.1"), Err(Error::Usage(_))));
        assert!(matches!(url("http://"), Err(Error::Usage(_))));
    }

    #[test]
    fn a_token_is_one_word() {
        let file = std::env::temp_dir().join(format!("thirdleaf-words-{}", std::process::id()));
        for (text, fine) in [("", false), ("two words", false), ("line\nline", false), (" word\n", true)] {
            fs::write(&file, text).unwrap();
            assert_eq!(read_token(&file).is_ok(), fine, "{text:?}");
        }
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_token_file_that_cannot_be_read_is_named() {
        let error = Client::new("127.0.0.1", Some(Path::new("/nonexistent/token"))).err().unwrap();
        assert!(error.to_string().starts_with("cannot read the token file /nonexistent/token: "), "{error}");
        assert_eq!(error.exit(), 2);
    }
}
