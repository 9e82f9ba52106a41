//! The model as it is shown: in the keys and notations of the file, secrets masked.

use std::time::Duration;

use humantime::format_duration;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Config;
use super::model::{AsRange, Auth, Limits, Neighbors, Secret, Trust};

/// The environment variable that stands in [`text`] for a secret which must be there.
const LEFT_OUT: &str = "LEFT_OUT";

/// What an [`Environment`](super::Environment) answers that reads what [`text`] wrote: a stand-in for secrets
/// that were left out.
pub(crate) fn left_out(variable: &str) -> Option<String> {
    // What wants a key in PEM finds one here, too.
    (variable == LEFT_OUT)
        .then(|| "-----BEGIN PRIVATE KEY-----\nleft out\n-----END PRIVATE KEY-----".to_owned())
}

/// A file that says the same, secrets left out, and whom we tell of findings, for receivers are known by them: those that must be there are looked for in the environment
/// variable `LEFT_OUT`.
///
/// # Errors
///
/// None that a valid configuration can cause.
pub fn text(config: &Config) -> Result<String, toml::ser::Error> {
    let mut file = toml::Table::try_from(config)?;
    file.insert("version".to_owned(), toml::Value::Integer(1));
    file.remove("alerts");
    if let Some(toml::Value::Table(http)) = file.get_mut("http") {
        // Without its tokens it could not say who reads.
        http.remove("tokens");
        http.remove("read");
        http.remove("tls");
    }
    for entry in file.get_mut("neighbors").and_then(toml::Value::as_array_mut).into_iter().flatten() {
        if let Some(entry) = entry.as_table_mut() {
            entry.remove("password");
        }
    }
    for apic in file.get_mut("apic").and_then(toml::Value::as_array_mut).into_iter().flatten() {
        if let Some(auth) = apic.get_mut("auth").and_then(toml::Value::as_table_mut) {
            for (secret, variable) in [("password", "password_env"), ("key", "key_env")] {
                if auth.remove(secret).is_some() {
                    auth.insert(variable.to_owned(), LEFT_OUT.into());
                }
            }
        }
    }
    drop_empty(&mut file);
    toml::to_string(&file)
}

/// The same for eyes: secrets are asterisks.
///
/// # Errors
///
/// None that a valid configuration can cause.
pub fn masked(config: &Config) -> Result<String, toml::ser::Error> {
    let mut file = toml::Table::try_from(config)?;
    file.insert("version".to_owned(), toml::Value::Integer(1));
    drop_empty(&mut file);
    toml::to_string(&file)
}

/// A list without entries is one that is not there.
fn drop_empty(table: &mut toml::Table) {
    table.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    for (_, value) in table {
        match value {
            toml::Value::Table(inner) => drop_empty(inner),
            toml::Value::Array(list) => {
                list.iter_mut().filter_map(toml::Value::as_table_mut).for_each(drop_empty);
            }
            _ => {}
        }
    }
}

/// A duration as `"3s"`.
pub(super) fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_duration(*duration))
}

/// `open_after` as a table.
pub(super) fn durations<S: Serializer>(
    durations: &[(String, Duration)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(durations.len()))?;
    for (kind, duration) in durations {
        map.serialize_entry(kind, &format_duration(*duration).to_string())?;
    }
    map.end()
}

/// `manage` as a word.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn manage<S: Serializer>(manage: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *manage { "always" } else { "never" })
}

impl Serialize for Auth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user", self.user())?;
        match self {
            Self::Password { password, .. } => map.serialize_entry("password", password)?,
            Self::Certificate { cert_name, key, .. } => {
                map.serialize_entry("cert_name", cert_name)?;
                map.serialize_entry("key", key)?;
            }
        }
        map.end()
    }
}

impl Serialize for Trust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::System => {}
            Self::Authorities(certificates) => map.serialize_entry("ca", certificates)?,
            Self::Pinned(digests) => map.serialize_entry("pin_sha256", digests)?,
            Self::Insecure => map.serialize_entry("insecure", &true)?,
        }
        map.end()
    }
}

impl Serialize for AsRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Neighbors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Entry {
            leaf: &self.leaf,
            range: self.range,
            peer_as: &self.peer_as,
            cluster: &self.cluster,
            vrf: &self.vrf,
            password: self.password.as_ref(),
            ttl_security_hops: self.ttl_security_hops,
            hold_time: self.hold_time,
            passive: self.passive,
            port: self.port,
            max_peers: self.max_peers,
            limits: &self.limits,
            graceful_restart: GracefulRestart { max_stale_time: self.max_stale_time },
            add_path: self.add_path,
            families: [("ipv4", self.ipv4), ("ipv6", self.ipv6)]
                .into_iter()
                .filter_map(|(family, offered)| offered.then_some(family))
                .collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct Entry<'n> {
    leaf: &'n str,
    range: ipnet::IpNet,
    peer_as: &'n [AsRange],
    cluster: &'n str,
    vrf: &'n str,
    password: Option<&'n Secret>,
    ttl_security_hops: Option<u8>,
    #[serde(serialize_with = "duration")]
    hold_time: Duration,
    passive: bool,
    port: u16,
    max_peers: usize,
    limits: &'n Limits,
    graceful_restart: GracefulRestart,
    add_path: bool,
    families: Vec<&'static str>,
}

#[derive(Serialize)]
struct GracefulRestart {
    #[serde(serialize_with = "duration")]
    max_stale_time: Duration,
}
