//! The demo's ACI fabric: a simulated APIC, and all that the daemon must be told to write to it.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use ipnet::IpNet;

use super::{Error, story};
use crate::eepg::Mo;
use crate::lab::apic::{Apic, Settings};
use crate::lab::fabric::Fabric;

/// The user that the daemon is there.
const USER: &str = "thirdleaf";
/// Where members go.
const L3OUT: &str = "uni/tn-k8s/out-calico";
/// Directories of that many demos may stand beside each other.
const DEMOS: u32 = 1_000;

/// Which routes are members of which EEPG, and brakes that let go within seconds.
const RULES: &str = r#"
[[eepg]]                             # the services that web is about
name = "web"
tenant = "k8s"
l3out = "calico"
vrf = "prod"
match = { class = "service_host", prefix = "10.96.10.0/24" }
[[eepg]]                             # all others fall through to this
name = "services"
tenant = "k8s"
l3out = "calico"
vrf = "prod"
match = { class = "service_cidr" }
[[eepg]]                             # one for each rack, made when the first pod is there
name = "pods-{rack}"
tenant = "k8s"
l3out = "calico"
vrf = "prod"
match = { class = "pod_host" }
create = true
contracts = { consume = ["web"] }
[safety]
mode = "enforce"
startup_grace = "5s"
delete_after = "2s"
eepg_delete_after = "1m"
max_delete_fraction = 1.0            # what few members there are come and go
"#;

/// The APIC, and a directory with what belongs to it; both go when it is dropped.
pub struct Aci {
    apic: Apic,
    directory: Directory,
}

impl Aci {
    /// Starts the APIC, and makes the secrets by which it is asked, and the daemon.
    ///
    /// # Errors
    /// A directory or a port that cannot be had.
    pub async fn start() -> Result<Self, Error> {
        let directory = Directory::new()?;
        let password = secret()?;
        fs::write(directory.0.join("password"), &password)?;
        fs::write(directory.0.join("token"), secret()?)?;
        let settings = Settings { tree: Some(tree()), ..Settings::new(USER, &password) };
        Ok(Self { apic: Apic::start(settings).await?, directory })
    }

    /// The configuration that the demo's daemon runs with.
    pub fn configuration(&self) -> String {
        let mut more = String::from("\n[findings.open_after]\n");
        // Writing to a String cannot fail.
        for (kind, seconds) in story::OPEN_AFTER {
            let _ = writeln!(more, "{kind} = \"{seconds}s\"");
        }
        let state = quoted(&self.directory.0.join("state"));
        let _ = writeln!(more, "\n[global]\nname = \"demo\"\nstate_dir = {state}");
        let _ = writeln!(more, "\n[[apic]]\nname = \"fabric1\"\nurls = {:?}", self.apic.urls());
        let password = quoted(&self.directory.0.join("password"));
        let _ = writeln!(more, "auth = {{ user = \"{USER}\", password_file = {password} }}");
        if let Some(digest) = self.apic.digest() {
            let _ = writeln!(more, "pin_sha256 = [\"{digest}\"]");
        }
        more.push_str("full_compare_every = \"10s\"\n");
        more.push_str(RULES);
        let token = format!("[http]\ntoken_file = {}\n", quoted(&self.token_file()));
        Fabric::white_paper().config(&more).replacen("[http]\n", &token, 1)
    }

    /// The token by which the daemon can be told to change something.
    pub(super) fn token_file(&self) -> PathBuf {
        self.directory.0.join("token")
    }

    /// Where everything is kept.
    pub(super) fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// Where the APIC listens.
    pub(super) fn url(&self) -> String {
        self.apic.urls().into_iter().next().unwrap_or_default()
    }

    /// Whether the APIC has this member.
    pub(super) fn has(&self, eepg: &str, prefix: &IpNet) -> bool {
        self.apic.tree(|tree, _| tree.has(&member(eepg, prefix)))
    }

    /// Somebody deletes a member by hand. False: it is not there, or the APIC refuses.
    pub(super) fn delete(&self, eepg: &str, prefix: &IpNet) -> bool {
        let deleted = self.apic.tree(|tree, now| tree.delete(&member(eepg, prefix), now));
        deleted.is_ok_and(|changes| !changes.is_empty())
    }
}

/// A tenant with a VRF, a contract, and an L3Out with two EEPGs that administrators made.
fn tree() -> Mo {
    let eepg = |name| Mo::new("l3extInstP").with("name", name).with("descr", "made by hand");
    let web = eepg("web").holding(Mo::new("fvRsProv").with("tnVzBrCPName", "web"));
    let l3out = Mo::new("l3extOut")
        .with("name", "calico")
        .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"))
        .holding(web)
        .holding(eepg("services"));
    let tenant = Mo::new("fvTenant")
        .with("name", "k8s")
        .holding(Mo::new("fvCtx").with("name", "prod"))
        .holding(Mo::new("vzBrCP").with("name", "web"))
        .holding(l3out);
    Mo::new("polUni").holding(tenant)
}

fn member(eepg: &str, prefix: &IpNet) -> String {
    format!("{L3OUT}/instP-{eepg}/extsubnet-[{prefix}]")
}

/// As TOML writes it: its strings have the escapes of JSON's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

/// Nobody can guess it.
fn secret() -> io::Result<String> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(octets)))
}

/// A directory for its owner alone.
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        let id = std::process::id();
        for number in 0..DEMOS {
            let path = std::env::temp_dir().join(format!("thirdleaf-demo-{id}-{number}"));
            // What somebody else put there is not ours to use.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn the_configuration_is_one_and_writes_to_its_own_apic() {
        let aci = Aci::start().await.unwrap();
        let text = aci.configuration();
        let config = crate::config::parse(&text, "demo".as_ref(), &crate::config::Machine).unwrap();
        assert_eq!(config.findings.open_after.len(), story::OPEN_AFTER.len());
        assert_eq!(*config.apics[0].urls[0], *aci.url());
        let names: Vec<_> = config.eepgs.iter().map(|rule| rule.name.to_string()).collect();
        assert_eq!(names, ["web", "services", "pods-{rack}"]);
        assert!(!config.http.tokens.is_empty());
    }

    #[tokio::test]
    async fn what_it_keeps_is_for_its_owner_alone_and_goes_with_it() {
        let (one, other) = (Aci::start().await.unwrap(), Aci::start().await.unwrap());
        let directory = one.directory().to_owned();
        assert_ne!(directory, other.directory());
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        let secrets = [&one, &other].map(|aci| fs::read_to_string(aci.token_file()).unwrap());
        assert_ne!(secrets[0], secrets[1]);
        drop(one);
        assert!(!directory.exists() && other.directory().exists());
    }

    #[tokio::test]
    async fn members_are_seen_and_deleted_in_the_apic() {
        let aci = Aci::start().await.unwrap();
        let prefix = "10.96.10.20/32".parse().unwrap();
        assert!(!aci.has("web", &prefix) && !aci.delete("web", &prefix));
        let subnet = Mo::new("l3extSubnet").with("ip", "10.96.10.20/32");
        let web = Mo::new("l3extInstP").with("name", "web").holding(subnet);
        aci.apic.tree(|tree, now| tree.post(&format!("{L3OUT}/instP-web"), &web, now)).unwrap();
        assert!(aci.has("web", &prefix) && !aci.has("services", &prefix));
        assert!(aci.delete("web", &prefix) && !aci.has("web", &prefix));
    }
}
