//! Secrets come from files and variables, and never leave.

use std::io;
use std::path::Path;

use super::super::{Environment, left_out};
use super::{Config, Fake, REFERENCE, Secret, and, read_in, sync, with};

const PEER_AS: &str = "peer_as = [\"65102-65199\"]";
const SECRET: &str = "hunter2-hunter2";

#[test]
fn come_from_files_and_variables_trimmed() {
    let text = with(PEER_AS, &format!("{PEER_AS}\npassword_file = \"secrets/rack1\""));
    let text = format!("{text}\n[http]\ntoken_env = \"TOKEN\"\n");
    let environment = Fake::default()
        .file("/etc/thirdleaf/secrets/rack1", "two words \r\n\n")
        .variable("TOKEN", " open-sesame\n");
    let config = read_in(&text, &environment).unwrap();
    assert_eq!(config.neighbors[0].password, Some(Secret::new("two words")));
    assert_eq!(config.http.tokens[0].secret, Secret::new("open-sesame"));
}

#[test]
fn are_never_shown() {
    let text = with(PEER_AS, &format!("{PEER_AS}\npassword_env = \"KEY\""));
    let text = format!("{text}\n[http]\ntoken_env = \"KEY\"\n");
    let config = read_in(&text, &Fake::default().variable("KEY", SECRET)).unwrap();
    let shown = [format!("{config:?} {config:#?}"), serde_json::to_string(&config).unwrap()];
    for shown in shown {
        assert!(shown.contains("********") && !shown.contains(SECRET), "{shown}");
    }
}

/// The single error of the key with the secret.
fn refused(key: &str, environment: &Fake) -> String {
    let errors = read_in(&with(PEER_AS, &format!("{PEER_AS}\n{key}")), environment).unwrap_err();
    assert_eq!(errors.iter().count(), 1, "{errors}");
    let error = errors.iter().next().unwrap();
    let help = error.advice().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}{help}", error.message())
}

#[test]
fn wrong_ones_are_told() {
    let long = Fake::default()
        .file("/long", "é".repeat(40) + "x")
        .file("/right", "é".repeat(40))
        .file("/empty", " \n");
    let cases = [
        ("password_file = \"/long\"", "a TCP-MD5 key has at most 80 octets, this one has 81"),
        ("password_file = \"/empty\"", "the secret is empty"),
        ("password_file = \"none\"", "cannot read /etc/thirdleaf/none: entity not found"),
        ("password_env = \"NONE\"", "the environment variable `NONE` is not set"),
        ("password_file = 5", "expected a string, found a number"),
        (
            "password_env = \"NONE\"\npassword_file = \"/right\"",
            "`password_file` and `password_env` exclude each other",
        ),
        (
            "password = \"hunter2\"",
            "`password`: a secret must not stand in this file \
             (put it into a file and name that in `password_file`, or a variable in `password_env`)",
        ),
        (
            "token = \"hunter2\"",
            "`token`: a secret must not stand in this file \
             (put it into a file and name that in `password_file`, or a variable in `password_env`)",
        ),
        ("pasword = \"hunter2\"", "unknown key `pasword` in `neighbors[0]` (did you mean `password_file`?)"),
    ];
    for (key, expected) in cases {
        assert_eq!(refused(key, &long), expected, "{key}");
    }
    let right = with(PEER_AS, &format!("{PEER_AS}\npassword_file = \"/right\""));
    assert!(read_in(&right, &long).is_ok());
    let token = read_in(&and("[http]\ntoken_env = \"T\""), &Fake::default().variable("T", "two words"));
    assert!(token.unwrap_err().to_string().contains("one word of printable ASCII"));
}

/// Secrets in the file are refused, and the refusal does not show them, whatever else is wrong.
#[test]
fn inline_ones_are_not_shown_in_errors() {
    let lines = [
        "password = \"hunter2\"",
        "password = 'hunter2'",
        "password=\"a \\\" hunter2\"",
        "\"password\" = \"hunter2\"",
        "'password' = \"hunter2\", x = 1",
        "password = \"\"\"hunter2\"\"\"",
        "password = \"\"\"\nhunter2\nhunter2",
        "password = '''\nhunter2\n''' hunter",
        "password = \"hunter2",
        "password = hunter2",
        "password = hunter2 hunter2",
        "password: hunter2",
        "password \"hunter2\";",
        "password = \"hunter2\" # hunter2",
        "password = { key = \"hunter2\" }",
        "password = [\"hunter2\"]",
        "pasword = \"hunter2\"",
        "Password = \"hunter2\"",
        "md5_key = \"hunter2\"",
        "auth = { token = \"hunter2\", x = 1 }",
        "limits = { token = \"hunter2\", x = 1 }",
        "password_flie = \"hunter2\"",
        "# password = \"hunter2\"\npassword = \"hunter2\" \"hunter2\"",
        "password_file.token = \"hunter2\"",
        "password_env = [\"x\"]\nsecret = \"hunter2\"",
    ];
    for line in lines {
        for text in [with(PEER_AS, &format!("{PEER_AS}\n{line}")), and(&format!("[http]\n{line}"))] {
            let errors = read_in(&text, &Fake::default()).expect_err(line);
            for shown in [errors.to_string(), format!("{errors:?} {errors:#?}")] {
                assert!(!shown.contains(SECRET), "{line}\n{shown}");
            }
            let parts = format!("{:?}", errors.iter().collect::<Vec<_>>());
            assert!(!parts.contains(SECRET), "{line}\n{parts}");
        }
    }
}

#[test]
fn a_caret_behind_a_hidden_value_stands_below_its_place() {
    let text = with(PEER_AS, &format!("{PEER_AS}\nlimits = {{ token = \"hunter2\", prefix = 1 }}"));
    let errors = read_in(&text, &Fake::default()).unwrap_err().to_string();
    let expected = "
12 | limits = { token = ********, prefix = 1 }
   |                              ^^^^^^
   = help: did you mean `prefixes`?";
    assert!(errors.contains(expected), "{errors}");
}

#[test]
fn a_file_that_says_the_same_leaves_them_out() {
    let keys = "password_env = \"KEY\"\nadd_path = true\nfamilies = [\"ipv6\"]\npassive = false";
    let text = with(PEER_AS, &format!("peer_as = [65200, \"65102-65199\"]\n{keys}"));
    let more = "[http]\ntoken_env = \"KEY\"\n[[nodes]]\nname = \"n1\"\naddress = \"192.168.1.9\"\n\
                as = 65110\n[findings]\nopen_after = { rogue_route = \"1m 30s\" }\nforget_after = \"1day 500ms\"\n\
                [policy]\norigin_as = [65000, \"65102-65199\"]\nuniqueness = { service_host = \"one_node\" }\n";
    let text = text.replace("range = \"192.168.1.0/26\"", "range = \"192.168.1.9/32\"");
    for text in [format!("{text}\n{more}"), REFERENCE.to_owned()] {
        let mut config = read_in(&text, &Fake::default().variable("KEY", SECRET))
            .unwrap_or_else(|errors| panic!("{errors}"));
        let again = crate::config::text(&config).unwrap();
        assert!(!again.contains(SECRET) && !again.contains("***"), "{again}");
        config.http.tokens.clear();
        config.neighbors.iter_mut().for_each(|entry| entry.password = None);
        assert_eq!(
            read_in(&again, &Fake::default()).unwrap_or_else(|errors| panic!("{errors}")),
            config,
            "{again}"
        );
    }
}

/// What must be there has a stand-in, which is no secret of anybody.
#[test]
fn a_file_that_says_the_same_of_a_fabric_names_a_stand_in() {
    struct LeftOut;

    impl Environment for LeftOut {
        fn file(&self, _: &Path) -> io::Result<String> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn names(&self, _: &Path) -> io::Result<Vec<String>> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn variable(&self, name: &str) -> Option<String> {
            left_out(name)
        }
    }

    for text in sync::whole_files() {
        let mut config = read_in(&text, &sync::machine()).unwrap_or_else(|errors| panic!("{errors}"));
        let shown = [text_of(&config), format!("{config:?}"), serde_json::to_string(&config).unwrap()];
        for shown in &shown {
            assert!(!shown.contains(SECRET), "{shown}");
        }
        let [again, ..] = shown;
        let errors = read_in(&again, &Fake::default()).unwrap_err().to_string();
        assert!(errors.contains("the environment variable `LEFT_OUT` is not set"), "{errors}");
        let read = super::super::parse(&again, Path::new("trace"), &LeftOut);
        let read = read.unwrap_or_else(|errors| panic!("{errors}\n{again}"));
        for (apic, other) in config.apics.iter_mut().zip(&read.apics) {
            assert_ne!(apic.auth, other.auth);
            apic.auth = other.auth.clone();
        }
        assert_eq!(read, config, "{again}");
    }
}

fn text_of(config: &Config) -> String {
    crate::config::text(config).unwrap()
}
