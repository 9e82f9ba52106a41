//! What alerts are called: the same names as alert rules on metrics have for the same trouble.

use crate::observer::findings::Kind;
use crate::observer::view::Finding;
use crate::policy::Reason;

/// What says how many findings are not pushed one by one.
pub(super) const MORE: &str = "ThirdleafMoreFindings";
/// What somebody sends to see whether it arrives.
pub(super) const TEST: &str = "ThirdleafTest";

/// The name of the alert that a finding is.
pub(super) fn of(finding: &Finding) -> &'static str {
    let Some(kind) = Kind::from_name(&finding.kind) else { return TEST };
    match (kind, finding.reason) {
        (Kind::RogueRoute, Some(Reason::AsPathTooLong)) => "ThirdleafAsPathTooLong",
        (Kind::RogueRoute, Some(Reason::UnexpectedOriginAs)) => "ThirdleafUnexpectedOriginAs",
        (Kind::PrefixLimit, _) if finding.identity.get("object").is_some_and(|what| &**what == "above") => {
            "ThirdleafPrefixLimitHit"
        }
        (kind, _) => of_kind(kind),
    }
}

/// Where the runbook says what to do: under the kind of a finding, or else under the name of the alert.
pub(super) fn in_runbook(alertname: &str, kind: &str) -> String {
    if Kind::from_name(kind).is_some() { kind.to_owned() } else { alertname.to_lowercase() }
}

const fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::RogueRoute => "ThirdleafRogueRoute",
        Kind::DuplicatePodBlock => "ThirdleafDuplicatePodBlock",
        Kind::DuplicateNodeSubnet => "ThirdleafDuplicateNodeSubnet",
        Kind::DuplicatePodHost => "ThirdleafDuplicatePodHost",
        Kind::DuplicateServiceHost => "ThirdleafDuplicateServiceHost",
        Kind::MissingServiceCidr => "ThirdleafServiceCidrMissing",
        Kind::MissingNodeSubnet => "ThirdleafNodeSubnetMissing",
        Kind::LeafDisagreement => "ThirdleafLeafDisagreement",
        Kind::PeerDown => "ThirdleafPeerDown",
        Kind::RackDown => "ThirdleafRackDown",
        Kind::PeerFlapping => "ThirdleafPeerFlapping",
        Kind::StaleRoutes => "ThirdleafGracefulRestartStale",
        Kind::PrefixLimit => "ThirdleafPrefixLimitNear",
        Kind::MalformedUpdates => "ThirdleafMalformedUpdates",
        Kind::MeshLeftOn => "ThirdleafMeshLeftOn",
        Kind::ObserverIsolated => "ThirdleafObserverIsolated",
        Kind::RecoveryWait => "ThirdleafRecoveryWait",
        Kind::PeerRefused => "ThirdleafPeerRefused",
        Kind::DuplicateAs => "ThirdleafDuplicateAs",
        Kind::DuplicateRouterId => "ThirdleafDuplicateRouterId",
        Kind::AggregationMissing => "ThirdleafAggregationMissing",
        Kind::FabricCapacity => "ThirdleafFabricCapacity",
        Kind::TimerTrouble => "ThirdleafTimerTrouble",
        Kind::EepgConflict => "ThirdleafEepgConflict",
        Kind::EepgDrift => "ThirdleafEepgDrift",
        Kind::EepgWriteFailing => "ThirdleafEepgWriteFailing",
        Kind::HoldDown => "ThirdleafHoldDownEngaged",
        Kind::ApicDown => "ThirdleafApicDown",
        Kind::AciConfig => "ThirdleafAciConfig",
        Kind::JournalFailing => "ThirdleafJournalFailing",
        Kind::AlertsFailing => "ThirdleafAlertsFailing",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_runbook_has_a_place_for_all() {
        assert_eq!(in_runbook("ThirdleafAsPathTooLong", "rogue_route"), "rogue_route");
        assert_eq!(in_runbook(MORE, "more_findings"), "thirdleafmorefindings");
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Kind::ALL.into_iter().map(of_kind).chain([MORE, TEST]).collect();
        assert_eq!(names.len(), Kind::ALL.len() + 2);
        for name in names {
            let rest = name.strip_prefix("Thirdleaf").unwrap();
            assert!(rest.starts_with(|first: char| first.is_ascii_uppercase()), "{name}");
            assert!(rest.chars().all(|char| char.is_ascii_alphanumeric()), "{name}");
        }
    }
}
