//! `[http]`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::error::Error;
use super::super::model::{Http, Reading, Scope, Secret, Tls, Token, Unfit};
use super::super::table::{Place, Section, Value};
use super::leaf::Listeners;
use super::name;
use super::secret::Secrets;

/// Tokens at most: each request is compared with all of them.
const MAX_TOKENS: usize = 100;

/// A token that anybody could guess is worse than none.
const SHORTEST_TOKEN: usize = 8;

pub(super) fn http(mut section: Section<'_, '_>, secrets: &Secrets<'_>, listeners: &mut Listeners) -> Http {
    let listen = match section.take("listen") {
        Some(value) => listeners.claim(value, "[http]"),
        None => listeners.claim_default(SocketAddr::from(([127, 0, 0, 1], 9179)), "[http]"),
    };
    let mut tokens = Tokens::default();
    if let Some((value, secret)) = secrets.token(&mut section) {
        tokens.name(Token::ADMIN.into(), &value);
        tokens.add(Some(Token::ADMIN.into()), Some(Scope::Approve), &value, secret);
    }
    let entries = section.sections("tokens");
    if let Some(entry) = entries.get(MAX_TOKENS) {
        let error = Error::at(entry.place(), format!("there are more than {MAX_TOKENS} tokens"));
        entry.reporter().report(error.help("every request is compared with every token"));
    }
    for entry in entries {
        token(entry, secrets, &mut tokens);
    }
    let read = section.take("read").and_then(|value| reading(&value, &tokens)).unwrap_or_default();
    let hosts = section.take("hosts").map(Value::list).unwrap_or_default();
    let tls = section.take("tls").and_then(Value::section).and_then(|section| tls(section, secrets));
    Http { listen, tokens: tokens.read, read, hosts: hosts.iter().filter_map(host).collect(), tls }
}

/// Certificate and key have to fit, or nobody could connect.
fn tls(mut section: Section<'_, '_>, secrets: &Secrets<'_>) -> Option<Tls> {
    let cert_file = section.require("cert_file");
    let wrong_before = section.reporter().count();
    let key = secrets.tls_key(&mut section);
    if key.is_none() && section.reporter().count() == wrong_before {
        let error = Error::at(section.place(), "there is no private key");
        section.reporter().report(error.help("name the file that holds it in `key_file`"));
    }
    let authorities = section.take("client_ca_file");
    let cert = cert_file.as_ref().and_then(|value| secrets.file(value));
    let client_ca = authorities.as_ref().map(|value| secrets.file(value));
    let (key_file, key) = key?;
    // What could not be read is told.
    let client_ca = match client_ca {
        Some(read) => Some(read?.into()),
        None => None,
    };
    let tls = Tls { cert: cert?.into(), key: key?, client_ca };
    if let Err(unfit) = tls.server() {
        let place = match &unfit {
            Unfit::Certificate(_) => cert_file.as_ref(),
            Unfit::Key(_) | Unfit::Pair(_) => Some(&key_file),
            Unfit::ClientAuthority(_) => authorities.as_ref(),
        };
        place?.fail(unfit.to_string());
        return None;
    }
    Some(tls)
}

/// Those read so far, and where they stand.
#[derive(Default)]
struct Tokens {
    read: Vec<Token>,
    names: Vec<(Arc<str>, Place)>,
    secrets: Vec<(Secret, Place)>,
}

impl Tokens {
    /// Takes a name, unless another token has it.
    fn name(&mut self, name: Arc<str>, value: &Value<'_, '_>) {
        if let Some((_, first)) = self.names.iter().find(|(other, _)| *other == name) {
            let line = value.reporter().line(first, &value.place);
            let message = format!("the token on {line} is named `{name}`, too");
            value.fail_with(message, "a name says who did something: give each token its own");
        } else {
            self.names.push((name, value.place.clone()));
        }
    }

    /// Takes a token, unless another one is equal.
    fn add(
        &mut self,
        name: Option<Arc<str>>,
        scope: Option<Scope>,
        value: &Value<'_, '_>,
        secret: Option<Secret>,
    ) {
        let Some(secret) = secret else { return };
        if secret.expose().len() < SHORTEST_TOKEN {
            let message = format!("a token has at least {SHORTEST_TOKEN} characters");
            value.fail_with(
                message,
                "others could guess a shorter one; openssl rand -hex 32 makes a good one",
            );
        }
        if let Some((_, first)) = self.secrets.iter().find(|(other, _)| *other == secret) {
            let line = value.reporter().line(first, &value.place);
            let help = "nobody could tell who used it: give each its own, as of openssl rand -hex 32";
            value.fail_with(format!("this is the token of {line}, too"), help);
        }
        self.secrets.push((secret.clone(), value.place.clone()));
        if let (Some(name), Some(scope)) = (name, scope) {
            self.read.push(Token { name, scope, secret });
        }
    }
}

/// `[[http.tokens]]`.
fn token(mut entry: Section<'_, '_>, secrets: &Secrets<'_>, tokens: &mut Tokens) {
    let scopes = [Scope::Read, Scope::Operate, Scope::Approve].map(|scope| (scope.name(), scope));
    let named = entry.need("name", |value| {
        let name = name(value)?;
        tokens.name(name.clone(), value);
        Some(name)
    });
    let scope = entry.need("scope", |value| value.choice(&scopes));
    let wrong_before = entry.reporter().count();
    match secrets.token(&mut entry) {
        Some((value, secret)) => tokens.add(named, scope, &value, secret),
        // A secret in the wrong place is told already.
        None if entry.reporter().count() == wrong_before => {
            let error = Error::at(entry.place(), "there is no token");
            entry.reporter().report(
                error.help("name a file that holds it in `token_file`, or a variable in `token_env`"),
            );
        }
        None => {}
    }
}

fn reading(value: &Value<'_, '_>, tokens: &Tokens) -> Option<Reading> {
    let choices =
        [("open", Reading::Open), ("off_loopback", Reading::OffLoopback), ("token", Reading::Token)];
    let reading = value.choice(&choices)?;
    if reading != Reading::Open && tokens.secrets.is_empty() {
        value.fail_with("no token is configured: nobody could read", "add one: [[http.tokens]]");
    }
    Some(reading)
}

/// A name without a port.
fn host(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let text = value.text()?;
    let of_name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if text.is_empty() || !text.chars().all(of_name) {
        let message = format!("`{}` is no name of a host", text.escape_debug());
        value.fail_with(message, "write it without scheme and port: \"thirdleaf.example.net\"");
        return None;
    }
    Some(text.to_ascii_lowercase().into())
}
