//! What keeps the fabric in step: good files, and the carets under bad ones.

use std::time::Duration;

use super::super::model::{Auth, Caps, Match, Mode, SubnetScope, Trust};
use super::carets::brief;
use super::{Config, Fake, SHORTEST, Secret, read_in};
use crate::policy::Class;

mod changes;
mod fabrics;
mod rules;

/// What makes the shortest file one with a fabric, its rules to follow. The first line is 24.
const FABRIC: &str = r#"[global]
name = "dc1"
[[apic]]
name = "fabric1"
urls = ["https://apic1.example.net", "https://10.0.0.2:8443/"]
auth = { user = "thirdleaf", password_file = "/password" }
"#;

/// An RSA key, as far as anybody looks.
pub(super) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";

pub(super) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";

/// The files and variables that these name.
pub(super) fn machine() -> Fake {
    Fake::default()
        .file("/password", "hunter2\n")
        .file("/key", KEY)
        .file("/ca", CERTIFICATE)
        .file("/none", "")
        .variable("PASSWORD", "hunter2")
}

/// The shortest file with a fabric and `more`, which begins on line 30.
fn fabric(more: &str) -> String {
    format!("{SHORTEST}{FABRIC}{more}")
}

/// The same with another last line of its fabric, which is line 29.
fn auth(line: &str) -> String {
    let (before, _) = FABRIC.split_once("auth").unwrap();
    format!("{SHORTEST}{before}{line}\n")
}

/// The same with another line for its controllers, which is line 28.
fn urls(line: &str) -> String {
    let (before, rest) = FABRIC.split_once("urls").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    format!("{SHORTEST}{before}{line}\n{rest}")
}

fn good(text: &str) -> Config {
    read_in(text, &machine()).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// Places in `t.toml`; the text is read as one in `/etc/thirdleaf`.
fn check(cases: &[(String, &[&str])]) {
    for (text, expected) in cases {
        let errors = read_in(text, &machine()).expect_err(text);
        assert_eq!(brief(&errors), *expected, "{text}\n{errors}");
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
    }
}

/// An EEPG rule with `lines`.
fn rule(lines: &str) -> String {
    format!("[[eepg]]\nname = \"web\"\ntenant = \"k8s\"\nl3out = \"calico\"\n{lines}\n")
}

/// Files that say all that there is to say, in two ways.
pub(super) fn whole_files() -> [String; 2] {
    let rules = rule(
        "vrf = \"default\"\nmatch = { class = [\"service_host\", \"pod_block\"], prefix = \"10.96.0.0/16\", \
         min_length = 20, community = [\"65102:100\", \"rt:65000:1\"], peer_as = [65102, \"65110-65120\"], \
         node = \"10.0.0.9\", rack = \"rack1\", leaf = [\"rack1\"], cluster = \"default\" }\ncreate = true\n\
         contracts.provide = \"web\"\nscope = [\"import-security\", \"shared-security\"]\ncaps.members = 7",
    );
    let rest = "[[redirect]]\npolicy = \"fw\"\ntenant = \"k8s\"\nmac = \"00:50:56:ab:cd:ef\"\nip_sla = \"icmp\"\n\
                health_group = \"g\"\nmin_destinations = 2\nmatch.class = \"pod_host\"\n\
                [safety]\nmode = \"enforce\"\ndelete_after = \"90s\"\nmass_withdraw.fraction = 0.25\n";
    let never = rule("manage = \"never\"").replace("web", "{rack}-{node}");
    let pinned = format!("pin_sha256 = \"{}\"\n", "0a".repeat(32));
    let certificate =
        auth("auth = { user = \"u\", key_file = \"/key\", cert_name = \"c\" }\nca_file = \"/ca\"");
    [fabric(&(pinned + &rules + &never + rest)), certificate + "insecure = false\n" + &rules]
}

/// Takes what keeps a fabric in step out of `config`, where every key shows its default, or an example.
pub(super) fn is_the_shortest_fabric(config: &mut Config) {
    let redirect = "[[redirect]]\npolicy = \"firewall\"\ntenant = \"k8s\"\n";
    let shortest = good(&fabric(&(rule("") + redirect)));
    let mut apic = config.apics.remove(0);
    assert_eq!(apic.trust, Trust::Authorities(CERTIFICATE.trim().into()));
    assert_eq!(apic.auth, Auth::Password { user: "thirdleaf".into(), password: Secret::new("sesame") });
    (apic.trust, apic.auth) = (Trust::System, shortest.apics[0].auth.clone());
    apic.urls = shortest.apics[0].urls.clone();
    assert_eq!(apic, shortest.apics[0]);
    let mut eepg = config.eepgs.remove(0);
    assert_eq!(eepg.matches.min_length, Some(32));
    eepg.matches = Match::default();
    assert_eq!(eepg, shortest.eepgs[0]);
    let mut redirect = config.redirects.remove(0);
    assert_eq!(redirect.mac.take().as_deref(), Some("00:50:56:AB:CD:EF"));
    assert_eq!(redirect.health_group.take().as_deref(), Some("firewall"));
    assert_eq!(redirect.ip_sla.take().as_deref(), Some("icmp"));
    redirect.matches = Match::default();
    assert_eq!(redirect, shortest.redirects[0]);
    assert!(config.apics.is_empty() && config.eepgs.is_empty() && config.redirects.is_empty());
}

#[test]
fn a_fabric_has_the_defaults() {
    let config = good(&fabric(&rule("")));
    let [apic] = config.apics.as_slice() else { panic!() };
    assert_eq!(&*apic.name, "fabric1");
    assert_eq!(
        apic.urls.iter().map(|url| &**url).collect::<Vec<_>>(),
        ["https://apic1.example.net", "https://10.0.0.2:8443"]
    );
    let password = Auth::Password { user: "thirdleaf".into(), password: Secret::new("hunter2") };
    assert_eq!((&apic.auth, &apic.trust), (&password, &Trust::System));
    assert_eq!((apic.requests_per_second, apic.burst, apic.batch_size), (10, 20, 500));
    assert_eq!(
        (apic.full_compare_every, apic.caps.members, apic.caps.eepgs),
        (Duration::from_mins(5), 20_000, 600)
    );
    let [eepg] = config.eepgs.as_slice() else { panic!() };
    assert_eq!((eepg.name.to_string().as_str(), &*eepg.apic, &*eepg.vrf), ("web", "fabric1", "default"));
    assert_eq!((&*eepg.tenant, &*eepg.l3out), ("k8s", "calico"));
    assert_eq!(
        (eepg.create, eepg.manage, &eepg.scope[..]),
        (false, true, &[SubnetScope::ImportSecurity][..])
    );
    assert_eq!(eepg.caps, Caps::default());
    assert_eq!(eepg.matches.classes(), [Class::PodHost, Class::ServiceHost]);
    assert_eq!(config.safety, super::super::model::Safety::default());
    assert_eq!(config.safety.mode, Mode::Observe);
}
