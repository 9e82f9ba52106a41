//! The simulated APIC, asked by a client that others wrote.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::net::{Fabric, Process, eventually};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/aciclient.py");

#[test]
fn aciclient_finds_an_apic() {
    let clients = std::env::var_os("THIRDLEAF_CLIENTS")
        .expect("run tests/run: it installs the clients and names the place");
    let python = PathBuf::from(clients).join("bin/python");
    let fabric = Fabric::new();
    let [password, certificate, log] = ["password", "apic.pem", "apic.log"].map(|name| fabric.file(name));
    std::fs::write(&password, "it is simulated\n").unwrap();
    let mut command = fabric.hub().command(env!("CARGO_BIN_EXE_thirdleaf"));
    command.args(["sim", "apic", "--listen", "127.0.0.1:8443", "--controllers", "3", "--user", "thirdleaf"]);
    command.arg("--password-file").arg(&password).arg("--cert-out").arg(&certificate);
    let mut apic = Process::start(command, &log);
    let told = || std::fs::read_to_string(&log).ok().filter(|told| told.contains("certificate sha256 "));
    let (told, _) = eventually("the controllers listen", Duration::from_secs(10), told);
    assert!(told.contains("controller 3 listens on https://127.0.0.1:8445\n"), "{told}");
    let mut client: Command = fabric.hub().command(&python);
    client.arg(SCRIPT).args(["127.0.0.1:8443".as_ref(), certificate.as_os_str()]);
    let output = client.args(["thirdleaf", "it is simulated"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "as expected\n");
    apic.signal("INT");
    assert!(apic.wait().success());
}
