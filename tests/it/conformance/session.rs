//! Headers, OPENs, the state machine and its timers.

use super::{Bench, Case, run};
use crate::wire::{claiming, keepalive};

#[test]
fn headers() {
    let bench = Bench::new(crate::run::Place::config);
    let mut cases = Vec::new();
    for (what, octets) in
        [("marker not all ones", claiming(1, 29, &[0; 10])), ("HTTP", b"GET / HTTP/1.1\r\n".to_vec())]
    {
        let mut octets = octets;
        octets[3] = 0;
        cases.push(Case::new("RFC 4271, 6.1", what, move |client| {
            let mut peer = client.connect();
            peer.send(&octets);
            assert_eq!(peer.expect_notification(), (1, 1, vec![]));
        }));
    }
    cases.push(Case::new("RFC 4271, 4.1", "octet by octet", |client| {
        let mut peer = client.connect();
        for octet in client.usual_open().encode().iter().chain(&keepalive()) {
            peer.send(&[*octet]);
        }
        peer.expect_up();
        assert_eq!(client.peer().unwrap()["state"], "Established");
    }));
    run("1.1 Header and framing", &bench, cases);
}
