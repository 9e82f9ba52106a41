//! UPDATEs, their errors, graceful restart and refresh.

use super::{Bench, Case, run};
use crate::wire::{as_path, end_of_rib, next_hop, nlri, origin, update};

#[test]
fn updates() {
    let bench = Bench::new(crate::run::Place::config);
    let cases = vec![Case::new("RFC 4271, 4.3", "a route, then its withdrawal", |client| {
        let mut peer = client.establish();
        let attributes = [origin(0), as_path(&[65102]), next_hop(client.address)].concat();
        peer.send(&update(&[], &attributes, &nlri("10.244.1.0/26")));
        peer.send(&end_of_rib());
        peer.until("it is accepted", || (client.table() == ["10.244.1.0/26 accepted"]).then_some(()));
        peer.send(&update(&nlri("10.244.1.0/26"), &[], &[]));
        peer.until("it is gone", || client.table().is_empty().then_some(()));
        peer.expect_up();
    })];
    run("1.4 UPDATE", &bench, cases);
}
