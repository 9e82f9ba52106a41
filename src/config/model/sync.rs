//! What keeps the fabric in step with the routes: controllers, rules, brakes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::{AsRange, Class, Secret};
use crate::config::shown;

/// `[[apic]]`: the controllers of one fabric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Apic {
    /// What rules call it.
    pub name: Arc<str>,
    /// Its controllers, `https://host[:port]` without a path, in the order in which they are tried.
    pub urls: Vec<Arc<str>>,
    /// Who we are there.
    pub auth: Auth,
    /// Who may answer.
    #[serde(flatten)]
    pub trust: Trust,
    /// How many requests a second may leave, on average.
    pub requests_per_second: u32,
    /// How many may leave at once after a pause.
    pub burst: u32,
    /// How often everything is compared.
    #[serde(serialize_with = "shown::duration")]
    pub full_compare_every: Duration,
    /// How many members one request changes at most.
    pub batch_size: usize,
    /// What all our rules together may make of it.
    pub caps: FabricCaps,
}

/// `auth` of an APIC.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// A session (`aaaLogin`).
    Password {
        /// The user, `apic#DOMAIN\user` for one of a login domain.
        user: Arc<str>,
        /// The password.
        password: Secret,
    },
    /// A signature of every request.
    Certificate {
        /// The local user that has the certificate.
        user: Arc<str>,
        /// The certificate's name there; by default the user's.
        cert_name: Arc<str>,
        /// The private key, RSA, PEM.
        key: Secret,
    },
}

impl Auth {
    /// The user.
    pub const fn user(&self) -> &Arc<str> {
        match self {
            Self::Password { user, .. } | Self::Certificate { user, .. } => user,
        }
    }
}

/// How controllers prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By a certificate that the machine trusts.
    System,
    /// By a certificate of one of these authorities, PEM.
    Authorities(Arc<str>),
    /// By a certificate with one of these SHA-256 digests, whoever signed it.
    Pinned(Vec<Digest>),
    /// Not at all.
    Insecure,
}

/// SHA-256 of a certificate (DER).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `caps` of an APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FabricCaps {
    /// Members of all EEPGs that we write.
    pub members: usize,
    /// EEPGs of the fabric, whosever they are.
    pub eepgs: usize,
}

impl Default for FabricCaps {
    fn default() -> Self {
        Self { members: 20_000, eepgs: 600 }
    }
}

/// `[[eepg]]`: which routes are members of which external EPG. The first that matches wins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Eepg {
    /// The EEPG's name (`l3extInstP`), with `{node}` and `{rack}` in it where there is one for each.
    pub name: Template,
    /// The `[[apic]]` that has it.
    pub apic: Arc<str>,
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its L3Out.
    pub l3out: Arc<str>,
    /// Its VRF: the name of the `fvCtx`, and of the VRF that leaves say.
    pub vrf: Arc<str>,
    /// Which routes.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Make the EEPG if it is not there.
    pub create: bool,
    /// What one that we make provides and consumes.
    pub contracts: Contracts,
    /// The flags of its members (`l3extSubnet.scope`).
    pub scope: Vec<SubnetScope>,
    /// `false`: what matches is left alone.
    #[serde(serialize_with = "shown::manage")]
    pub manage: bool,
    /// How much of it there may be.
    pub caps: Caps,
}

/// A name with places for what is known of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(Arc<str>),
    /// `{node}`: the node that announces the route.
    Node,
    /// `{rack}`: its rack.
    Rack,
}

impl Template {
    /// The name, if it is the same for every route.
    pub fn fixed(&self) -> Option<Arc<str>> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.to_string()),
            Piece::Node | Piece::Rack => None,
        };
        self.0.iter().map(text).collect::<Option<String>>().map(Into::into)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Node => f.write_str("{node}"),
            Piece::Rack => f.write_str("{rack}"),
        })
    }
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `match` of a rule: all that is given must hold; of several values, one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Match {
    /// Of one of these classes; empty: `pod_host` and `service_host`.
    pub class: Vec<Class>,
    /// Within one of these prefixes.
    pub prefix: Vec<IpNet>,
    /// At least as long.
    pub min_length: Option<u8>,
    /// With one of these communities, as the API shows them.
    pub community: Vec<Arc<str>>,
    /// From a peer with one of these ASes.
    pub peer_as: Vec<AsRange>,
    /// Of one of these nodes.
    pub node: Vec<Arc<str>>,
    /// Of one of these racks.
    pub rack: Vec<Arc<str>>,
    /// Heard by one of these leaves.
    pub leaf: Vec<Arc<str>>,
    /// Of one of these clusters.
    pub cluster: Vec<Arc<str>>,
}

impl Match {
    /// The classes that it takes.
    pub fn classes(&self) -> &[Class] {
        if self.class.is_empty() { &[Class::PodHost, Class::ServiceHost] } else { &self.class }
    }
}

/// `contracts` of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Contracts {
    /// `fvRsProv`.
    pub provide: Vec<Arc<str>>,
    /// `fvRsCons`.
    pub consume: Vec<Arc<str>>,
}

/// A flag of `l3extSubnet.scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubnetScope {
    /// The prefix classifies.
    ImportSecurity,
    /// Its classification is leaked to consumers' VRFs.
    SharedSecurity,
    /// Its route is leaked.
    SharedRtctrl,
    /// Route control on import.
    ImportRtctrl,
    /// Route control on export.
    ExportRtctrl,
}

impl SubnetScope {
    /// All flags, in the order in which the APIC names them.
    pub const ALL: [Self; 5] = [
        Self::ExportRtctrl,
        Self::ImportRtctrl,
        Self::ImportSecurity,
        Self::SharedRtctrl,
        Self::SharedSecurity,
    ];

    /// The APIC's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImportSecurity => "import-security",
            Self::SharedSecurity => "shared-security",
            Self::SharedRtctrl => "shared-rtctrl",
            Self::ImportRtctrl => "import-rtctrl",
            Self::ExportRtctrl => "export-rtctrl",
        }
    }

    /// The flag with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }
}

/// `caps` of a rule: equal in all rules of one EEPG (`members`), and of one `L3Out` (the others).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Caps {
    /// Members of one EEPG.
    pub members: usize,
    /// Members of all EEPGs of the L3Out that we write.
    pub l3out_members: usize,
    /// EEPGs of the L3Out, whosever they are.
    pub eepgs: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { members: 20_000, l3out_members: 20_000, eepgs: 250 }
    }
}

/// `[[redirect]]`: which addresses are destinations of which redirect policy (`vnsSvcRedirectPol`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Redirect {
    /// The `[[apic]]` that has it.
    pub apic: Arc<str>,
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its name.
    pub policy: Arc<str>,
    /// The VRF whose routes are meant.
    pub vrf: Arc<str>,
    /// Which routes; only hosts can be destinations.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Make the policy if it is not there.
    pub create: bool,
    /// The MAC address of destinations, as the APIC writes it; none: as in an L3Out.
    pub mac: Option<Arc<str>>,
    /// The health group of destinations.
    pub health_group: Option<Arc<str>>,
    /// The IP SLA policy that a policy of ours tracks by.
    pub ip_sla: Option<Arc<str>>,
    /// We leave at least so many.
    pub min_destinations: usize,
}

/// `[safety]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Safety {
    /// Whether anything is written.
    pub mode: Mode,
    /// How long after the start nothing is deleted.
    #[serde(serialize_with = "shown::duration")]
    pub startup_grace: Duration,
    /// How long after its last withdrawal a member stays.
    #[serde(serialize_with = "shown::duration")]
    pub delete_after: Duration,
    /// How long a member stays whose routes fell silent.
    #[serde(serialize_with = "shown::duration")]
    pub hold_down: Duration,
    /// When deletes wait for a human.
    pub mass_withdraw: MassWithdraw,
    /// Deletes of one fabric.
    pub max_deletes_per_minute: usize,
    /// Share of an L3Out's members that may be deleted within ten minutes; ten may be at any rate.
    pub max_delete_fraction: f64,
    /// How long an EEPG that we made stays when it is empty.
    #[serde(serialize_with = "shown::duration")]
    pub eepg_delete_after: Duration,
    /// How often within ten minutes an object is repaired.
    pub repair_limit: usize,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            startup_grace: Duration::from_mins(6),
            delete_after: Duration::from_mins(10),
            hold_down: Duration::from_hours(24),
            mass_withdraw: MassWithdraw::default(),
            max_deletes_per_minute: 60,
            max_delete_fraction: 0.2,
            eepg_delete_after: Duration::from_hours(24),
            repair_limit: 5,
        }
    }
}

/// `safety.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is written.
    #[default]
    Observe,
    /// The plan is carried out.
    Enforce,
}

impl Mode {
    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// `safety.mass_withdraw`: both exceeded within the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MassWithdraw {
    /// Share of an L3Out's members.
    pub fraction: f64,
    /// Members.
    pub count: usize,
    /// The window.
    #[serde(serialize_with = "shown::duration")]
    pub window: Duration,
}

impl Default for MassWithdraw {
    fn default() -> Self {
        Self { fraction: 0.1, count: 20, window: Duration::from_secs(30) }
    }
}
