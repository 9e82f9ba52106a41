//! Secrets: only ever in files and environment variables.

use super::super::environment::Environment;
use super::super::model::Secret;
use super::super::table::{Section, Value};

/// `TCP_MD5SIG_MAXKEYLEN` of Linux.
const MD5_KEY: usize = 80;

/// Keys that look like a place for the secret itself.
const INLINE: [&str; 3] = ["password", "secret", "token"];

/// Where secrets are read from.
pub(super) struct Secrets<'e> {
    pub(super) environment: &'e dyn Environment,
}

impl Secrets<'_> {
    /// `password_file` or `password_env`: a TCP-MD5 key.
    pub(super) fn password(&self, section: &mut Section<'_, '_>) -> Option<Secret> {
        let (key, secret) = self.secret(section, "password_file", "password_env")?;
        if secret.len() > MD5_KEY {
            key.fail(format!("a TCP-MD5 key has at most {MD5_KEY} octets, this one has {}", secret.len()));
        }
        Some(Secret::new(secret))
    }

    /// `token_file` or `token_env`: a bearer token.
    pub(super) fn token(&self, section: &mut Section<'_, '_>) -> Option<Secret> {
        let (key, secret) = self.secret(section, "token_file", "token_env")?;
        if !secret.chars().all(|char| char.is_ascii_graphic()) {
            key.fail("a bearer token is one word of printable ASCII characters");
        }
        Some(Secret::new(secret))
    }

    fn secret<'r, 't>(
        &self,
        section: &mut Section<'r, 't>,
        file: &'static str,
        variable: &'static str,
    ) -> Option<(Value<'r, 't>, String)> {
        for (inline, value) in INLINE.iter().filter_map(|key| Some((key, section.take_unlisted(key)?))) {
            let help = format!("put it into a file and name that in `{file}`, or a variable in `{variable}`");
            value.fail_with(format!("`{inline}`: a secret must not stand in this file"), help);
        }
        let (from_file, from_variable) = (section.take(file), section.take(variable));
        if let (Some(_), Some(second)) = (&from_file, &from_variable) {
            second.fail(format!("`{file}` and `{variable}` exclude each other"));
        }
        let from_file = from_file.and_then(|value| self.file(&value).map(|text| (value, text)));
        let found = from_file.or_else(|| {
            let value = from_variable?;
            self.variable(&value).map(|text| (value, text))
        });
        found.and_then(|(value, text)| {
            let secret = text.trim().to_owned();
            if secret.is_empty() {
                value.fail("the secret is empty");
                return None;
            }
            Some((value, secret))
        })
    }

    fn file(&self, value: &Value<'_, '_>) -> Option<String> {
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
