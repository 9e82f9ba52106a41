//! The model as it is shown: in the keys and notations of the file, secrets masked.

use std::time::Duration;

use humantime::format_duration;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::model::{AsRange, Limits, Neighbors, Secret};

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
