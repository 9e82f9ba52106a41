//! `[[apic]]`: the controllers of a fabric.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::Error;
use super::super::model::{Apic, Auth, Digest, FabricCaps, Trust};
use super::super::table::{Place, Section, Value};
use super::names::{self, RULE};
use super::secret::Secrets;
use super::{name, within};

/// How often everything is compared.
const FULL_COMPARE_EVERY: Duration = Duration::from_mins(5);

/// What `[[apic]]` says.
pub(super) struct Fabrics {
    /// Those that could be read.
    pub(super) read: Vec<Apic>,
    /// The names of those whose name could be read.
    pub(super) names: Vec<Arc<str>>,
    /// Whether all of them have a readable name.
    pub(super) complete: bool,
}

impl Fabrics {
    /// Whether the file has none.
    pub(super) const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.complete
    }
}

/// All fabrics; `own_name` is `global.name` and its place.
pub(super) fn apics(
    root: &mut Section<'_, '_>,
    secrets: &Secrets<'_>,
    own_name: Option<&(Arc<str>, Place)>,
) -> Fabrics {
    let mut fabrics = Fabrics { read: Vec::new(), names: Vec::new(), complete: true };
    let mut places: Vec<Place> = Vec::new();
    for (index, mut section) in root.sections("apic").into_iter().enumerate() {
        if index == 0 {
            may_mark(&section, own_name);
        }
        let name = section.require("name").and_then(|value| Some((name(&value)?, value)));
        if let Some((name, value)) = &name {
            if let Some(first) = fabrics.names.iter().position(|other| other == name) {
                let line = places.get(first).map(|first| section.reporter().line(first, &value.place));
                value.fail(format!("apic `{name}` is already defined on {}", line.unwrap_or_default()));
            }
            fabrics.names.push(name.clone());
            places.push(value.place.clone());
        } else {
            fabrics.complete = false;
        }
        fabrics.read.extend(apic(&mut section, name.map(|(name, _)| name), secrets));
    }
    fabrics
}

/// Whether our name can stand in the mark of what we write.
fn may_mark(section: &Section<'_, '_>, own_name: Option<&(Arc<str>, Place)>) {
    let why = "it stands in the mark of every object that we write, so that no instance deletes another's";
    let error = match own_name {
        Some((name, _)) if names::is_of_apic(name) => return,
        Some((name, place)) => Error::at(place, format!("the APIC does not take `{name}` for a mark"))
            .help(format!("{why}; {RULE}")),
        None => {
            let example = "name it in [global]: name = \"dc1\"";
            Error::at(section.place(), "`global.name` is missing: with an [[apic]] it must be there")
                .help(format!("{why}; {example}"))
        }
    };
    section.reporter().report(error);
}

/// Reads every key, whatever is wrong with the others.
fn apic(section: &mut Section<'_, '_>, name: Option<Arc<str>>, secrets: &Secrets<'_>) -> Option<Apic> {
    let listed = section.require("urls").map(Value::some).unwrap_or_default();
    let auth = section.require("auth").and_then(Value::section).and_then(|inner| auth(inner, secrets));
    let trust = trust(section, secrets);
    let urls = urls(&listed, matches!(trust, Some(Trust::Insecure)));
    let requests_per_second = section.read("requests_per_second", |value| value.number(1..=1_000));
    let burst = section.read("burst", |value| value.number(1..=1_000));
    let full_compare_every = section.read("full_compare_every", full_compare_every);
    let batch_size = section.read("batch_size", |value| value.number(1..=5_000));
    let caps = caps(section.section("caps"));
    Some(Apic {
        name: name?,
        urls,
        auth: auth?,
        trust: trust?,
        requests_per_second: requests_per_second.unwrap_or(10),
        burst: burst.unwrap_or(20),
        full_compare_every: full_compare_every.unwrap_or(FULL_COMPARE_EVERY),
        batch_size: batch_size.unwrap_or(500),
        caps,
    })
}

fn full_compare_every(value: &Value<'_, '_>) -> Option<Duration> {
    let why = "more often is a load on the controllers, more seldom leaves what others changed for too long";
    within(value, Duration::from_secs(10)..=Duration::from_hours(1), why)
}

fn caps(mut section: Section<'_, '_>) -> FabricCaps {
    let default = FabricCaps::default();
    FabricCaps {
        members: section.read("members", |value| value.number(1..=10_000_000)).unwrap_or(default.members),
        eepgs: section.read("eepgs", |value| value.number(1..=100_000)).unwrap_or(default.eepgs),
    }
}

fn urls(listed: &[Value<'_, '_>], insecure: bool) -> Vec<Arc<str>> {
    let mut urls: Vec<Arc<str>> = Vec::new();
    for value in listed {
        match url(value, insecure) {
            Some(url) if urls.contains(&url) => value.fail(format!("{url} stands here twice")),
            Some(url) => urls.push(url),
            None => {}
        }
    }
    urls
}

/// `https://host[:port]`.
fn url(value: &Value<'_, '_>, insecure: bool) -> Option<Arc<str>> {
    let text = value.text()?;
    let example = "write it as \"https://apic1.example.net\" or \"https://10.0.0.1:8443\"";
    if text.contains('@') {
        value.fail_with("a URL of a controller holds no user and no password", "the user stands in `auth`");
        return None;
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        value.fail_with(format!("`{}` is no URL of a controller", text.escape_debug()), example);
        return None;
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if scheme == "http" && !insecure {
        value.fail_with(
            "over plain HTTP everybody on the way reads what is sent",
            "write https://, or add insecure = true for a laboratory",
        );
    } else if !["http", "https"].contains(&scheme) {
        value.fail_with(format!("a controller does not speak `{}`", scheme.escape_debug()), example);
    } else if host.contains(['/', '?', '#']) {
        value.fail_with("a URL of a controller holds no path", "all controllers have the same ones");
    } else if !is_authority(host) {
        value.fail_with(format!("`{}` is no host with a port", host.escape_debug()), example);
    } else {
        return Some(format!("{scheme}://{host}").into());
    }
    None
}

/// Whether `text` is `host[:port]`.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<Ipv6Addr>().is_ok() => ("v6", rest),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0) && !port.starts_with('+');
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let of_label = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    port_fits
        && host.len() <= 253
        && host.split('.').all(|label| !label.is_empty() && label.chars().all(of_label))
}

/// Who we are there.
fn auth(mut section: Section<'_, '_>, secrets: &Secrets<'_>) -> Option<Auth> {
    let reporter = section.reporter();
    let wrong_before = reporter.count();
    let user = section.require("user").and_then(|value| Some((name(&value)?, value)));
    let key = secrets.private_key(&mut section);
    let password = secrets.login(&mut section);
    let cert_name = section.take("cert_name");
    match (password, key) {
        (Some(_), Some((value, _))) => {
            value.fail("a password and a private key exclude each other");
            None
        }
        (None, None) => {
            // A secret in the wrong place is told already.
            if reporter.count() == wrong_before {
                let help =
                    "name a file that holds a password in `password_file`, or a private key in `key_file`";
                let error = Error::at(section.place(), "there is neither a password nor a private key");
                reporter.report(error.help(help));
            }
            None
        }
        (Some((_, password)), None) => {
            if let Some(value) = cert_name {
                value.fail_with("a certificate needs its private key", "name its file in `key_file`");
            }
            Some(Auth::Password { user: user?.0, password: password? })
        }
        (None, Some((_, key))) => {
            let cert_name = cert_name.map(|value| names::of_apic(&value));
            let (user, value) = user?;
            if !names::is_of_apic(&user) {
                value.fail_with(
                    format!("`{}` is no local user of an APIC", user.escape_debug()),
                    "only local users have certificates",
                );
                return None;
            }
            Some(Auth::Certificate {
                cert_name: cert_name.unwrap_or_else(|| Some(user.clone()))?,
                user,
                key: key?,
            })
        }
    }
}

/// Who may answer.
pub(super) fn trust(section: &mut Section<'_, '_>, secrets: &Secrets<'_>) -> Option<Trust> {
    let file = section.take("ca_file");
    let inline = section.take("ca");
    let pins = section.take("pin_sha256");
    let insecure = section.take("insecure").and_then(|value| Some((value.bool()?, value)));
    let insecure = insecure.and_then(|(insecure, value)| insecure.then_some(value));
    let given = || [&file, &inline, &pins, &insecure].into_iter().flatten();
    if let Some(last) = given().max_by_key(|value| value.place.span.start).filter(|_| given().count() > 1) {
        last.fail_with(
            "`ca_file`, `ca`, `pin_sha256` and `insecure` exclude each other",
            "each says who may answer, and one must hold",
        );
        return None;
    }
    if let Some(value) = file {
        let text = secrets.file(&value)?;
        return authorities(&value, &text);
    }
    if let Some(value) = inline {
        return authorities(&value, value.text()?);
    }
    if let Some(value) = pins {
        let listed = value.some();
        let pins: Vec<Digest> = listed.iter().filter_map(digest).collect();
        return (!pins.is_empty()).then_some(Trust::Pinned(pins));
    }
    Some(if insecure.is_some() { Trust::Insecure } else { Trust::System })
}

fn authorities(value: &Value<'_, '_>, text: &str) -> Option<Trust> {
    if text.contains("PRIVATE KEY-----") {
        value.fail_with("this holds a private key", "only certificates of authorities belong here");
        return None;
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        value.fail_with("this holds no certificate", "it must be PEM: -----BEGIN CERTIFICATE-----");
        return None;
    }
    Some(Trust::Authorities(text.trim().into()))
}

/// SHA-256 as hexadecimal digits, colons between them or not.
fn digest(value: &Value<'_, '_>) -> Option<Digest> {
    let text = value.text()?;
    let digits: String = text.chars().filter(|char| *char != ':').collect();
    let octets: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(octet).collect();
    if let Some(Ok(octets)) = octets.map(<[u8; 32]>::try_from) {
        return Some(Digest(octets));
    }
    value.fail_with(
        format!("`{}` is no SHA-256 digest: 64 hexadecimal digits", text.escape_debug()),
        "openssl x509 -noout -fingerprint -sha256 shows that of a certificate",
    );
    None
}

fn octet(digits: &[u8]) -> Option<u8> {
    let text = str::from_utf8(digits).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
    u8::from_str_radix(text, 16).ok()
}
