//! `thirdleaf sim apic` as a command.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::run::{Place, command, stderr, thirdleaf};

#[test]
fn controllers_tell_where_they_listen_and_answer_with_the_given_tree() {
    let place = Place::new();
    let password = place.write("password", "secret\n");
    let tree = place.write("tree.json", r#"{"fvTenant": {"attributes": {"name": "k8s"}}}"#);
    let [password, tree] = [&password, &tree].map(|path| path.to_str().unwrap());
    let listen = format!("{}:0", place.host(4));
    let mut command = command(&["sim", "apic", "--insecure", "--controllers", "2", "--listen", &listen]);
    command.args(["--user", "thirdleaf", "--password-file", password, "--tree", tree]);
    let mut apic = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(apic.stdout.take().unwrap()).lines();
    let address = |line: &str, number: u8| {
        line.strip_prefix(&format!("controller {number} listens on http://")).map(str::to_owned).unwrap()
    };
    let first = address(&lines.next().unwrap().unwrap(), 1);
    let second = address(&lines.next().unwrap().unwrap(), 2);
    for address in [first, second] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /_sim/tree HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains(r#""name":"k8s""#), "{reply}");
    }
    let pid = apic.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    assert!(apic.wait().unwrap().success());
}

#[test]
fn what_cannot_be_simulated_is_said() {
    let place = Place::new();
    let file = place.write("file", "secret\n");
    let wrong = place.write("tree.json", r#"{"fvTenant": {"attributes": {"name": "a b"}}}"#);
    let [file, wrong] = [&file, &wrong].map(|path| path.to_str().unwrap());
    let listen = format!("{}:0", place.host(4));
    for (more, said) in [
        (["--user-cert", "robot"], "--user-cert robot: NAME=FILE is expected"),
        (
            ["--user-cert", &format!("robot={file}")],
            "the certificate of robot is no X.509 certificate in PEM",
        ),
        (["--tree", "/nowhere"], "/nowhere: No such file"),
        (
            ["--tree", wrong],
            "the tree is refused: 400 (code 801): property name of uni/tn-a b failed validation",
        ),
        (["--listen", "127.0.0.1:65535"], "there are no 2 ports from 127.0.0.1:65535 on"),
    ] {
        let mut arguments =
            vec!["sim", "apic", "--user", "thirdleaf", "--password-file", file, "--controllers", "2"];
        if more[0] != "--listen" {
            arguments.extend(["--listen", &listen]);
        }
        let output = thirdleaf(&[&arguments[..], &more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains(said), "{more:?}: {}", stderr(&output));
    }
}
