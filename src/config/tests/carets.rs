//! Each bad file with the carets and words that an operator sees.

use super::{Errors, SHORTEST, and, read, with};

/// The whole rendering of what is wrong with `text`.
fn rendered(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// Each error of a rendering in a line: place, what the carets are under, message, help.
pub(super) fn brief(errors: &Errors) -> Vec<String> {
    errors.to_string().split("\n\n").map(brief_one).collect()
}

fn brief_one(error: &str) -> String {
    let line_with = |mark: &str| error.lines().find_map(|line| line.split_once(mark).map(|(_, rest)| rest));
    let message = line_with("error: ").unwrap();
    let place = line_with("t.toml:").unwrap_or_default();
    let source: Vec<&str> =
        error.lines().filter_map(|line| line.split_once(" | ").map(|(_, rest)| rest)).collect();
    let under: String = match source.as_slice() {
        [source, carets] => source
            .chars()
            .zip(carets.chars())
            .filter_map(|(char, caret)| (caret == '^').then_some(char))
            .collect(),
        _ => String::new(),
    };
    let help = line_with("= help: ").map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{place} [{under}] {message}{help}")
}

fn check(cases: &[(String, &[&str])]) {
    for (text, expected) in cases {
        let errors = read(text).expect_err(text);
        assert_eq!(brief(&errors), *expected, "{text}\n{errors}");
    }
}

const LEAF: &str = "name = \"rack1\"";
const LOCAL_AS: &str = "local_as = 65101";
const ROUTER_ID: &str = "router_id = \"10.0.0.101\"";
const LISTEN: &str = "listen = [\"0.0.0.0:1790\"] ";
const RANGE: &str = "range = \"192.168.1.0/26\"";
const PEER_AS: &str = "peer_as = [\"65102-65199\"]";

#[test]
fn renders_as_rustc_does() {
    let text = with("[[neighbors]] ", "[[neighbors]]\nholdtime = \"3s\"\n#");
    assert_eq!(
        rendered(&text),
        "error: unknown key `holdtime` in `neighbors[0]`
 --> t.toml:9:1
  |
9 | holdtime = \"3s\"
  | ^^^^^^^^
  = help: did you mean `hold_time`?"
    );
}

#[test]
fn the_gutter_is_as_wide_as_the_line_number_and_tabs_stay() {
    let text = and("[metrics]\r\n\tper_peer =\t\"sóme\" # ä\r\n");
    assert_eq!(
        rendered(&text),
        "error: unknown value `sóme`
  --> t.toml:25:13
   |
25 | \tper_peer =\t\"sóme\" # ä
   | \t          \t^^^^^^
   = help: the values are all, problem, off"
    );
}

#[test]
fn an_error_without_a_place_is_its_line() {
    assert_eq!(
        rendered(&SHORTEST.replace("version = 1", "")),
        "error: `version` is missing\n = help: begin with version = 1"
    );
}

#[test]
fn all_errors_of_a_file_in_its_order() {
    let text = SHORTEST
        .replace("65101", "\"65101\"")
        .replace("10.0.0.101\"\nlisten", "10.0.0\"\nlisten")
        .replace("192.168.1.0/26", "192.168.1.1/26")
        .replace("lengths = [29]", "lengths = [29, 8]\nclas = 1");
    let errors = read(&text).unwrap_err();
    assert_eq!(
        brief(&errors),
        [
            "5:12 [\"65101\"] expected a whole number, found a string",
            "6:13 [\"10.0.0\"] `10.0.0` is not a BGP identifier (write it as an IPv4 address: \"10.0.0.101\")",
            "10:9 [\"192.168.1.1/26\"] `192.168.1.1/26` has host bits set (write \"192.168.1.0/26\")",
            "23:16 [8] nothing inside a /16 has the length 8: it could never match",
            "24:1 [clas] unknown key `clas` in `policy.allow[2]` (did you mean `class`?)",
        ]
    );
    assert_eq!(errors.iter().nth(2).map(super::super::Error::path), Some("neighbors[0].range"));
}

#[test]
fn toml_that_does_not_parse() {
    check(&[
        (with(LEAF, "name = rack1"), &["4:8 [rack1] string values must be quoted, expected literal string"]),
        (with(LEAF, "name = \"rack1"), &["4:14 [] invalid basic string, expected `\"`"]),
        (with(LEAF, "name = \"a\"\nname = \"b\""), &["5:1 [name] duplicate key"]),
        (and("[http"), &["24:6 [] unclosed table, expected `]`"]),
        (and("[http]\nlisten = 07"), &["25:10 [0] unexpected leading zero"]),
    ]);
}

#[test]
fn root() {
    check(&[
        (
            "version = 2\n[[leaf]]".to_owned(),
            &[
                "1:11 [2] this version of the file is not supported (write version = 1)",
                "2:1 [[[leaf]]] `name` is missing in `leaf[0]`",
                "2:1 [[[leaf]]] `local_as` is missing in `leaf[0]`",
                "2:1 [[[leaf]]] `router_id` is missing in `leaf[0]`",
                "2:1 [[[leaf]]] `listen` is missing in `leaf[0]`",
            ],
        ),
        ("version = 1".to_owned(), &[" [] there is no [[leaf]]: nobody could peer with this configuration"]),
        (and("[metric]"), &["24:2 [metric] unknown key `metric` (did you mean `metrics`?)"]),
        (and("[[metrics]]"), &["24:1 [[[metrics]]] expected a table, found a list"]),
        (and("[nodes]"), &["24:1 [[nodes]] `nodes` is a list of tables (write [[nodes]])"]),
        (and("[globl]"), &["24:2 [globl] unknown key `globl` (did you mean `global`?)"]),
    ]);
}

#[test]
fn process_and_http() {
    check(&[
        (
            and("[global]\nname = \" x\"\nlog = { format = \"jsn\", level = 3 }"),
            &[
                "25:8 [\" x\"] a name must not begin or end with a space, nor hold control characters",
                "26:18 [\"jsn\"] unknown value `jsn` (did you mean `json`?)",
                "26:33 [3] expected a string, found a number",
            ],
        ),
        (
            and("[http]\nlisten = [\"127.0.0.1\", \"0.0.0.0:1790\"]\n[http.tls]\nkey_file = \"x\"\n"),
            &[
                "25:11 [\"127.0.0.1\"] `127.0.0.1` is not an address and a port \
                 (write it as \"0.0.0.0:1790\" or \"[::]:1790\")",
                "25:24 [\"0.0.0.0:1790\"] `0.0.0.0:1790` overlaps `0.0.0.0:1790` of leaf `rack1`",
                "26:1 [[http.tls]] `cert_file` is missing in `http.tls`",
                "27:12 [\"x\"] cannot read x: entity not found",
            ],
        ),
        (and("[http]\nlisten = []"), &["25:10 [[]] this list must not be empty"]),
    ]);
}

#[test]
fn leaves() {
    let second = |listen: &str| {
        and(&format!(
            "[[leaf]]\nname = \"rack2\"\nlocal_as = 65101\nrouter_id = \"10.0.0.102\"\nlisten = {listen}\n"
        ))
    };
    check(&[
        (with(LEAF, "name = \"\""), &["4:8 [\"\"] a name must not be empty"]),
        (with(LOCAL_AS, "local_as = 0"), &["5:12 [0] AS 0 is reserved (RFC 7607)"]),
        (
            with(LOCAL_AS, "local_as = 23456"),
            &["5:12 [23456] AS 23456 is AS_TRANS, which stands for other ASes (RFC 6793)"],
        ),
        (
            with(LOCAL_AS, "local_as = 4294967296"),
            &["5:12 [4294967296] must be a number from 0 to 4294967295"],
        ),
        (with(LOCAL_AS, "local_as = -1"), &["5:12 [-1] must be a number from 0 to 4294967295"]),
        (
            with(ROUTER_ID, "router_id = \"0.0.0.0\""),
            &["6:13 [\"0.0.0.0\"] a BGP identifier must not be zero (RFC 6286)"],
        ),
        (
            second("[\"10.0.0.2:1790\", \"[::]:1790\"]"),
            &["28:11 [\"10.0.0.2:1790\"] `10.0.0.2:1790` overlaps `0.0.0.0:1790` of leaf `rack1`"],
        ),
        (
            second("[\"[fd00::1]:179\", \"[fd00::2]:179\", \"[::]:179\", \"0.0.0.0:179\"]"),
            &["28:45 [\"[::]:179\"] `[::]:179` overlaps `[fd00::1]:179`"],
        ),
        (
            second("[\"10.0.0.2:1791\"]").replace("rack2", "rack1"),
            &["25:8 [\"rack1\"] leaf `rack1` is already defined on line 4"],
        ),
        (
            with(LISTEN, "listen = [\"127.0.0.1:9179\"] "),
            &["7:11 [\"127.0.0.1:9179\"] `127.0.0.1:9179` overlaps `127.0.0.1:9179` of [http]"],
        ),
    ]);
    assert!(read(&second("[\"0.0.0.0:1791\", \"0.0.0.0:0\", \"127.0.0.1:0\", \"[::]:1790\"]")).is_ok());
}

#[test]
fn neighbors() {
    let more = |lines: &str| with(PEER_AS, &format!("{PEER_AS}\n{lines}"));
    let second =
        |range: &str| and(&format!("[[neighbors]]\nleaf = \"rack1\"\nrange = \"{range}\"\npeer_as = 1\n"));
    check(&[
        (
            with("leaf = \"rack1\"", "leaf = \"rakc1\""),
            &["9:8 [\"rakc1\"] unknown leaf `rakc1` (did you mean `rack1`?)"],
        ),
        (
            with("leaf = \"rack1\"", "leaf = \"edge\""),
            &["9:8 [\"edge\"] unknown leaf `edge` (the leaves are rack1)"],
        ),
        (
            with(RANGE, "range = \"192.168.1.7\""),
            &["10:9 [\"192.168.1.7\"] a prefix needs a length (write \"192.168.1.7/32\")"],
        ),
        (
            with(RANGE, "range = \"192.168.1.0/33\""),
            &[
                "10:9 [\"192.168.1.0/33\"] `192.168.1.0/33` is not a prefix (write it as \"10.0.0.0/8\" or \"fd00::/8\")",
            ],
        ),
        (
            second("192.168.1.0/26"),
            &["26:9 [\"192.168.1.0/26\"] leaf `rack1` has the range 192.168.1.0/26 already, on line 10"],
        ),
        (
            second("fd00::/64"),
            &[
                "24:1 [[[neighbors]]] nobody in fd00::/64 can connect: leaf `rack1` listens on no IPv6 address \
               (add \"[::]:1790\" to the leaf's `listen`)",
            ],
        ),
        (
            more("hold_time = \"2s\""),
            &[
                "12:13 [\"2s\"] a hold time of one or two seconds is not permitted (RFC 4271, 4.2) (use \"3s\" or more, or \"0s\" for none)",
            ],
        ),
        (
            more("hold_time = \"3500ms\""),
            &["12:13 [\"3500ms\"] a hold time is a whole number of seconds (RFC 4271, 4.2)"],
        ),
        (
            more("hold_time = \"19h\""),
            &["12:13 [\"19h\"] a hold time has at most 65535 seconds (RFC 4271, 4.2)"],
        ),
        (
            more("hold_time = 3"),
            &["12:13 [3] expected a duration in a string, such as \"30s\", found a number"],
        ),
        (
            more("hold_time = \"3\""),
            &[
                "12:13 [\"3\"] `3` is not a duration: time unit needed, for example 3sec or 3ms (write it as \"30s\", \"6m\", \"24h\" or \"7d\")",
            ],
        ),
        (
            more("passive = false"),
            &["12:11 [false] only a single address can be dialled, and 192.168.1.0/26 is a range \
               (leave peers of a range to connect, or use a range of length 32)"],
        ),
        (more("port = 0"), &["12:8 [0] must be a number from 1 to 65535"]),
        (more("max_peers = 0"), &["12:13 [0] must be a number from 1 to 1000000"]),
        (more("ttl_security_hops = 255"), &["12:21 [255] must be a number from 1 to 254"]),
        (more("families = []"), &["12:12 [[]] this list must not be empty"]),
        (
            more("families = [\"ipv4\", \"ip6\"]"),
            &["12:21 [\"ip6\"] unknown value `ip6` (did you mean `ipv6`?)"],
        ),
        (
            more("limits = { warn_at = 0, action = \"drop\", prefix = 3 }"),
            &[
                "12:22 [0] must be above 0 and at most 1 (it is a share of `prefixes`: 0.8 warns at 80 %)",
                "12:34 [\"drop\"] unknown value `drop` (the values are warn, hold, reset)",
                "12:42 [prefix] unknown key `prefix` in `neighbors[0].limits` (did you mean `prefixes`?)",
            ],
        ),
        (
            more("limits.warn_at = nan"),
            &["12:18 [nan] must be above 0 and at most 1 (it is a share of `prefixes`: 0.8 warns at 80 %)"],
        ),
        (more("graceful_restart = true"), &["12:20 [true] expected a table, found true or false"]),
    ]);
}

#[test]
fn ases_of_neighbors() {
    let reason = "over iBGP a node's AS is not in its paths, so they could not be judged";
    let own = "65101 is the AS of leaf `rack1` itself, and iBGP peers are not supported";
    let peer_as = |list: &str| with(PEER_AS, &format!("peer_as = {list}"));
    check(&[
        (peer_as("65101"), &[&format!("11:11 [65101] {own} ({reason})")]),
        (
            peer_as("[65102, \"65000-65200\"]"),
            &[&format!("11:19 [\"65000-65200\"] {own} ({reason}; write \"65000-65100\", \"65102-65200\")")],
        ),
        (
            peer_as("[\"65101-65102\"]"),
            &[&format!("11:12 [\"65101-65102\"] {own} ({reason}; write \"65102\")")],
        ),
        (
            peer_as("[\"65199-65102\"]"),
            &["11:12 [\"65199-65102\"] `65199-65102` runs backwards (write \"65102-65199\")"],
        ),
        (peer_as("[\"0-65100\"]"), &["11:12 [\"0-65100\"] AS 0 is reserved (RFC 7607)"]),
        (
            peer_as("[\"23456-23460\"]"),
            &["11:12 [\"23456-23460\"] AS 23456 is AS_TRANS, which stands for other ASes (RFC 6793)"],
        ),
        (
            peer_as("[\"AS65102\"]"),
            &[
                "11:12 [\"AS65102\"] `AS65102` is not a range of ASes (write 65102, \"65102\" or \"65102-65199\")",
            ],
        ),
        (peer_as("[]"), &["11:11 [[]] this list must not be empty"]),
    ]);
}

#[test]
fn pins() {
    let pin = |lines: &str| {
        and(&format!("[[nodes]]\nname = \"n1\"\naddress = \"192.168.1.1\"\n[[nodes]]\n{lines}\n"))
    };
    check(&[
        (
            pin("name = \"n1\"\naddress = [\"192.168.1.1\", \"192.168.2.1\", \"n1\"]"),
            &[
                "28:8 [\"n1\"] node `n1` is already defined \
                 (a node of another cluster may have the same name: say so with `cluster`)",
                "29:12 [\"192.168.1.1\"] 192.168.1.1 belongs to node `n1` already",
                "29:27 [\"192.168.2.1\"] 192.168.2.1 is in no range of [[neighbors]] \
                 (a node peers from its address, and [[neighbors]] says from which)",
                "29:42 [\"n1\"] `n1` is not an address (write it as \"192.168.1.11\" or \"fd00::11\")",
            ],
        ),
        (
            pin("name = \"n2\"\naddress = [\"192.168.1.2\", \"192.168.1.2\"]\nas = 65200"),
            &[
                "29:27 [\"192.168.1.2\"] 192.168.1.2 stands here twice",
                "30:6 [65200] AS 65200 is not in `peer_as` of 192.168.1.0/26, where 192.168.1.2 is",
            ],
        ),
        (pin("name = \"n2\"\naddress = []"), &["29:11 [[]] this list must not be empty"]),
    ]);
}

/// The shortest file with a second leaf that hears `cluster` in `vrf` from the same addresses.
fn second(cluster: &str, vrf: &str, more: &str) -> String {
    and(&format!(
        "[[leaf]]\nname = \"rack2\"\nlocal_as = 65101\nrouter_id = \"10.0.0.102\"\nlisten = \"0.0.0.0:1791\"\n\
         [[neighbors]]\nleaf = \"rack2\"\nrange = \"192.168.1.0/26\"\npeer_as = 65200\n\
         cluster = \"{cluster}\"\nvrf = \"{vrf}\"\n[[nodes]]\nname = \"n1\"\naddress = \"192.168.1.1\"\n\
         cluster = \"default\"\n[[nodes]]\n{more}\n"
    ))
}

#[test]
fn pins_of_several_clusters() {
    check(&[
        (
            second("blue", "blue", "name = \"n1\"\naddress = \"192.168.1.1\""),
            &[
                "40:8 [\"n1\"] node `n1` is already defined \
                 (a node of another cluster may have the same name: say so with `cluster`)",
                "41:11 [\"192.168.1.1\"] 192.168.1.1 belongs to node `n1` already",
            ],
        ),
        (
            second("blue", "default", "name = \"n1\"\naddress = \"192.168.1.1\"\ncluster = \"blue\""),
            &["41:11 [\"192.168.1.1\"] 192.168.1.1 belongs to node `n1` already"],
        ),
        (
            second(
                "blue",
                "blue",
                "name = \"n1\"\naddress = \"192.168.1.1\"\ncluster = \"bleu\"\nas = 65102",
            ),
            &["42:11 [\"bleu\"] unknown cluster `bleu` (did you mean `blue`?)"],
        ),
        (
            second(
                "blue",
                "blue",
                "name = \"n1\"\naddress = [\"192.168.1.1\", \"192.168.9.1\"]\ncluster = \"blue\"\nas = 65102",
            ),
            &[
                "41:27 [\"192.168.9.1\"] 192.168.9.1 is in no range of [[neighbors]] of cluster `blue` \
                 (a node peers from its address, and [[neighbors]] says from which)",
                "43:6 [65102] AS 65102 is not in `peer_as` of 192.168.1.0/26, where 192.168.1.1 is",
            ],
        ),
    ]);
    let good = "name = \"n1\"\naddress = \"192.168.1.1\"\ncluster = \"blue\"\nas = 65200";
    let config = read(&second("blue", "blue", good)).unwrap();
    let clusters: Vec<_> = config.nodes.iter().filter_map(|node| node.cluster.as_deref()).collect();
    assert_eq!(clusters, ["default", "blue"]);
}

#[test]
fn a_bad_range_is_told_once() {
    let text = and("[[nodes]]\nname = \"n1\"\naddress = \"192.168.1.1\"\nas = 65102\n");
    let text = text.replace("192.168.1.0/26", "192.168.1.1/26");
    check(&[(
        text,
        &["10:9 [\"192.168.1.1/26\"] `192.168.1.1/26` has host bits set (write \"192.168.1.0/26\")"],
    )]);
}

#[test]
fn policy() {
    let node = |lines: &str| with("lengths = [29]", &format!("lengths = [29]\n{lines}"));
    check(&[
        (and("[policy]\nmax_as_path = 0"), &["25:15 [0] must be a number from 1 to 1000"]),
        (
            and("[policy]\nmax_as_path = 1"),
            &["25:15 [1] no route could pass: a node's own AS and the leaf's are two already \
               (add count_leaf_as = false if the fabric's leaves put no AS of their own in front)"],
        ),
        (
            with(
                "lengths = [29]",
                "lengths = [29]\n[[policy.allow]]\nclass = \"pod\"\nprefix = \"0.0.0.0/0\"\nlengths = [0, 32]",
            ),
            &["27:12 [0] the default route is never accepted"],
        ),
        (
            and("[policy]\norigin_as = \"per\""),
            &["25:13 [\"per\"] unknown value `per` (did you mean `peer`?)"],
        ),
        (and("[policy]\norigin_as = [0]"), &["25:14 [0] AS 0 is reserved (RFC 7607)"]),
        (
            and("[policy]\ntransit = \"noted\""),
            &["25:11 [\"noted\"] unknown value `noted` (did you mean `note`?)"],
        ),
        (and("[policy]\nnext_hop = true"), &["25:12 [true] expected a string, found true or false"]),
        (
            and("[policy.uniqueness]\npod_blocks = \"any\"\npod_host = \"two\"\nas = \"two\""),
            &[
                "25:1 [pod_blocks] unknown key `pod_blocks` in `policy.uniqueness` (did you mean `pod_block`?)",
                "26:12 [\"two\"] unknown value `two` (the values are one_node, any)",
                "27:6 [\"two\"] unknown value `two` (the values are auto, one_node, any)",
            ],
        ),
        (
            with("class = \"node\"", "class = \"nod\""),
            &["21:9 [\"nod\"] unknown value `nod` (did you mean `node`?)"],
        ),
        (
            with("192.168.0.0/16", "192.168.0.1/16"),
            &["22:10 [\"192.168.0.1/16\"] `192.168.0.1/16` has host bits set (write \"192.168.0.0/16\")"],
        ),
        (
            with("lengths = [29]", "lengths = [15, 33, 300]"),
            &[
                "23:12 [15] nothing inside a /16 has the length 15: it could never match",
                "23:16 [33] a prefix of this family has a length of at most 32",
                "23:20 [300] must be a number from 0 to 255",
            ],
        ),
        (with("lengths = [29]", "lengths = []"), &["23:11 [[]] this list must not be empty"]),
        (
            node("racks = [\"rack1\", \"rack2\"]\nclusters = \"blue\"\nnodes = [\"n1\"]\nvrfs = \"red\""),
            &[
                "24:19 [\"rack2\"] unknown rack `rack2` (did you mean `rack1`?)",
                "25:12 [\"blue\"] unknown cluster `blue` (the clusters are default)",
                "26:10 [\"n1\"] unknown node `n1` (there are none)",
                "27:8 [\"red\"] unknown VRF `red` (the VRFs are default)",
            ],
        ),
        (
            node(
                "expect = \"every_node\"\nexcept = { racks = \"rack2\", nodes = \"n1\", clusters = \"default\" }",
            ),
            &[
                "25:20 [\"rack2\"] unknown rack `rack2` (did you mean `rack1`?)",
                "25:37 [\"n1\"] unknown node `n1` (there are none)",
                "25:43 [clusters] unknown key `clusters` in `policy.allow[2].except` \
                 (the keys here are nodes, racks)",
            ],
        ),
        (
            node("except = { racks = \"rack1\" }"),
            &[
                "24:10 [{ racks = \"rack1\" }] 192.168.0.0/16 is expected of nobody, so nobody can be excepted \
               (leave `except` out, or add expect = \"every_node\")",
            ],
        ),
        (
            node("expect = \"all\""),
            &["24:10 [\"all\"] unknown value `all` (the values are every_node, none)"],
        ),
        (
            with("lengths = [12, 32]  ", "expect = \"every_node\"\nlengths = [32] "),
            &[
                "19:10 [\"every_node\"] 10.96.0.0/12 is expected but its own length is not allowed (add 12 to `lengths`)",
            ],
        ),
        (
            with("lengths = [26, 32]  ", "expect = \"every_node\"\nlengths = [26] "),
            &["15:10 [\"every_node\"] no pod prefix can be expected of every node"],
        ),
    ]);
}

#[test]
fn findings_and_metrics() {
    check(&[
        (
            and(
                "[findings]\nforget_after = \"a week\"\nopen_after = { rogue_routes = \"5s\", peer_down = 5, weather = \"1s\" }",
            ),
            &[
                "25:16 [\"a week\"] `a week` is not a duration: expected number at 0 \
                 (write it as \"30s\", \"6m\", \"24h\" or \"7d\")",
                "26:16 [rogue_routes] unknown kind of finding `rogue_routes` (did you mean `rogue_route`?)",
                "26:49 [5] expected a duration in a string, such as \"30s\", found a number",
                "26:52 [weather] unknown kind of finding `weather` (the kinds are rogue_route, \
                 duplicate_pod_block, duplicate_node_subnet, duplicate_pod_host, duplicate_service_host, \
                 missing_service_cidr, missing_node_subnet, leaf_disagreement, peer_down, rack_down, \
                 peer_flapping, stale_routes, prefix_limit, malformed_updates, mesh_left_on, observer_isolated, \
                 recovery_wait, peer_refused, duplicate_as, duplicate_router_id, aggregation_missing, \
                 fabric_capacity, timer_trouble, eepg_conflict, eepg_drift, eepg_write_failing, hold_down, \
                 apic_down, aci_config, journal_failing, alerts_failing)",
            ],
        ),
        (
            and("[limits]\nlpm = 0\necmp = \"64\"\nlpn = 1"),
            &[
                "25:7 [0] must be a number from 1 to 100000000",
                "26:8 [\"64\"] expected a whole number, found a string",
                "27:1 [lpn] unknown key `lpn` in `limits` (did you mean `lpm`?)",
            ],
        ),
        (
            and("[journal]\nenabled = 1\nmax_bytes = \"1GB\"\nkeep = \"1m\"\nfsync = \"never\""),
            &[
                "25:11 [1] expected true or false, found a number",
                "26:13 [\"1GB\"] expected a whole number, found a string",
                "27:8 [\"1m\"] must be from 1h to 10years (what is older goes, and what is still announced stays)",
                "28:9 [\"never\"] unknown value `never` (the values are commit, checkpoint)",
            ],
        ),
        (
            and("[journal]\nmrt = true\n[journal.mrt2]"),
            &[
                "25:7 [true] expected a table, found true or false",
                "26:10 [mrt2] unknown key `mrt2` in `journal` (did you mean `mrt`?)",
            ],
        ),
        (
            and(
                "[journal.mrt]\nrotate = \"30s\"\ntable_every = \"7m\"\nkeep = \"1m\"\nmax_bytes = 1000\nfolder = 1",
            ),
            &[
                "24:1 [[journal.mrt]] `dir` is missing in `journal.mrt`",
                "25:10 [\"30s\"] must be from 1m to 1day (a file is named by the minute in which it begins)",
                "26:15 [\"7m\"] a day is no multiple of it (write \"15m\", \"1h\", \"8h\" or \"1day\")",
                "27:8 [\"1m\"] must be from 1h to 10years (files that began longer ago go)",
                "28:13 [1000] must be a number from 16777216 to 17592186044416",
                "29:1 [folder] unknown key `folder` in `journal.mrt` (the keys here are dir, rotate, table_every, keep, max_bytes)",
            ],
        ),
        (
            and("[journal.mrt]\ndir = \"mrt\"\nrotate = \"90s\"\ntable_every = \"2d\""),
            &[
                "26:10 [\"90s\"] a day is no multiple of it (write \"15m\", \"1h\", \"8h\" or \"1day\")",
                "27:15 [\"2d\"] must be from 1m to 1day (a file is named by the minute in which it begins)",
            ],
        ),
        (
            and("[findings.resolve_after]\npeer_downs = \"5s\""),
            &["25:1 [peer_downs] unknown kind of finding `peer_downs` (did you mean `peer_down`?)"],
        ),
        (
            and("[metrics]\nper_peer = \"none\"\nrogue_routes_max = 1.5"),
            &[
                "25:12 [\"none\"] unknown value `none` (the values are all, problem, off)",
                "26:20 [1.5] expected a whole number, found a fraction",
            ],
        ),
    ]);
}

#[test]
fn no_typo_switches_a_finding_off() {
    check(&[(
        and(
            "[findings]\nforget_after = \"59s\"\nopen_after.peer_down = \"99999y\"\nresolve_after.peer_down = \"31d\"",
        ),
        &[
            "25:16 [\"59s\"] a peer that is down is forgotten after 1 minute at the soonest and 10 years at the latest",
            "26:24 [\"99999y\"] a finding waits for at most 30 days",
            "27:27 [\"31d\"] a finding waits for at most 30 days",
        ],
    )]);
    check(&[(
        and("[findings]\nforget_after = \"11y\""),
        &[
            "25:16 [\"11y\"] a peer that is down is forgotten after 1 minute at the soonest and 10 years at the latest",
        ],
    )]);
    for fits in ["forget_after = \"10y\"", "forget_after = \"1m\"", "open_after.peer_down = \"30d\""] {
        read(&and(&format!("[findings]\n{fits}"))).expect(fits);
    }
}
