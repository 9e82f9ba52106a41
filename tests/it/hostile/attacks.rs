//! The attacks, in their order.

use std::sync::PoisonError;

use super::{Attack, Scene, connections, floods, routes, run};
use crate::run::{Place, QUIET};

const REJECTED: &str = "thirdleaf_bgp_connections_rejected_total";
const RESETS: &str = "thirdleaf_bgp_session_resets_total";
const RECEIVED: &str = "thirdleaf_bgp_messages_received_total";
const ERRORS: &str = "thirdleaf_bgp_update_errors_total";

/// Peers of the upper half of the place are held to a limit, and may send several paths. One range is small.
fn config(place: &Place) -> String {
    let limited = format!(
        r#"[[neighbors]]
leaf = "rack1"
range = "{}/25"
peer_as = ["65102-65199"]
add_path = true
limits = {{ prefixes = 10000, action = "hold", rejected_kept = 1000 }}
"#,
        place.host(128)
    );
    let small = format!(
        r#"[[neighbors]]
leaf = "rack1"
range = "{}/30"
peer_as = ["65102-65199"]
max_peers = 2
"#,
        place.host(connections::SMALL)
    );
    place.config() + &limited + &small
}

#[test]
fn connections_that_say_nothing_or_nonsense() {
    let _quiet = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene::new(config);
    let by = |reason| (REJECTED, reason);
    run(
        "Hostile connections",
        &scene,
        &[
            Attack {
                what: "1 and 4 silent connections of the same address",
                counted: by(r#"reason="half_open_limit""#),
                run: connections::silent_first,
            },
            Attack {
                what: "500 half-open connections from one address",
                counted: by(r#"reason="half_open_limit""#),
                run: connections::half_open_from_one,
            },
            Attack {
                what: "500 half-open connections from many addresses",
                counted: by(r#"reason="lost""#),
                run: connections::half_open_from_many,
            },
            Attack {
                what: "one octet a second in OPEN and in UPDATE",
                counted: by(r#"reason="open_timeout""#),
                run: connections::slow_octets,
            },
            Attack {
                what: "connect and close",
                counted: by(r#"reason="lost""#),
                run: connections::close_storm,
            },
            Attack {
                what: "connect and close, from a node's own address, where two peers have room",
                counted: by(r#"reason="lost""#),
                run: connections::close_storm_from_a_node,
            },
            Attack {
                what: "connect and reset",
                counted: by(r#"reason="lost""#),
                run: connections::reset_storm,
            },
            Attack {
                what: "connect and say garbage, HTTP or TLS",
                counted: by(r#"reason="open_error""#),
                run: connections::garbage_storm,
            },
            Attack {
                what: "connect, OPEN, NOTIFICATION",
                counted: (RECEIVED, r#"type="notification""#),
                run: connections::notification_storm,
            },
            Attack {
                what: "connect with an AS that is not allowed",
                counted: by(r#"reason="as_not_allowed""#),
                run: connections::wrong_as_storm,
            },
            Attack {
                what: "connect from unknown addresses",
                counted: by(r#"reason="not_in_range""#),
                run: connections::stranger_storm,
            },
            Attack {
                what: "the daemon itself stands still for 4 s",
                counted: (RECEIVED, r#"type="keepalive""#),
                run: connections::standstill,
            },
        ],
    );
}

#[test]
fn sessions_that_say_too_much() {
    let _quiet = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    let scene = Scene::new(config);
    run(
        "Hostile sessions",
        &scene,
        &[
            Attack {
                what: "the same UPDATEs at line rate",
                counted: (RECEIVED, r#"type="update""#),
                run: floods::same_routes,
            },
            Attack {
                what: "10,000 prefixes announced and withdrawn at line rate",
                counted: (RECEIVED, r#"type="update""#),
                run: floods::churn,
            },
            Attack {
                what: "faults in each UPDATE",
                counted: (ERRORS, r#"action="treat_as_withdraw""#),
                run: floods::faults,
            },
            Attack {
                what: "ROUTE-REFRESH, BoRR and EoRR",
                counted: (RECEIVED, r#"type="route_refresh""#),
                run: floods::refreshes,
            },
            Attack {
                what: "KEEPALIVEs at line rate",
                counted: (RECEIVED, r#"type="keepalive""#),
                run: floods::keepalives,
            },
            Attack {
                what: "four peers at line rate at once",
                counted: ("thirdleaf_bgp_suspensions_total", "leaf"),
                run: floods::four_at_once,
            },
            Attack {
                what: "a peer that talks and does not listen",
                counted: (RECEIVED, r#"type="update""#),
                run: floods::deaf,
            },
            Attack {
                what: "100,000 rejected prefixes",
                counted: ("thirdleaf_bgp_rejected_routes_not_kept", ""),
                run: routes::rejected,
            },
            Attack {
                what: "100,000 prefixes above a limit of 10,000",
                counted: ("thirdleaf_bgp_rejected_routes_not_kept", ""),
                run: routes::above_limit,
            },
            Attack {
                what: "100,000 paths of one prefix",
                counted: ("thirdleaf_bgp_rejected_routes_not_kept", ""),
                run: routes::path_ids,
            },
            Attack {
                what: "10,000 routes with 32,000 octets of attributes each, all distinct",
                counted: (RECEIVED, r#"type="update""#),
                run: routes::attributes_of_their_own,
            },
            Attack {
                what: "200 times: come up, announce 1,000 routes, close",
                counted: (RESETS, ""),
                run: routes::flapping,
            },
        ],
    );
}
