//! The server over TLS.

use std::process::{Child, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::run::{Place, command, eventually, stderr};

/// An authority, and certificates that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, and its key.
    fn sign(&self, names: &[String]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

/// `thirdleaf run`, ended when dropped.
struct Secure {
    child: Child,
    server: String,
}

impl Secure {
    fn start(place: &Place, config: &std::path::Path) -> Self {
        let run = ["run", "-c", config.to_str().unwrap()];
        let child = command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, server: place.server().replace("http:", "https:") }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--server", &self.server, "peers"];
        all.extend(arguments);
        command(&all).output().unwrap()
    }

    fn reload(&self) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", "HUP", &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_and_the_daemon_know_each_other_by_their_certificates() {
    let place = Place::new();
    let (ours, others) = (Authority::new(), Authority::new());
    let names = [place.host(4).to_string()];
    let present = |authority: &Authority| {
        let (cert, key) = authority.sign(&names);
        place.write("http.pem", &cert);
        place.write("http.key", &key)
    };
    let folder = present(&ours).parent().unwrap().to_owned();
    let [ours_file, others_file] = [("ours.pem", &ours), ("others.pem", &others)]
        .map(|(name, authority)| place.write(name, &authority.pem()));
    let [ours_file, others_file] = [ours_file.to_str().unwrap(), others_file.to_str().unwrap()];
    let tls = "[http.tls]\ncert_file = \"http.pem\"\nkey_file = \"http.key\"\n";
    let config = format!("{}{tls}", place.config());
    let path = place.write("thirdleaf.toml", &config);
    let daemon = Secure::start(&place, &path);
    eventually("it answers", || daemon.ask(&["--ca-file", ours_file]).status.success().then_some(()));

    let stranger = daemon.ask(&["--ca-file", others_file]);
    assert_eq!(stranger.status.code(), Some(3), "{}", stderr(&stranger));
    let plain = command(&["--server", &place.server(), "peers"]).output().unwrap();
    assert_eq!(plain.status.code(), Some(3), "{}", stderr(&plain));
    let none = daemon.ask(&["--ca-file", path.to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));

    // Another certificate, from the moment of a reload.
    present(&others);
    daemon.reload();
    eventually("it has the other certificate", || {
        daemon.ask(&["--ca-file", others_file]).status.success().then_some(())
    });
    assert_eq!(daemon.ask(&["--ca-file", ours_file]).status.code(), Some(3));

    // Clients need one, too.
    place.write("thirdleaf.toml", &format!("{config}client_ca_file = \"ours.pem\"\n"));
    daemon.reload();
    eventually("it wants one of clients", || {
        (!daemon.ask(&["--ca-file", others_file]).status.success()).then_some(())
    });
    let identity = |name: &str, authority: &Authority| {
        let (cert, key) = authority.sign(&["client".to_owned()]);
        place.write(name, &(cert + &key)).to_str().unwrap().to_owned()
    };
    let (right, wrong) = (identity("right.pem", &ours), identity("wrong.pem", &others));
    let answer = daemon.ask(&["--ca-file", others_file, "--cert-file", &right]);
    assert!(answer.status.success(), "{}", stderr(&answer));
    assert!(!daemon.ask(&["--ca-file", others_file, "--cert-file", &wrong]).status.success());

    // What does not fit is not taken up.
    std::fs::write(folder.join("http.key"), "nothing").unwrap();
    daemon.reload();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(daemon.ask(&["--ca-file", others_file, "--cert-file", &right]).status.success());
}
