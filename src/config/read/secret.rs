//! Secrets: only ever in files and environment variables.

use super::super::environment::Environment;
use super::super::model::Secret;
use super::super::table::{Section, Value};

/// `TCP_MD5SIG_MAXKEYLEN` of Linux.
const MD5_KEY: usize = 80;

/// Where a secret may be named, and keys that look like a place for the secret itself.
struct Keys {
    file: &'static str,
    variable: &'static str,
    inline: &'static [&'static str],
}

const PASSWORD: Keys =
    Keys { file: "password_file", variable: "password_env", inline: &["password", "secret", "token"] };
const TOKEN: Keys =
    Keys { file: "token_file", variable: "token_env", inline: &["password", "secret", "token"] };
const SECRET: Keys =
    Keys { file: "secret_file", variable: "secret_env", inline: &["secret", "hmac_key", "key"] };
const URL: Keys = Keys { file: "url_file", variable: "url_env", inline: &[] };
const PRIVATE_KEY: Keys = Keys { file: "key_file", variable: "key_env", inline: &["key", "private_key"] };

/// Where secrets are read from.
pub(super) struct Secrets<'e> {
    pub(super) environment: &'e dyn Environment,
}

/// Where a secret is named, and the secret, if it can be read.
type Found<'r, 't, T> = (Value<'r, 't>, Option<T>);

impl Secrets<'_> {
    /// `password_file` or `password_env`: a TCP-MD5 key.
    pub(super) fn password(&self, section: &mut Section<'_, '_>) -> Option<Secret> {
        let (key, secret) = self.secret(section, &PASSWORD)?;
        let secret = secret?;
        if secret.len() > MD5_KEY {
            key.fail(format!("a TCP-MD5 key has at most {MD5_KEY} octets, this one has {}", secret.len()));
        }
        Some(Secret::new(secret))
    }

    /// `token_file` or `token_env`: a bearer token.
    pub(super) fn token<'r, 't>(&self, section: &mut Section<'r, 't>) -> Option<Found<'r, 't, Secret>> {
        let (value, secret) = self.secret(section, &TOKEN)?;
        let secret = secret.filter(|secret| {
            let fits = secret.chars().all(|char| char.is_ascii_graphic());
            if !fits {
                value.fail("a bearer token is one word of printable ASCII characters");
            }
            fits
        });
        Some((value, secret.map(Secret::new)))
    }

    /// `password_file` or `password_env`: the password of a user.
    pub(super) fn login<'r, 't>(&self, section: &mut Section<'r, 't>) -> Option<Found<'r, 't, Secret>> {
        let (value, secret) = self.secret(section, &PASSWORD)?;
        Some((value, secret.map(Secret::new)))
    }

    /// `secret_file` or `secret_env`: the key of signatures that a receiver verifies.
    pub(super) fn hmac(&self, section: &mut Section<'_, '_>) -> Option<Secret> {
        let (_, secret) = self.secret(section, &SECRET)?;
        secret.map(Secret::new)
    }

    /// `url_file` or `url_env`: a URL that nobody may read.
    pub(super) fn url<'r, 't>(&self, section: &mut Section<'r, 't>) -> Option<Found<'r, 't, String>> {
        self.secret(section, &URL)
    }

    /// `key_file` or `key_env`: a private key, RSA, PEM.
    pub(super) fn private_key<'r, 't>(&self, section: &mut Section<'r, 't>) -> Option<Found<'r, 't, Secret>> {
        let (value, secret) = self.secret(section, &PRIVATE_KEY)?;
        let secret = secret.filter(|text| {
            let (wrong, help) = if !text.contains("PRIVATE KEY-----") {
                ("this holds no private key", "it must be PEM: -----BEGIN PRIVATE KEY-----")
            } else if text.contains("ENCRYPTED") {
                ("this private key is encrypted", "store it without a password, readable by its owner only")
            } else if text.contains("-----BEGIN EC ") {
                ("an APIC verifies signatures of RSA keys only, and this is another", "make an RSA key")
            } else {
                return true;
            };
            value.fail_with(wrong, help);
            false
        });
        Some((value, secret.map(Secret::new)))
    }

    /// `key_file` or `key_env`: a private key of any kind, PEM.
    pub(super) fn tls_key<'r, 't>(&self, section: &mut Section<'r, 't>) -> Option<Found<'r, 't, Secret>> {
        let (value, secret) = self.secret(section, &PRIVATE_KEY)?;
        Some((value, secret.map(Secret::new)))
    }

    fn secret<'r, 't>(&self, section: &mut Section<'r, 't>, keys: &Keys) -> Option<Found<'r, 't, String>> {
        let Keys { file, variable, inline } = keys;
        for (inline, value) in inline.iter().filter_map(|key| Some((key, section.take_unlisted(key)?))) {
            let help = format!("put it into a file and name that in `{file}`, or a variable in `{variable}`");
            value.fail_with(format!("`{inline}`: a secret must not stand in this file"), help);
        }
        let (from_file, from_variable) = (section.take(file), section.take(variable));
        if let (Some(_), Some(second)) = (&from_file, &from_variable) {
            second.fail(format!("`{file}` and `{variable}` exclude each other"));
        }
        let (text, value) = match (from_file, from_variable) {
            (Some(value), _) => (self.file(&value), value),
            (None, Some(value)) => (self.variable(&value), value),
            (None, None) => return None,
        };
        let secret = text.map(|text| text.trim().to_owned()).filter(|secret| {
            if secret.is_empty() {
                value.fail("the secret is empty");
            }
            !secret.is_empty()
        });
        Some((value, secret))
    }

    /// The text of a file that `value` names.
    pub(super) fn file(&self, value: &Value<'_, '_>) -> Option<String> {
        let path = value.path()?;
        match self.environment.file(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                value.fail(format!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }

    fn variable(&self, value: &Value<'_, '_>) -> Option<String> {
        let name = value.text()?;
        let text = self.environment.variable(name);
        if text.is_none() {
            value.fail(format!("the environment variable `{}` is not set", name.escape_debug()));
        }
        text
    }
}
