//! The configuration file: any text is a configuration or an error that points into it; a configuration
//! that is shown is read as the same; no secret is shown.

use std::io;
use std::path::Path;

use thirdleaf::config::model::Reading;
use thirdleaf::config::{Config, Environment, Errors, diff, parse, text};

/// What every file and every variable that holds a secret says.
const SECRET: &str = "correct-horse-battery-staple";

/// What every file says that may be included.
const INCLUDED: &str = "[[nodes]]\nname = \"n\"\naddress = \"192.168.1.1\"\n";

/// What a file says that should hold certificates.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";

const FILE: &str = "/etc/thirdleaf/thirdleaf.toml";

/// A machine on which every file and variable is there, except for those with an `x` in their name. What is
/// called a key is one.
struct Pretended;

impl Environment for Pretended {
    fn file(&self, path: &Path) -> io::Result<String> {
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(INCLUDED.to_owned());
        }
        if path.to_string_lossy().ends_with("ca.pem") {
            return Ok(CERTIFICATE.to_owned());
        }
        let secret = self.variable(&path.to_string_lossy()).ok_or(io::ErrorKind::NotFound)?;
        Ok(secret + "\n")
    }

    fn names(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(["a.toml", "x.toml", "token"].map(String::from).to_vec())
    }

    fn variable(&self, name: &str) -> Option<String> {
        // A private key, or what stands for one in a configuration that is shown.
        let is_key = name.contains("key") || name == "LEFT_OUT";
        let pem = || format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----");
        (!name.contains('x')).then(|| if is_key { pem() } else { SECRET.into() })
    }
}

/// The text of a file.
pub fn check(data: &[u8]) {
    let Ok(file) = str::from_utf8(data) else { return };
    match read(file) {
        Ok(config) => is_read_as_shown(&config),
        Err(errors) => point_into(file, &errors),
    }
}

fn read(text: &str) -> Result<Config, Errors> {
    parse(text, Path::new(FILE), &Pretended)
}

fn point_into(text: &str, errors: &Errors) {
    assert!(errors.iter().count() > 0, "an error says what is wrong");
    for error in errors.iter() {
        assert!(!error.message().is_empty() && !error.message().contains('\n'), "{:?}", error.message());
        let Some((line, column)) = errors.position(error) else { continue };
        let text = match errors.file(error) {
            file if file == Path::new(FILE) => text,
            file if file.extension().is_some_and(|extension| extension == "toml") => INCLUDED,
            _ => continue,
        };
        let found = text.split('\n').nth(line - 1).expect("the line is there");
        assert!(column <= found.chars().count() + 1, "column {column} of {found:?}");
    }
    let shown = errors.to_string();
    assert!(!shown.contains(|char: char| char.is_control() && char != '\n' && char != '\t'), "{shown:?}");
    // Who includes the file of a secret wants it to be read as one of ours.
    let may_show = text.contains(SECRET) || text.contains("include");
    assert!(!shown.contains(SECRET) || may_show, "{shown}");
}

fn is_read_as_shown(config: &Config) {
    assert!(diff(config, config).is_empty());
    let shown = toml::Table::try_from(config).expect("a configuration can be shown").to_string();
    assert!(!shown.contains(SECRET) && !format!("{config:?}").contains(SECRET), "{shown}");
    let file = text(config).expect("a configuration can be written");
    assert!(!file.contains(SECRET) && !file.contains("********"), "{file}");
    let mut again = read(&file).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    for (apic, shown) in config.apics.iter().zip(&mut again.apics) {
        assert_eq!(format!("{:?}", apic.auth), format!("{:?}", shown.auth));
        shown.auth = apic.auth.clone();
    }
    assert_eq!(again, without_secrets(config.clone()), "{file}");
}

fn without_secrets(mut config: Config) -> Config {
    config.http.tokens.clear();
    config.http.read = Reading::default();
    config.neighbors.iter_mut().for_each(|entry| entry.password = None);
    config
}
