//! `[alerts]`: who is told of findings, and how.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::Error;
use super::super::model::{Alertmanager, Alerts, Credentials, HiddenUrl, LeastSeverity, Trust, Webhook};
use super::super::table::{Section, Value};
use super::apic::{is_authority, trust};
use super::secret::Secrets;
use super::{FINDINGS, name, within};

/// How often what fires is sent again: as Prometheus does it.
const RESEND: Duration = Duration::from_mins(1);
/// Octets of a label's value or a header's.
const LONGEST: usize = 200;
/// Alertmanagers, webhooks, labels, headers.
const MOST: usize = 32;

/// Labels that identify findings.
const OWN: [&str; 14] = [
    "alertname",
    "cluster",
    "instance",
    "kind",
    "leaf",
    "node",
    "object",
    "peer",
    "prefix",
    "rack",
    "reason",
    "severity",
    "source",
    "vrf",
];

/// What is ours to say in a request.
const OUR_HEADERS: [&str; 5] = ["connection", "content-length", "content-type", "host", "transfer-encoding"];

/// Parts of the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 7] = ["auth", "cookie", "key", "pass", "secret", "signature", "token"];

/// Reads the whole section.
pub(super) fn alerts(mut section: Section<'_, '_>, secrets: &Secrets<'_>) -> Alerts {
    let external_url = section.read("external_url", link);
    let runbook_url = section.read("runbook_url", runbook_url);
    let alertmanager = section.take("alertmanager").and_then(Value::section);
    Alerts {
        external_url: external_url.map(|url| url.trim_end_matches('/').into()),
        runbook_url: runbook_url.unwrap_or_else(|| Alerts::RUNBOOK.into()),
        alertmanager: alertmanager.and_then(|section| self::alertmanager(section, secrets)),
        webhooks: webhooks(&mut section, secrets),
    }
}

fn alertmanager(mut section: Section<'_, '_>, secrets: &Secrets<'_>) -> Option<Alertmanager> {
    let listed = section.require("urls").map(Value::some).unwrap_or_default();
    let credentials = credentials(&mut section, secrets);
    let trust = trust(&mut section, secrets);
    let labels = pairs(section.section("labels"), label);
    let resend = section.read("resend", resend).unwrap_or(RESEND);
    let mut urls: Vec<Arc<str>> = Vec::new();
    for value in &listed {
        let Some(url) = url(value) else { continue };
        let url: Arc<str> = url.trim_end_matches('/').into();
        if url.contains('?') {
            value.fail_with(
                "the URL of an Alertmanager ends with its path",
                "write it as \"http://alertmanager1:9093\"",
            );
        } else if urls.contains(&url) {
            value.fail(format!("{url} stands here twice"));
        }
        is_private(value, &url, &credentials, trust.as_ref());
        urls.push(url);
    }
    few(&section, "urls", urls.len());
    Some(Alertmanager { urls, credentials, trust: trust?, labels, resend })
}

fn resend(value: &Value<'_, '_>) -> Option<Duration> {
    let why = "what is not sent again for four times as long counts as over";
    within(value, Duration::from_secs(1)..=Duration::from_hours(1), why)
}

fn webhooks(alerts: &mut Section<'_, '_>, secrets: &Secrets<'_>) -> Vec<Webhook> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    let sections = alerts.sections("webhooks");
    few(alerts, "webhooks", sections.len());
    for mut section in sections {
        let called = section.require("name").and_then(|value| Some((name(&value)?, value)));
        if let Some((name, value)) = &called
            && webhooks.iter().any(|other| other.name == *name)
        {
            value.fail(format!("there is a webhook `{name}` already"));
        }
        webhooks.extend(webhook(&mut section, called.map(|(name, _)| name), secrets));
    }
    webhooks
}

/// Reads every key, whatever is wrong with the others.
fn webhook(section: &mut Section<'_, '_>, name: Option<Arc<str>>, secrets: &Secrets<'_>) -> Option<Webhook> {
    let secret = secrets.hmac(section);
    let credentials = credentials(section, secrets);
    let trust = trust(section, secrets);
    let url = webhook_url(section, secrets, &credentials, trust.as_ref());
    let headers = pairs(section.section("headers"), header);
    let severities = [
        ("info", LeastSeverity::Info),
        ("warning", LeastSeverity::Warning),
        ("critical", LeastSeverity::Critical),
    ];
    let severity = section.read("severity", |value| value.choice(&severities)).unwrap_or_default();
    let kinds = section.take("kinds").map(Value::some).unwrap_or_default();
    let kinds = kinds.iter().filter_map(kind).collect();
    Some(Webhook { name: name?, url: url?, secret, credentials, trust: trust?, headers, severity, kinds })
}

/// `url`, or where it stands alone if nobody may read it.
fn webhook_url(
    section: &mut Section<'_, '_>,
    secrets: &Secrets<'_>,
    credentials: &Credentials,
    trust: Option<&Trust>,
) -> Option<HiddenUrl> {
    let plain = section.take("url");
    let hidden = secrets.url(section);
    match (plain, hidden) {
        (Some(_), Some((value, _))) => {
            value.fail("`url` excludes `url_file` and `url_env`");
            None
        }
        (None, None) => {
            let error = Error::at(section.place(), format!("`url` is missing in `{}`", section.place().path));
            let help = "where the URL itself is a secret, name a file that holds it in `url_file`";
            section.reporter().report(error.help(help));
            None
        }
        (Some(value), None) => {
            let url = url(&value)?;
            is_private(&value, url, credentials, trust);
            Some(HiddenUrl::new(url))
        }
        (None, Some((value, url))) => {
            let url = url?;
            if fault(&url).is_some() {
                // The file's text may be a secret, whatever it is.
                value.fail_with("what it names is no URL", "it must be http:// or https://, and a host");
                return None;
            }
            is_private(&value, &url, credentials, trust);
            Some(HiddenUrl::new(url))
        }
    }
}

fn kind(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let kind = value.text()?;
    if !FINDINGS.contains(&kind) {
        value.unknown_word("kind of finding", kind, FINDINGS.into_iter(), "the kinds are");
    }
    Some(kind.into())
}

/// A bearer token, or a user with a password.
fn credentials(section: &mut Section<'_, '_>, secrets: &Secrets<'_>) -> Credentials {
    let user = section.take("user");
    let token = secrets.token(section);
    let password = secrets.login(section);
    match (user, token, password) {
        (None, None, None) => Credentials::None,
        (None, Some((_, token)), None) => token.map_or(Credentials::None, Credentials::Token),
        (Some(value), None, Some((_, password))) => {
            let user = name(&value).filter(|user| {
                if user.contains(':') {
                    value.fail("the name of a user holds no colon (RFC 7617)");
                }
                !user.contains(':')
            });
            match (user, password) {
                (Some(user), Some(password)) => Credentials::Password { user, password },
                _ => Credentials::None,
            }
        }
        (Some(value), None, None) => {
            value.fail_with("a user needs a password", "name a file that holds it in `password_file`");
            Credentials::None
        }
        (None, _, Some((value, _))) => {
            value.fail_with("a password needs a user", "say whose it is: user = \"thirdleaf\"");
            Credentials::None
        }
        (Some(value), Some(_), _) => {
            value.fail("a user and a token exclude each other");
            Credentials::None
        }
    }
}

/// Whether nobody on the way to `url` reads what nobody may read.
fn is_private(value: &Value<'_, '_>, url: &str, credentials: &Credentials, trust: Option<&Trust>) {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or(rest));
    let near = |host: &str| {
        let name =
            host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let far = host.is_some_and(|host| !near(host));
    if far && !credentials.is_none() && !matches!(trust, Some(Trust::Insecure)) {
        value.fail_with(
            "over plain HTTP everybody on the way reads the token or the password",
            "write https://, or add insecure = true if that is as it should be",
        );
    }
}

/// `http://host[:port][/path][?query]`, or the same with `https`.
fn url<'v>(value: &'v Value<'_, '_>) -> Option<&'v str> {
    let text = value.text()?;
    let example = "write it as \"https://alerts.example.net/thirdleaf\"";
    match fault(text) {
        None => Some(text),
        Some(fault) => {
            value.fail_with(fault, example);
            None
        }
    }
}

/// What is wrong with a URL.
fn fault(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Some("this is no URL") };
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    if !["http", "https"].contains(&scheme) {
        Some("only http:// and https:// are spoken")
    } else if text.contains('@') {
        Some("a URL holds no user and no password here: they have keys of their own")
    } else if !is_authority(host) {
        Some("this URL names no host that could be asked")
    } else if text.contains('#') || !text.chars().all(|char| char.is_ascii_graphic()) {
        Some("this URL holds what none may hold: blanks, `#`, or what is not ASCII")
    } else {
        None
    }
}

fn link(value: &Value<'_, '_>) -> Option<Arc<str>> {
    url(value).map(Into::into)
}

/// A link, or a path that people understand.
fn runbook_url(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let text = value.text()?;
    if text.is_empty() || text.contains('#') || !text.chars().all(|char| char.is_ascii_graphic()) {
        value.fail_with(
            "this is no link that `#` and a kind could follow",
            "write it as \"https://wiki.example.net/thirdleaf/runbook\"",
        );
        return None;
    }
    Some(text.into())
}

/// A table whose keys are names.
fn pairs(
    mut section: Section<'_, '_>,
    fault: fn(&str, &str) -> Option<&'static str>,
) -> BTreeMap<Arc<str>, Arc<str>> {
    let entries = section.entries();
    few(&section, &section.place().path.clone(), entries.len());
    let mut pairs = BTreeMap::new();
    for (key, place, value) in entries {
        let Some(text) = value.text() else { continue };
        match fault(&key, text) {
            Some(fault) => {
                let message = format!("`{}`: {fault}", key.escape_debug());
                section.reporter().report(Error::at(&place, message));
            }
            None => _ = pairs.insert(key.as_str().into(), text.into()),
        }
    }
    pairs
}

fn few(section: &Section<'_, '_>, what: &str, count: usize) {
    if count > MOST {
        let message = format!("there are {count} in `{what}`: at most {MOST} may be");
        section.reporter().report(Error::at(section.place(), message));
    }
}

/// What is wrong with a static label.
fn label(name: &str, value: &str) -> Option<&'static str> {
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !starts || !letters.all(|char| char.is_ascii_alphanumeric() || char == '_') || name.starts_with("__") {
        Some("a label's name is letters, digits and _, and begins with no digit and not with __")
    } else if OWN.contains(&name) {
        Some("this label identifies findings")
    } else if value.is_empty() || value.len() > LONGEST || value.contains(char::is_control) {
        Some("a label's value is one line of at most 200 octets, and not empty")
    } else {
        None
    }
}

/// What is wrong with a header.
fn header(name: &str, value: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let is_name = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    if name.is_empty() || !name.chars().all(is_name) {
        Some("this is no name of a header")
    } else if OUR_HEADERS.contains(&&*lower) || lower.starts_with("x-thirdleaf") {
        Some("this header is ours to set")
    } else if SECRET_HEADERS.iter().any(|part| lower.contains(part)) {
        Some(
            "a secret must not stand in this file: there are token_file, user and password_file, and url_file",
        )
    } else if value.len() > LONGEST || !value.chars().all(|char| char.is_ascii_graphic() || char == ' ') {
        Some("a header's value is one line of at most 200 printable ASCII characters")
    } else {
        None
    }
}
