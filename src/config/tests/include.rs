//! Files that a file includes.

use std::path::Path;

use super::super::diff;
use super::{Fake, SHORTEST, Secret, load, read_in, with};

const PEER_AS: &str = "peer_as = [\"65102-65199\"]";

/// The shortest file, including this.
fn including(patterns: &str) -> String {
    with("version = 1", &format!("version = 1\ninclude = {patterns}"))
}

/// What is wrong with the shortest file that includes `patterns`.
fn wrong(patterns: &str, environment: &Fake) -> String {
    read_in(&including(patterns), environment).unwrap_err().to_string()
}

#[test]
fn entries_of_further_files_come_after_those_of_the_file_sorted() {
    let node = |name: &str, n: u8| format!("[[nodes]]\nname = \"{name}\"\naddress = \"192.168.1.{n}\"\n");
    let files = Fake::default()
        .file("/etc/thirdleaf/nodes.d/20.toml", node("c", 3))
        .file("/etc/thirdleaf/nodes.d/10.toml", node("b", 2))
        .file("/etc/thirdleaf/nodes.d/10.toml.bak", "nonsense")
        .file("/etc/thirdleaf/nodes.d/.20.toml", "nonsense")
        .file(
            "/srv/policy.toml",
            "[[policy.allow]]\nclass = \"pod\"\nprefix = \"10.9.0.0/16\"\nlengths = 26\n\
             [limits]\nlpm = 5\n[findings.open_after]\npeer_down = \"2m\"\n",
        );
    let text = including("[\"nodes.d/*.toml\", \"none.d/*\", \"/srv/p?licy.toml\", \"/srv/policy.toml\"]");
    let text =
        format!("{text}[[nodes]]\nname = \"a\"\naddress = \"192.168.1.1\"\n[policy]\nmax_as_path = 3\n");
    let config = read_in(&text, &files).unwrap();
    assert_eq!(config.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((config.policy.max_as_path, config.policy.allow.len(), config.limits.lpm), (3, 4, 5));
    let alone = SHORTEST.to_owned()
        + &["a", "b", "c"].into_iter().zip(1..).map(|(name, n)| node(name, n)).collect::<String>();
    let changes = diff(&read_in(&alone, &files).unwrap(), &config);
    assert_eq!(changes.iter().count(), 4, "{changes:?}");
}

#[test]
fn a_whole_file_may_stand_in_pieces() {
    let (first, rest) = SHORTEST.split_once("[[leaf]]").unwrap();
    let files = Fake::default().file("/etc/thirdleaf/t.d/rest.toml", format!("[[leaf]]{rest}"));
    let config = read_in(&format!("{first}include = \"t.d/*.toml\"\n"), &files).unwrap();
    assert_eq!(config, read_in(SHORTEST, &Fake::default()).unwrap());
}

#[test]
fn the_example_of_eepgs_can_be_taken_in() {
    let files = Fake::default()
        .file("/etc/thirdleaf/eepg.toml", include_str!("../../../deploy/eepg.toml"))
        .file("/etc/thirdleaf/apic.password", "open-sesame\n")
        .file("/etc/thirdleaf/apic-ca.pem", super::sync::CERTIFICATE);
    let text = including("[\"eepg.toml\"]") + "[global]\nname = \"dc1\"\n";
    let config = read_in(&text, &files).unwrap();
    let names: Vec<_> = config.eepgs.iter().map(|rule| rule.name.to_string()).collect();
    assert_eq!(names, ["web", "services", "pods-{rack}"]);
}

#[test]
fn an_error_points_into_the_right_file() {
    let files = Fake::default()
        .file("/etc/thirdleaf/nodes.d/a.toml", "# äöü\n[[nodes]]\nname = \"a\"\naddress = \"192.168.1.1\"\n")
        .file("/etc/thirdleaf/nodes.d/b.toml", "[[nodes]]\nname = \"a\"\nadress = \"192.168.1.2\"\n");
    assert_eq!(
        wrong("\"nodes.d/?.toml\"", &files),
        "error: `address` is missing in `nodes[1]`
 --> /etc/thirdleaf/nodes.d/b.toml:1:1
  |
1 | [[nodes]]
  | ^^^^^^^^^

error: node `a` is already defined
 --> /etc/thirdleaf/nodes.d/b.toml:2:8
  |
2 | name = \"a\"
  |        ^^^
  = help: a node of another cluster may have the same name: say so with `cluster`

error: unknown key `adress` in `nodes[1]`
 --> /etc/thirdleaf/nodes.d/b.toml:3:1
  |
3 | adress = \"192.168.1.2\"
  | ^^^^^^
  = help: did you mean `address`?"
    );
    let errors = read_in(&including("\"nodes.d/?.toml\""), &files).unwrap_err();
    assert!(errors.iter().all(|error| errors.file(error) == Path::new("/etc/thirdleaf/nodes.d/b.toml")));
}

#[test]
fn an_error_names_the_file_of_the_former_place() {
    let leaf = SHORTEST.split_once("[[neighbors]]").unwrap().0.replace("version = 1", "");
    let files = Fake::default().file("/etc/thirdleaf/more.toml", leaf.replace("1790\"]", "1791\"]"));
    let errors = wrong("\"more.toml\"", &files);
    assert!(
        errors.contains("leaf `rack1` is already defined on line 5 of /etc/thirdleaf/t.toml"),
        "{errors}"
    );
    let one = "[[neighbors]]\nleaf = \"rack1\"\nrange = \"192.168.2.0/26\"\npeer_as = 65102\n";
    let files = Fake::default().file("/etc/thirdleaf/more.toml", one.to_owned() + one);
    let errors = wrong("\"more.toml\"", &files);
    assert!(errors.contains("has the range 192.168.2.0/26 already, on line 3\n"), "{errors}");
}

#[test]
fn what_is_set_twice_names_both_places() {
    let files = Fake::default().file(
        "/etc/thirdleaf/more.toml",
        "version = 1\n[metrics]\nper_peer = \"off\"\n[policy]\nmax_as_path = 4\n[[policy.allow]]\n[global]\n",
    );
    let text = including("\"more.toml\"") + "[metrics]\nrogue_routes_max = 1\n[policy]\nmax_as_path = 3\n";
    let errors = read_in(&text, &files).unwrap_err();
    let told: Vec<_> = errors
        .iter()
        .map(|error| {
            let (line, column) = errors.position(error).unwrap();
            format!("{}:{line}:{column}: {}", errors.file(error).display(), error.message())
        })
        .collect();
    assert_eq!(
        told,
        [
            "/etc/thirdleaf/more.toml:1:1: `version` is set already, on line 2 of /etc/thirdleaf/t.toml",
            "/etc/thirdleaf/more.toml:2:2: `metrics` is set already, on line 25 of /etc/thirdleaf/t.toml",
            "/etc/thirdleaf/more.toml:4:2: `policy` is set already, on line 27 of /etc/thirdleaf/t.toml",
        ]
    );
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let (first, neighbors) = SHORTEST.split_once("[[neighbors]]").unwrap();
    let neighbors = neighbors.replace(PEER_AS, &format!("{PEER_AS}\npassword_file = \"key\""));
    let files = Fake::default()
        .file("/etc/thirdleaf/sub/leaf.toml", format!("[[neighbors]]{neighbors}"))
        .file("/etc/thirdleaf/sub/key", "right")
        .file("/etc/thirdleaf/key", "wrong")
        .file("/etc/thirdleaf/token", "open-sesame");
    let text = format!("{first}[http]\ntoken_file = \"token\"\n")
        .replace("version = 1", "version = 1\ninclude = \"sub/*\"");
    // The key matches, too, and is no TOML.
    assert!(read_in(&text, &files).unwrap_err().to_string().contains("sub/key:1:6"));
    let config = read_in(&text.replace("sub/*", "sub/*.toml"), &files).unwrap();
    assert_eq!(config.neighbors[0].password, Some(Secret::new("right")));
    assert_eq!(config.http.tokens[0].secret, Secret::new("open-sesame"));
}

#[test]
fn what_cannot_be_included_says_why() {
    let files = Fake::default()
        .file("/etc/thirdleaf/broken.toml", "[[nodes]\n")
        .file("/etc/thirdleaf/nested.toml", "include = \"broken.toml\"\n");
    for (patterns, expected) in [
        (
            "\"none.toml\"",
            "error: cannot read /etc/thirdleaf/none.toml: entity not found\n --> /etc/thirdleaf/t.toml:3:11\n",
        ),
        (
            "[\"x\", \"*.d/a.toml\"]",
            "error: only the name of the file may hold `*` and `?`, not that of a directory\n --> /etc/thirdleaf/t.toml:3:17\n",
        ),
        ("\"nodes.d/\"", "error: this names no file\n --> /etc/thirdleaf/t.toml:3:11\n"),
        ("[1]", "error: expected a string, found a number\n --> /etc/thirdleaf/t.toml:3:12\n"),
        ("\"broken.toml\"", " --> /etc/thirdleaf/broken.toml:1:9\n"),
        (
            "\"nested.toml\"",
            "error: an included file cannot include others\n --> /etc/thirdleaf/nested.toml:1:1\n",
        ),
    ] {
        let errors = wrong(patterns, &files);
        assert!(errors.contains(expected) && errors.matches("error: ").count() == 1, "{patterns}\n{errors}");
    }
}

#[test]
fn a_pattern_that_means_the_file_itself_does_not_include_it() {
    let files = Fake::default()
        .file("/etc/thirdleaf/t.toml", including("\"*.toml\""))
        .file("/etc/thirdleaf/u.toml", "[[nodes]]\nname = \"a\"\naddress = \"192.168.1.1\"\n");
    assert_eq!(load(Path::new("/etc/thirdleaf/t.toml"), &files).unwrap().nodes.len(), 1);
}

#[test]
fn secrets_of_included_files_are_not_shown_either() {
    let files = Fake::default()
        .file("/etc/thirdleaf/more.toml", "[http]\ntoken = \"hunter2\"\npassword = \"hunter2\" x\n");
    let errors = wrong("\"more.toml\"", &files);
    assert!(errors.contains("********") && !errors.contains("hunter2"), "{errors}");
}

/// A name that is not UTF-8 can be written nowhere here, but a pattern means it as any other.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_no_text_is_told_and_not_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let directory = std::env::temp_dir().join(format!("thirdleaf-names-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(std::ffi::OsStr::from_bytes(b"caf\xe9.toml")), "").unwrap();
    std::fs::write(directory.join("main.txt"), including("\"*.toml\"")).unwrap();
    let errors = load(&directory.join("main.txt"), &super::super::Machine).unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(errors.to_string().contains("caf\u{fffd}.toml: No such file"), "{errors}");
}
