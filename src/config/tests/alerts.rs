//! Who is told of findings: keys, what is wrong with them, what a reload says, and what is never shown.

use std::time::Duration;

use super::super::model::{Alertmanager, Alerts, Credentials, LeastSeverity, Secret, Trust};
use super::super::{Effect, diff};
use super::carets::brief;
use super::{Config, Fake, SHORTEST, and, read, read_in, sync};

const SECRET: &str = "hunter2";

/// What the reference shows, and the defaults beside it.
pub(super) fn are_shown_with_their_defaults(alerts: Alerts) {
    assert_eq!(alerts.external_url.as_deref(), Some("https://thirdleaf.example.net"));
    assert_eq!(alerts.runbook_url, Alerts::default().runbook_url);
    let Some(Alertmanager { urls, credentials, trust, labels, resend }) = alerts.alertmanager else {
        panic!()
    };
    assert_eq!(urls.len(), 2);
    let password = Secret::new("sesame");
    assert_eq!(credentials, Credentials::Password { user: "thirdleaf".into(), password });
    assert!(matches!(trust, Trust::Authorities(_)));
    assert_eq!(labels, [("site".into(), "dc1".into())].into());
    let [webhook] = alerts.webhooks.as_slice() else { panic!() };
    assert_eq!(
        (&*webhook.name, webhook.url.expose()),
        ("pager", "https://pager.example.net/hooks/thirdleaf")
    );
    assert_eq!(webhook.secret, Some(Secret::new("key of the pager")));
    assert_eq!((webhook.headers.len(), webhook.kinds.len()), (1, 2));
    let least = read(&and(
        "[alerts]\nalertmanager.urls = \"http://a\"\n[[alerts.webhooks]]\nname = \"a\"\nurl = \"http://a\"",
    ));
    let least = least.unwrap().alerts;
    let defaults = least.alertmanager.unwrap();
    assert_eq!((defaults.resend, least.webhooks[0].severity), (resend, webhook.severity));
    assert_eq!((defaults.credentials, defaults.trust), (Credentials::None, Trust::System));
    assert!(least.webhooks[0].kinds.is_empty() && least.webhooks[0].secret.is_none());
}

/// Secrets of every sort, each the word that must not be seen.
fn secretive() -> Config {
    let text = "
[alerts]
external_url = \"https://leaf3/\"
runbook_url = \"https://wiki/runbook\"
[alerts.alertmanager]
urls = [\"http://[::1]:9093/am/\", \"https://am2\"]
token_env = \"S\"
insecure = true
resend = \"30s\"
[[alerts.webhooks]]
name = \"one\"
url_file = \"/url\"
secret_env = \"S\"
user = \"we\"
password_env = \"S\"
severity = \"critical\"
kinds = \"rack_down\"
";
    let environment =
        Fake::default().file("/url", "https://chat.example.net/T1/hunter2?x=hunter2\n").variable("S", SECRET);
    read_in(&and(text), &environment).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_key_says_something_else_than_its_default() {
    let alerts = secretive().alerts;
    assert_eq!(alerts.external_url.as_deref(), Some("https://leaf3"));
    assert_eq!(&*alerts.runbook_url, "https://wiki/runbook");
    let alertmanager = alerts.alertmanager.unwrap();
    assert_eq!(alertmanager.urls.join(" "), "http://[::1]:9093/am https://am2");
    assert_eq!(alertmanager.credentials, Credentials::Token(Secret::new(SECRET)));
    assert_eq!((alertmanager.trust, alertmanager.resend), (Trust::Insecure, Duration::from_secs(30)));
    let webhook = &alerts.webhooks[0];
    assert_eq!(webhook.url.expose(), "https://chat.example.net/T1/hunter2?x=hunter2");
    assert_eq!(
        (webhook.severity, webhook.kinds.join(" ")),
        (LeastSeverity::Critical, "rack_down".to_owned())
    );
}

#[test]
fn secrets_and_paths_of_urls_are_never_shown() {
    let config = secretive();
    for shown in [format!("{config:?} {config:#?}"), serde_json::to_string(&config).unwrap()] {
        assert!(shown.contains("https://chat.example.net/********") && !shown.contains(SECRET), "{shown}");
    }
    assert!(
        !crate::config::text(&config).unwrap().contains("chat.example.net"),
        "receivers stand in no trace"
    );
}

#[test]
fn a_file_that_holds_no_url_is_not_quoted() {
    let text = and("[[alerts.webhooks]]\nname = \"a\"\nurl_file = \"/url\"");
    let errors = read_in(&text, &Fake::default().file("/url", SECRET)).unwrap_err();
    assert_eq!(
        brief(&errors),
        ["26:12 [\"/url\"] what it names is no URL (it must be http:// or https://, and a host)"]
    );
    assert!(!format!("{errors} {errors:?}").contains(SECRET));
}

fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        let environment = Fake::default().variable("S", SECRET).file("/ca", sync::CERTIFICATE);
        let errors = read_in(&and(text), &environment).expect_err(text);
        assert_eq!(brief(&errors), *expected, "{text}\n{errors}");
        assert!(!format!("{errors} {errors:?}").contains(SECRET), "{errors}");
    }
}

#[test]
fn alertmanagers() {
    check(&[
        (
            "[alerts]\nalertmanagers = 1",
            &["25:1 [alertmanagers] unknown key `alertmanagers` in `alerts` (did you mean `alertmanager`?)"],
        ),
        (
            "[alerts.alertmanager]",
            &["24:1 [[alerts.alertmanager]] `urls` is missing in `alerts.alertmanager`"],
        ),
        ("[alerts.alertmanager]\nurls = []", &["25:8 [[]] this list must not be empty"]),
        (
            "[alerts.alertmanager]\nurls = [\"http://127.0.0.1.a\", \"http://localhost:1\", \"http://127.1.2.3:1\", \"http://[::1]\", \"http://[::1]:1\"]\ntoken_env = \"S\"",
            &[
                "25:9 [\"http://127.0.0.1.a\"] over plain HTTP everybody on the way reads the token or the password (write https://, or add insecure = true if that is as it should be)",
            ],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"http://a\", \"http://a/\", \"am:9093\", \"ftp://a\", \"http://u:p@a\", \"http://\", \"http://a/#\"]",
            &[
                "25:21 [\"http://a/\"] http://a stands here twice",
                "25:34 [\"am:9093\"] this is no URL (write it as \"https://alerts.example.net/thirdleaf\")",
                "25:45 [\"ftp://a\"] only http:// and https:// are spoken (write it as \"https://alerts.example.net/thirdleaf\")",
                "25:56 [\"http://********@a\"] a URL holds no user and no password here: they have keys of their own (write it as \"https://alerts.example.net/thirdleaf\")",
                "25:72 [\"http://\"] this URL names no host that could be asked (write it as \"https://alerts.example.net/thirdleaf\")",
                "25:83 [\"http://a/#\"] this URL holds what none may hold: blanks, `#`, or what is not ASCII (write it as \"https://alerts.example.net/thirdleaf\")",
            ],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"https://a?x\"]\nresend = \"2h\"",
            &[
                "25:9 [\"https://a?x\"] the URL of an Alertmanager ends with its path (write it as \"http://alertmanager1:9093\")",
                "26:10 [\"2h\"] must be from 1s to 1h (what is not sent again for four times as long counts as over)",
            ],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"http://a\"]\ntoken_env = \"S\"",
            &[
                "25:9 [\"http://a\"] over plain HTTP everybody on the way reads the token or the password (write https://, or add insecure = true if that is as it should be)",
            ],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"http://a\"]\nlabels = { kind = \"x\", a-b = \"x\", c = \"\" }",
            &[
                "26:12 [kind] `kind`: this label identifies findings",
                "26:24 [a-b] `a-b`: a label's name is letters, digits and _, and begins with no digit and not with __",
                "26:35 [c] `c`: a label's value is one line of at most 200 octets, and not empty",
            ],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"https://a\"]\nuser = \"u\"",
            &["26:8 [\"u\"] a user needs a password (name a file that holds it in `password_file`)"],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"https://a\"]\npassword_env = \"S\"",
            &["26:16 [\"S\"] a password needs a user (say whose it is: user = \"thirdleaf\")"],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"https://a\"]\nuser = \"u\"\ntoken_env = \"S\"",
            &["26:8 [\"u\"] a user and a token exclude each other"],
        ),
        (
            "[alerts.alertmanager]\nurls = [\"https://a\"]\nca_file = \"/ca\"\ninsecure = true",
            &[
                "27:12 [true] `ca_file`, `ca`, `pin_sha256` and `insecure` exclude each other (each says who may answer, and one must hold)",
            ],
        ),
    ]);
}

#[test]
fn webhooks() {
    check(&[
        (
            "[alerts.webhooks]",
            &["24:1 [[alerts.webhooks]] `alerts.webhooks` is a list of tables (write [[alerts.webhooks]])"],
        ),
        (
            "[[alerts.webhooks]]",
            &[
                "24:1 [[[alerts.webhooks]]] `name` is missing in `alerts.webhooks[0]`",
                "24:1 [[[alerts.webhooks]]] `url` is missing in `alerts.webhooks[0]` (where the URL itself is a secret, name a file that holds it in `url_file`)",
            ],
        ),
        (
            "[[alerts.webhooks]]\nname = \"a\"\nurl = \"http://a\"\n[[alerts.webhooks]]\nname = \"a\"\nurl = \"http://a\"\nurl_env = \"S\"",
            &[
                "28:8 [\"a\"] there is a webhook `a` already",
                "30:11 [\"S\"] `url` excludes `url_file` and `url_env`",
            ],
        ),
        (
            "[[alerts.webhooks]]\nname = \"a\"\nurl = \"http://a\"\nsecret = \"x\"\nseverity = \"warn\"\nkinds = [\"rogue_rout\"]",
            &[
                "27:10 [********] `secret`: a secret must not stand in this file (put it into a file and name that in `secret_file`, or a variable in `secret_env`)",
                "28:12 [\"warn\"] unknown value `warn` (the values are info, warning, critical)",
                "29:10 [\"rogue_rout\"] unknown kind of finding `rogue_rout` (did you mean `rogue_route`?)",
            ],
        ),
        (
            "[[alerts.webhooks]]\nname = \"a\"\nurl = \"http://a\"\nheaders = { Authorization = \"hunter2\", Host = \"b\", \"a b\" = \"c\", X-A = \"ä\", X-Api-Key = \"hunter2\" }",
            &[
                "27:13 [Authorization] `Authorization`: a secret must not stand in this file: there are token_file, user and password_file, and url_file",
                "27:40 [Host] `Host`: this header is ours to set",
                "27:52 [\"a b\"] `a b`: this is no name of a header",
                "27:65 [X-A] `X-A`: a header's value is one line of at most 200 printable ASCII characters",
                "27:76 [X-Api-Key] `X-Api-Key`: a secret must not stand in this file: there are token_file, user and password_file, and url_file",
            ],
        ),
    ]);
}

#[test]
fn a_reload_says_who_is_told_from_now_on() {
    let (none, all) = (read(SHORTEST).unwrap(), secretive());
    let lines = |old: &Config, new: &Config| -> Vec<String> {
        let changes = diff(old, new);
        assert!(changes.iter().all(|change| change.effect == Effect::Apply));
        changes.iter().map(ToString::to_string).collect()
    };
    assert!(lines(&all, &all).is_empty());
    assert_eq!(
        lines(&none, &all),
        [
            "alerts.external_url none -> \"https://leaf3\"",
            "alerts.runbook_url \"runbook.md\" -> \"https://wiki/runbook\"",
            "alerts are pushed to Alertmanagers from now on",
            "webhook `one` is added",
        ]
    );
    assert_eq!(
        lines(&all, &none)[2..],
        [
            "alerts are no longer pushed: what fires at Alertmanagers runs out",
            "webhook `one` is removed: what waits for it is lost",
        ]
    );
    let mut other = all.clone();
    let alertmanager = other.alerts.alertmanager.as_mut().unwrap();
    alertmanager.credentials = Credentials::Token(Secret::new("other"));
    alertmanager.resend = Duration::from_secs(5);
    let webhook = &mut other.alerts.webhooks[0];
    webhook.secret = Some(Secret::new("other"));
    webhook.url = super::super::model::HiddenUrl::new("https://chat.example.net/other");
    webhook.severity = LeastSeverity::Info;
    assert_eq!(
        lines(&all, &other),
        [
            "alertmanager: resend \"30s\" -> \"5s\"",
            "alertmanager: another token",
            "webhook `one`: severity \"critical\" -> \"info\"",
            "webhook `one`: another path in its URL",
            "webhook `one`: another secret",
        ]
    );
}
