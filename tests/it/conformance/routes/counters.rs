//! What an operator sees of UPDATEs with errors: each is counted once, under what became of it.

use super::*;
use crate::conformance::{Case, run};
use crate::wire::{hex, mp_unreach};

/// The counters of [`bgp_update_errors_total`], in the order discard, withdraw, reset.
fn errors(client: &Client<'_>) -> [u64; 3] {
    let metrics = client.bench.daemon.text("/metrics");
    ["attribute_discard", "treat_as_withdraw", "session_reset"].map(|action| {
        let start = format!("thirdleaf_bgp_update_errors_total{{action=\"{action}\",leaf=\"rack1\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start)).expect(&start);
        line.parse().unwrap()
    })
}

/// Alone on its daemon: counters are those of a leaf.
#[test]
fn counted() {
    let case = Case::new("RFC 7606, 8", "each UPDATE with errors is counted once", |client| {
        let usual = usual(client.address).concat();
        let prefix = nlri("10.244.1.0/26");
        let said = |digits: &str| update(&[], &[&hex(digits)[..], &usual].concat(), &prefix);
        let mut expected = errors(client);
        let mut talk = Talk::start(client);
        let rows = [
            (said(""), None),
            (said("80 63 00"), None),
            (said("40 05 00"), Some(0)),
            (said("40 05 00 40 06 01 00 80 09 00"), Some(0)),
            (said("80 04 00"), Some(1)),
            (said("80 04 00 40 05 00 c0 08 00"), Some(1)),
            (update(&[], &[], &prefix), Some(1)),
            (update(&[], &[&usual[..], &[0x40]].concat(), &prefix), Some(1)),
            (update(&[], &mp_unreach(2, 1, &[]), &[]), None),
            (update(&prefix, &[], &[]), None),
            (said("80 0e 00"), Some(2)),
            (update(&[], &[], &[33, 0]), Some(2)),
            (update(&[], &hex("40 01 01 09"), &[]), Some(2)),
        ];
        for (said, action) in rows {
            talk.say(&said);
            if let Some(action) = action {
                expected[action] += 1;
            }
            if action == Some(2) {
                assert_eq!(talk.peer.expect_notification().0, 3);
                gone(client);
                talk = Talk::start(client);
            } else {
                talk.routes();
            }
            assert_eq!(errors(client), expected, "{said:02x?}");
        }
        shows(client, "three resets", |peer| peer["resets"] == 3);
        talk.peer.expect_up();
    });
    run("1.4 UPDATE: counters", &bench(), vec![case]);
}
