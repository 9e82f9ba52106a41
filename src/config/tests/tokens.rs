//! Who may do what over HTTP.

use super::super::model::{Reading, Scope};
use super::carets::brief;
use super::{Fake, and, read_in};

fn machine() -> Fake {
    Fake::default()
        .file("/t/admin", "token-of-admin")
        .file("/t/ci", "token-of-ci")
        .file("/t/alice", "token-of-alice\n")
        .file("/t/short", "seven77")
        .file("/t/words", "two words of it")
}

fn wrong(keys: &str) -> Vec<String> {
    brief(&read_in(&and(keys), &machine()).unwrap_err())
}

fn token(name: &str, scope: &str) -> String {
    format!("[[http.tokens]]\nname = \"{name}\"\nscope = \"{scope}\"\ntoken_file = \"/t/{name}\"\n")
}

#[test]
fn each_has_a_name_and_a_scope() {
    let text = format!(
        "[http]\ntoken_file = \"/t/admin\"\nread = \"off_loopback\"\nhosts = \"TL.example\"\n{}{}",
        token("ci", "operate"),
        token("alice", "approve")
    );
    let config = read_in(&and(&text), &machine()).unwrap();
    let tokens: Vec<_> =
        config.http.tokens.iter().map(|token| (&*token.name, token.scope, token.secret.expose())).collect();
    assert_eq!(
        tokens,
        [
            ("admin", Scope::Approve, "token-of-admin"),
            ("ci", Scope::Operate, "token-of-ci"),
            ("alice", Scope::Approve, "token-of-alice"),
        ]
    );
    assert_eq!(config.http.read, Reading::OffLoopback);
    assert_eq!(config.http.hosts.concat(), "tl.example");
}

#[test]
fn wrong_ones_are_told_at_their_place() {
    let guess = "others could guess a shorter one; openssl rand -hex 32 makes a good one";
    let own = "a name says who did something: give each token its own";
    let same = "nobody could tell who used it: give each its own, as of openssl rand -hex 32";
    for (keys, expected) in [
        (
            "[http]\ntoken_file = \"/t/short\"\n".to_owned(),
            vec![format!("25:14 [\"/t/short\"] a token has at least 8 characters ({guess})")],
        ),
        (
            token("words", "operate"),
            vec!["27:14 [\"/t/words\"] a bearer token is one word of printable ASCII characters".to_owned()],
        ),
        (
            token("ci", "write"),
            vec!["26:9 [\"write\"] unknown value `write` (the values are read, operate, approve)".to_owned()],
        ),
        (
            token("ci", "operate") + &token("ci", "read"),
            vec![
                format!("29:8 [\"ci\"] the token on line 25 is named `ci`, too ({own})"),
                format!("31:14 [\"/t/ci\"] this is the token of line 27, too ({same})"),
            ],
        ),
        (
            format!("[http]\ntoken_file = \"/t/ci\"\n{}", token("admin", "read")),
            vec![format!("27:8 [\"admin\"] the token on line 25 is named `admin`, too ({own})")],
        ),
        (
            "[[http.tokens]]\nname = \"ci\"".to_owned(),
            vec![
                "24:1 [[[http.tokens]]] `scope` is missing in `http.tokens[0]`".to_owned(),
                "24:1 [[[http.tokens]]] there is no token (name a file that holds it in `token_file`, or a \
                 variable in `token_env`)"
                    .to_owned(),
            ],
        ),
        (
            "[http]\nread = \"token\"\nhosts = [\"http://tl\", \"\"]".to_owned(),
            vec![
                "25:8 [\"token\"] no token is configured: nobody could read (add one: [[http.tokens]])"
                    .to_owned(),
                "26:10 [\"http://tl\"] `http://tl` is no name of a host (write it without scheme and port: \
                 \"thirdleaf.example.net\")"
                    .to_owned(),
                "26:23 [\"\"] `` is no name of a host (write it without scheme and port: \
                 \"thirdleaf.example.net\")"
                    .to_owned(),
            ],
        ),
    ] {
        assert_eq!(wrong(&keys), expected, "{keys}");
    }
}

#[test]
fn there_are_not_more_than_a_request_is_compared_with() {
    let mut machine = Fake::default();
    for at in 0..101 {
        machine = machine.variable(format!("T{at}"), format!("token-{at:03}"));
    }
    let token = |at| format!("[[http.tokens]]\nname = \"{at}\"\nscope = \"read\"\ntoken_env = \"T{at}\"\n");
    let text: String = (0..101).map(token).collect();
    let errors = brief(&read_in(&and(&text), &machine).unwrap_err());
    assert_eq!(
        errors,
        [
            "424:1 [[[http.tokens]]] there are more than 100 tokens (every request is compared with every token)"
        ]
    );
}
