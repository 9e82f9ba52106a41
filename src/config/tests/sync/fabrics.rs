//! `[[apic]]`, and the names that an APIC takes.

use super::super::super::model::{Auth, Piece, Trust};
use super::super::{SHORTEST, Secret, read_in};
use super::{CERTIFICATE, KEY, auth, check, fabric, good, machine, rule, urls};

const NAMES: &str = "it takes up to 64 letters, digits, `_`, `.`, `:` and `-`";

#[test]
fn controllers() {
    check(&[
        (
            format!("{SHORTEST}[[apic]]\n"),
            &[
                "24:1 [[[apic]]] `global.name` is missing: with an [[apic]] it must be there (it stands in the mark \
                 of every object that we write, so that no instance deletes another's; name it in [global]: \
                 name = \"dc1\")",
                "24:1 [[[apic]]] `name` is missing in `apic[0]`",
                "24:1 [[[apic]]] `urls` is missing in `apic[0]`",
                "24:1 [[[apic]]] `auth` is missing in `apic[0]`",
            ],
        ),
        (
            fabric("").replace("dc1", "dc 1"),
            &[&format!(
                "25:8 [\"dc 1\"] the APIC does not take `dc 1` for a mark (it stands in the mark of every object \
                 that we write, so that no instance deletes another's; {NAMES})"
            )],
        ),
        (
            fabric(
                "batch_size = 0\nrequests_per_second = 1001\nburst = 0\nfull_compare_every = \"9s\"\n\
                    caps = { members = 0, eepg = 1 }\n",
            ),
            &[
                "30:14 [0] must be a number from 1 to 5000",
                "31:23 [1001] must be a number from 1 to 1000",
                "32:9 [0] must be a number from 1 to 1000",
                "33:22 [\"9s\"] must be from 10s to 1h (more often is a load on the controllers, more seldom leaves \
                 what others changed for too long)",
                "34:20 [0] must be a number from 1 to 10000000",
                "34:23 [eepg] unknown key `eepg` in `apic[0].caps` (did you mean `eepgs`?)",
            ],
        ),
    ]);
}

#[test]
fn several_fabrics() {
    let two = "[[apic]]\nname = \"fabric2\"\nurls = \"https://10.0.0.3\"\n\
               auth = { user = \"u\", password_env = \"PASSWORD\" }\n";
    check(&[(
        fabric(&two.replace("fabric2", "fabric1")),
        &["31:8 [\"fabric1\"] apic `fabric1` is already defined on line 27"],
    )]);
    let config = good(&fabric(two));
    assert_eq!(config.apics.iter().map(|apic| &*apic.name).collect::<Vec<_>>(), ["fabric1", "fabric2"]);
    check(&[
        (
            fabric(&format!("{two}{}", rule(""))),
            &[
                "34:1 [[[eepg]]] `apic` is missing in `eepg[0]`, and there are several (write one of fabric1, fabric2)",
            ],
        ),
        (
            fabric(&format!("{two}{}", rule("apic = \"fabrik2\""))),
            &["38:8 [\"fabrik2\"] unknown apic `fabrik2` (did you mean `fabric2`?)"],
        ),
    ]);
    assert_eq!(&*good(&fabric(&format!("{two}{}", rule("apic = \"fabric2\"")))).eepgs[0].apic, "fabric2");
}

#[test]
fn urls_of_controllers() {
    let example = "write it as \"https://apic1.example.net\" or \"https://10.0.0.1:8443\"";
    let no_host = |place: &str, host: &str| {
        format!("28:{place} [\"https://{host}\"] `{host}` is no host with a port ({example})")
    };
    check(&[
        (urls("urls = []"), &["28:8 [[]] this list must not be empty"]),
        (
            urls(
                "urls = [\"apic1\", \"http://apic1\", \"ftp://apic1\", \"https://me:hunter2@apic1\", \"https://a/api\"]",
            ),
            &[
                &format!("28:9 [\"apic1\"] `apic1` is no URL of a controller ({example})"),
                "28:18 [\"http://apic1\"] over plain HTTP everybody on the way reads what is sent \
                 (write https://, or add insecure = true for a laboratory)",
                &format!("28:34 [\"ftp://apic1\"] a controller does not speak `ftp` ({example})"),
                "28:49 [\"https://********@apic1\"] a URL of a controller holds no user and no password \
                 (the user stands in `auth`)",
                "28:77 [\"https://a/api\"] a URL of a controller holds no path (all controllers have the same ones)",
            ],
        ),
        (
            urls(
                "urls = [\"https://a\", \"https://a/\", \"https://\", \"https://a:0\", \"https://a b\", \"https://[::1\", \"https://[a]\", \"https://a:+1\"]",
            ),
            &[
                "28:22 [\"https://a/\"] https://a stands here twice",
                &no_host("36", ""),
                &no_host("48", "a:0"),
                &no_host("63", "a b"),
                &no_host("78", "[::1"),
                &no_host("94", "[a]"),
                &no_host("109", "a:+1"),
            ],
        ),
    ]);
    let config = good(&urls("insecure = true\nurls = [\"http://127.0.0.1:8080\", \"https://[::1]:8443\"]"));
    assert_eq!(config.apics[0].urls.len(), 2);
}

#[test]
fn who_we_are() {
    let pick = "name a file that holds a password in `password_file`, or a private key in `key_file`";
    let inline = "put it into a file and name that in `password_file`, or a variable in `password_env`";
    check(&[
        (auth("auth = \"hunter2\""), &["29:8 [********] expected a table, found a string"]),
        (
            auth("auth = { user = \"u\" }"),
            &[&format!("29:8 [{{ user = \"u\" }}] there is neither a password nor a private key ({pick})")],
        ),
        (
            auth("auth = { password_file = \"/password\", usr = \"u\" }"),
            &[
                "29:8 [{ password_file = \"/password\", usr = \"u\" }] `user` is missing in `apic[0].auth`",
                "29:39 [usr] unknown key `usr` in `apic[0].auth` (did you mean `user`?)",
            ],
        ),
        (
            auth("auth = { user = \"u\", password = \"hunter2\" }"),
            &[&format!("29:33 [********] `password`: a secret must not stand in this file ({inline})")],
        ),
        (
            auth("auth = { user = \"u\", key = \"hunter2\" }"),
            &["29:28 [********] `key`: a secret must not stand in this file \
               (put it into a file and name that in `key_file`, or a variable in `key_env`)"],
        ),
        (
            auth("auth = { user = \"u\", pw = \"hunter2\", password_file = \"/password\" }"),
            &["29:22 [pw] unknown key `pw` in `apic[0].auth` (the keys here are user, key_file, key_env, \
               password_file, password_env, cert_name)"],
        ),
        (
            auth("auth = { user = \"u\", password_file = \"/password\", key_file = \"/key\" }"),
            &["29:62 [\"/key\"] a password and a private key exclude each other"],
        ),
        (
            auth("auth = { user = \"u\", password_file = \"/password\", password_env = \"PASSWORD\" }"),
            &["29:66 [\"PASSWORD\"] `password_file` and `password_env` exclude each other"],
        ),
        (
            auth("auth = { user = \"u\", password_file = \"/password\", cert_name = \"u\" }"),
            &["29:63 [\"u\"] a certificate needs its private key (name its file in `key_file`)"],
        ),
        (
            auth("auth = { user = \"u\", password_file = \"/none\" }"),
            &["29:38 [\"/none\"] the secret is empty"],
        ),
        (
            auth("auth = { user = \"u\", key_env = \"NONE\" }"),
            &["29:32 [\"NONE\"] the environment variable `NONE` is not set"],
        ),
        (
            auth("auth = { user = 'apic#ad\\u', key_file = \"/key\" }"),
            &[
                "29:17 ['apic#ad\\u'] `apic#ad\\\\u` is no local user of an APIC (only local users have certificates)",
            ],
        ),
        (
            auth("auth = { user = \"u\", key_file = \"/key\", cert_name = \"a b\" }"),
            &[&format!("29:53 [\"a b\"] the APIC does not take `a b` for a name ({NAMES})")],
        ),
    ]);
    let certificate = |name: &str| Auth::Certificate {
        user: "u".into(),
        cert_name: name.into(),
        key: Secret::new(KEY.trim()),
    };
    let of = |line: &str| good(&auth(line)).apics.remove(0).auth;
    assert_eq!(of("auth = { user = \"u\", key_file = \"/key\" }"), certificate("u"));
    assert_eq!(
        of("[apic.auth]\nuser = \"u\"\nkey_file = \"/key\"\ncert_name = \"u.crt\""),
        certificate("u.crt")
    );
    assert_eq!(&**of("auth = { user = 'apic#ad\\u', password_env = \"PASSWORD\" }").user(), "apic#ad\\u");
}

#[test]
fn keys_that_no_apic_verifies() {
    for (text, expected) in [
        (KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "this private key is encrypted"),
        (KEY.replace("PRIVATE KEY", "EC PRIVATE KEY"), "an APIC verifies signatures of RSA keys only"),
        (CERTIFICATE.to_owned(), "this holds no private key"),
    ] {
        let machine = machine().file("/odd", text);
        let errors = read_in(&auth("auth = { user = \"u\", key_file = \"/odd\" }"), &machine).unwrap_err();
        assert!(errors.to_string().contains(expected) && errors.iter().count() == 1, "{errors}");
    }
}

#[test]
fn who_may_answer() {
    let pin = "ab".repeat(32);
    let exclude = "`ca_file`, `ca`, `pin_sha256` and `insecure` exclude each other \
                   (each says who may answer, and one must hold)";
    check(&[
        (
            fabric("ca_file = \"/key\"\n"),
            &["30:11 [\"/key\"] this holds a private key (only certificates of authorities belong here)"],
        ),
        (
            fabric("ca_file = \"/password\"\n"),
            &[
                "30:11 [\"/password\"] this holds no certificate (it must be PEM: -----BEGIN CERTIFICATE-----)",
            ],
        ),
        (fabric("ca_file = \"/lost\"\n"), &["30:11 [\"/lost\"] cannot read /lost: entity not found"]),
        (
            fabric("pin_sha256 = [\"abc\"]\n"),
            &["30:15 [\"abc\"] `abc` is no SHA-256 digest: 64 hexadecimal digits \
               (openssl x509 -noout -fingerprint -sha256 shows that of a certificate)"],
        ),
        (fabric("pin_sha256 = []\n"), &["30:14 [[]] this list must not be empty"]),
        (
            fabric(&format!("pin_sha256 = \"{pin}\"\ninsecure = true\n")),
            &[&format!("31:12 [true] {exclude}")],
        ),
        (fabric("insecure = true\nca_file = \"/ca\"\n"), &[&format!("31:11 [\"/ca\"] {exclude}")]),
    ]);
    let trust = |line: &str| good(&fabric(line)).apics.remove(0).trust;
    let authorities = Trust::Authorities(CERTIFICATE.trim().into());
    assert_eq!(trust("ca_file = \"/ca\"\ninsecure = false\n"), authorities);
    assert_eq!(trust(&format!("ca = \"\"\"{CERTIFICATE}\"\"\"\n")), authorities);
    assert_eq!(trust("insecure = true\n"), Trust::Insecure);
    let pins = trust(&format!("pin_sha256 = [\"{pin}\", \"{}\"]\n", ["AB"; 32].join(":")));
    let Trust::Pinned(pins) = pins else { panic!() };
    assert_eq!(pins.iter().map(ToString::to_string).collect::<Vec<_>>(), [pin.clone(), pin]);
}

#[test]
fn names_that_the_apic_takes() {
    let long = "x".repeat(65);
    check(&[
        (
            fabric("[[eepg]]\nname = \"web shop\"\ntenant = \"k8s/x\"\nl3out = \"\"\n"),
            &[
                &format!("31:8 [\"web shop\"] the APIC takes no ` ` in a name ({NAMES})"),
                &format!("32:10 [\"k8s/x\"] the APIC does not take `k8s/x` for a name ({NAMES})"),
                &format!("33:9 [\"\"] the APIC does not take `` for a name ({NAMES})"),
            ],
        ),
        (
            fabric(&format!("[[eepg]]\nname = \"{long}\"\ntenant = \"{long}\"\nl3out = \"calico\"\n")),
            &[
                &format!("31:8 [\"{long}\"] the APIC would not take `{long}` for a name ({NAMES})"),
                &format!("32:10 [\"{long}\"] the APIC does not take `{long}` for a name ({NAMES})"),
            ],
        ),
        (fabric(&rule("").replace("\"web\"", "\"\"")), &["31:8 [\"\"] a name must not be empty"]),
        (
            fabric(&rule("vrf = \"default\""))
                .replace("default", "red vrf")
                .replace(LOCAL_AS, &format!("vrf = \"red vrf\"\n{LOCAL_AS}")),
            &[&format!(
                "35:7 [\"red vrf\"] the APIC has no VRF `red vrf` (`vrf` of leaves and neighbors must be the \
                        name of the fvCtx, and {NAMES})"
            )],
        ),
    ]);
}

const LOCAL_AS: &str = "local_as = 65101";

#[test]
fn templates() {
    let named = |name: &str| fabric(&rule("").replace("web", name));
    let long = "x".repeat(50);
    check(&[
        (
            named("web-{deployment}"),
            &["31:8 [\"web-{deployment}\"] `{deployment}` comes with a later version \
               (it is not known yet which workload a route is of; {node} and {rack} are)"],
        ),
        (named("web-{rak}"), &["31:8 [\"web-{rak}\"] unknown placeholder `rak` (did you mean `rack`?)"]),
        (
            named("web-{pod}"),
            &["31:8 [\"web-{pod}\"] unknown placeholder `pod` (the placeholders are node, rack)"],
        ),
        (
            named("web-{node"),
            &["31:8 [\"web-{node\"] `web-{node` has a brace without its other half (write {node} or {rack})"],
        ),
        (
            named("web-node}"),
            &["31:8 [\"web-node}\"] `web-node}` has a brace without its other half (write {node} or {rack})"],
        ),
        // A node that is not pinned has an identifier of up to 15 characters.
        (
            named(&format!("{long}{{node}}")),
            &[&format!(
                "31:8 [\"{long}{{node}}\"] the APIC would not take `{long}255.255.255.255` for a name ({NAMES})"
            )],
        ),
        (
            named("x-{rack}").replace(LOCAL_AS, &format!("rack = \"rack 1\"\n{LOCAL_AS}")),
            &[&format!("32:8 [\"x-{{rack}}\"] the APIC would not take `x-rack 1` for a name ({NAMES})")],
        ),
        (
            named("{node}") + "[[nodes]]\nname = \"n 1\"\naddress = \"192.168.1.1\"\n",
            &[&format!("31:8 [\"{{node}}\"] the APIC would not take `n 1` for a name ({NAMES})")],
        ),
    ]);
    let long = "x".repeat(48) + "-";
    let config = good(&named(&format!("{long}{{node}}")));
    assert_eq!(config.eepgs[0].name.0, [Piece::Text(long.into()), Piece::Node]);
    assert_eq!(good(&named("{rack}-a-{node}b")).eepgs[0].name.to_string(), "{rack}-a-{node}b");
    // Whom a rule does not match has no name to give.
    let only = "match = { node = \"n2\" }\n[[nodes]]\nname = \"n 1\"\naddress = \"192.168.1.1\"\n\
                [[nodes]]\nname = \"n2\"\naddress = \"192.168.1.2\"";
    good(&fabric(&rule(only).replace("web", "{node}")));
}
