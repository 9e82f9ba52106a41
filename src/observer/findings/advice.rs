//! What to do about a finding.

use super::{Key, Kind};

/// What to do about what `key` identifies.
pub(super) const fn of(key: &Key) -> &'static str {
    match key.kind() {
        Kind::MeshLeftOn => "set nodeToNodeMeshEnabled to false in the cluster's default BGPConfiguration",
        Kind::ObserverIsolated => "look at the network of the host that this runs on",
        _ => "",
    }
}
