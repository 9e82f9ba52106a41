//! Who may do what.
//!
//! A token is carried as `Authorization: Bearer`, or by a field of a form. What changes something always needs one;
//! reading does where `http.read` says so, and takes it as the password of `Authorization: Basic` as well, which is
//! what browsers ask for. They send that by themselves, so it changes nothing.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::Problem;
use super::{Shared, State, trail};
use crate::config::model::{Http, Reading, Scope, Token};
use crate::observer::Actor;

/// Where the connection of a request begins and ends, and who asks for something.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Our address.
    pub(super) local: IpAddr,
    /// The client's; headers that say otherwise are not believed.
    pub(super) client: IpAddr,
    /// The name of the token that was found in the request, whatever its scope.
    who: Arc<OnceLock<Arc<str>>>,
}

impl Ends {
    pub(super) fn new(local: IpAddr, client: IpAddr) -> Self {
        Self { local, client, who: Arc::default() }
    }

    /// The name of the token, if there was one.
    pub(super) fn who(&self) -> Option<&str> {
        self.who.get().map(|name| &**name)
    }

    /// Who asks for something, if that is known.
    pub(super) fn actor(&self) -> Option<Actor> {
        Some(Actor { name: self.who.get()?.clone(), client: self.client })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ends {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let ends = parts.extensions.get::<ConnectInfo<Self>>().map(|info| info.0.clone());
        ends.ok_or_else(|| Problem::unavailable("the connection has no ends"))
    }
}

/// Proof that the request carries a token that may operate.
pub(super) struct Operator(pub(super) Actor);

/// Proof that the request carries a token that may approve.
pub(super) struct Approver(pub(super) Actor);

impl FromRequestParts<Arc<Shared>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        of_header(parts, shared, Scope::Operate).await.map(Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Approver {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        of_header(parts, shared, Scope::Approve).await.map(Self)
    }
}

async fn of_header(parts: &mut Parts, shared: &Shared, scope: Scope) -> Result<Actor, Problem> {
    let ends = Ends::from_request_parts(parts, shared).await?;
    authorize(shared, &ends, bearer(&parts.headers), scope)
}

/// Who may do what needs `scope`, by the token that the request carries.
pub(super) fn authorize(
    shared: &Shared,
    ends: &Ends,
    token: Option<&[u8]>,
    scope: Scope,
) -> Result<Actor, Problem> {
    let http = &shared.config().http;
    if let Some(holder) = token.and_then(|token| holder(&http.tokens, token)) {
        // One request has one token.
        let _ = ends.who.set(holder.name.clone());
    }
    let name = permitted(http, token, scope)?;
    Ok(Actor { name, client: ends.client })
}

/// The name of the token, if it may do what needs `scope`.
fn permitted(http: &Http, token: Option<&[u8]>, scope: Scope) -> Result<Arc<str>, Problem> {
    let needed = scope.name();
    if http.tokens.is_empty() {
        let message = "this daemon takes no changes over HTTP: its configuration has no http.token_file and no \
                       [[http.tokens]]";
        return Err(Problem::new(StatusCode::FORBIDDEN, "no_token_configured", message));
    }
    let Some(token) = token else {
        let message = format!(
            "this needs \"Authorization: Bearer\" and a token of [http] in the configuration with the scope {needed:?}"
        );
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "token_missing", message));
    };
    let Some(holder) = holder(&http.tokens, token) else {
        let message = format!("this is no token of this daemon; one with the scope {needed:?} is needed");
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "token_wrong", message));
    };
    if holder.scope < scope {
        let Token { name, scope, .. } = holder;
        let message = format!(
            "the token of {name:?} has the scope {:?}, and this needs one with {needed:?}",
            scope.name()
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope_too_small", message));
    }
    Ok(holder.name.clone())
}

/// Stands before all but the health of the daemon.
pub(super) async fn guard(state: State, ends: Ends, mut request: Request, next: Next) -> Response {
    // The next request of the same connection may be somebody else's.
    let ends = Ends::new(ends.local, ends.client);
    request.extensions_mut().insert(ConnectInfo(ends.clone()));
    if !request.method().is_safe() {
        return trail::follow(state, ends, request, next).await;
    }
    match may_read(&state.config().http, &ends, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                let basic = HeaderValue::from_static("Basic realm=\"thirdleaf\", charset=\"UTF-8\"");
                response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
            }
            response
        }
    }
}

/// Whether who sent `headers` may look.
pub(super) fn may_read(http: &Http, ends: &Ends, headers: &HeaderMap) -> Result<(), Problem> {
    let basic = basic(headers);
    let token = bearer(headers).or(basic.as_deref());
    let needed = match http.read {
        Reading::Open => false,
        Reading::OffLoopback => !ends.local.is_loopback(),
        Reading::Token => true,
    };
    if needed {
        return permitted(http, token, Scope::Read).map(drop);
    }
    if token.is_some_and(|token| holder(&http.tokens, token).is_some()) {
        return Ok(());
    }
    meant_for_us(http, ends, headers)
}

/// Whether a request that carries no token is for this machine by a name of this machine: a page of somebody else whose
/// name has come to point here must not read what is here. Off loopback, names are looked at once there are some in
/// `http.hosts`.
fn meant_for_us(http: &Http, ends: &Ends, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or_default();
    let name = name_of(host);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_ours = http.hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours));
    let anybody = !ends.local.is_loopback() && http.hosts.is_empty();
    if anybody || is_address || is_ours || name.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    let message = format!("{host:?} is no name of this daemon; if it should be one, add it to http.hosts");
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host_unknown", message))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A browser says where a request comes from: a page of somebody else has nothing to change here.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let is_ours = match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => ["same-origin", "none"].contains(&site),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST)
        }
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    let message = "this request comes from a page of another site, and changes nothing here";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", message))
}

/// The token of a request; the scheme's name is written in any case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    credentials(headers, "bearer ")
}

/// The token that a browser asked for: the password, whatever the user.
fn basic(headers: &HeaderMap) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(credentials(headers, "basic ")?).ok()?;
    let colon = decoded.iter().position(|octet| *octet == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (named, rest) = value.split_at_checked(scheme.len())?;
    named.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
}

/// Whose token this is, found in a time that does not tell which one nearly was it.
fn holder<'t>(tokens: &'t [Token], given: &[u8]) -> Option<&'t Token> {
    tokens.iter().fold(
        None,
        |found, token| {
            if same(given, token.secret.expose().as_bytes()) { Some(token) } else { found }
        },
    )
}

/// Whether both are equal, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests;
