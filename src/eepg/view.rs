//! What readers see of members, plans and brakes: items of the HTTP API, and of the command line that reads it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::eepg::Mo;
use crate::time::Timestamp;

/// An item of `GET /api/v1/eepgs`: an EEPG or a redirect policy that rules name or that holds members of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eepg {
    /// The `[[apic]]`.
    pub apic: String,
    /// `eepg` or `redirect`.
    pub kind: String,
    /// Its distinguished name.
    pub dn: String,
    /// Its tenant.
    pub tenant: String,
    /// Its L3Out; empty for a redirect policy.
    pub l3out: String,
    /// Its name.
    pub name: String,
    /// The VRF.
    pub vrf: String,
    /// `present`, `ours` (we made it), `missing`, or `unknown` before the first comparison.
    pub state: String,
    /// How many members routes want there.
    pub desired: usize,
    /// How many of ours are there.
    pub observed: usize,
    /// How many of others are there.
    pub foreign: usize,
    /// Changes to come.
    pub pending: usize,
    /// Those of them that a brake holds.
    pub held: usize,
    /// The most members there may be.
    pub cap: usize,
    /// When it was last compared with the APIC.
    pub compared: Option<Timestamp>,
    /// What is wrong with it, for people.
    pub trouble: Vec<String>,
}

/// An item of `GET /api/v1/eepgs/members?dn=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The prefix.
    pub prefix: IpNet,
    /// `ours`, `foreign`, or `missing` (wanted and not there).
    pub state: String,
    /// Whether routes want it there.
    pub wanted: bool,
    /// The nodes that announce it, as its mark says.
    pub nodes: Vec<String>,
    /// The rule that put it there.
    pub rule: Option<String>,
    /// Why it stays though nothing announces it, or is to be changed.
    pub note: Option<String>,
}

/// `GET /api/v1/plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names this very plan for `plan/approve`.
    pub id: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Why nothing at all is written, and until when.
    pub paused: Option<Pause>,
    /// What holds changes back.
    pub held: Vec<Held>,
    /// The changes, at most as many as were asked for.
    pub changes: Vec<Change>,
    /// How many there are in all.
    pub total: usize,
    /// When the APIC was last compared completely; none: not yet.
    pub compared: Option<Timestamp>,
    /// The requests that would be sent, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
}

/// `eepg pause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// It ends by itself.
    pub until: Timestamp,
    /// As whoever began it said.
    pub reason: String,
}

/// A brake that is engaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its name, as in [`Brake::name`](crate::eepg::Brake::name).
    pub brake: String,
    /// The `[[apic]]`.
    pub apic: String,
    /// What it is about: an L3Out's or a policy's distinguished name, or empty for all.
    pub scope: String,
    /// When it lets go, if time alone does that.
    pub until: Option<Timestamp>,
    /// One line for people.
    pub reason: String,
    /// How many changes it holds.
    pub changes: usize,
}

/// A change of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `create`, `modify` or `delete`.
    pub operation: String,
    /// The `[[apic]]`.
    pub apic: String,
    /// The object's distinguished name.
    pub dn: String,
    /// The EEPG's or policy's name.
    pub eepg: String,
    /// The prefix; none: it is about the EEPG or policy itself.
    pub prefix: Option<IpNet>,
    /// Whose route asks for it, or asked for it.
    pub because: Because,
    /// One line for people.
    pub reason: String,
    /// The brake that holds it back.
    pub held_by: Option<String>,
    /// Until when, if time alone lets go.
    pub until: Option<Timestamp>,
}

/// Why something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The peer's address.
    pub peer: Option<IpAddr>,
    /// The node.
    pub node: Option<String>,
    /// The rule.
    pub rule: Option<String>,
}

/// A request as it would be sent, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The `[[apic]]`.
    pub apic: String,
    /// The object that it is posted to.
    pub dn: String,
    /// What is posted.
    pub body: Mo,
}

/// `eepgs` of `GET /api/v1/summary`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// EEPGs and redirect policies.
    pub total: usize,
    /// Members that routes want.
    pub desired: usize,
    /// Members of ours that are there.
    pub observed: usize,
    /// Changes to come.
    pub pending: usize,
    /// Those of them that a brake holds.
    pub held: usize,
}
