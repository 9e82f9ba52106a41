//! Who tries to peer and is refused, in words: the sentence, and what to do.

/// What a leaf that is configured alike does, which this observer does not see.
const ALIKE: &str = "a leaf that is configured alike refuses them as well, and where all leaves do, no traffic from \
                     outside reaches the node's pods and services; where only this one does, the node is not watched";

/// What happens to `who`, whom `leaf` refuses for this reason; without a name, it is not known which leaf does.
pub(super) fn sentence(leaf: &str, why: &str, who: &str) -> String {
    let what = match why {
        "md5" => return md5(leaf),
        "refused_by_peer" => {
            return format!(
                "{who} refuses sessions again and again: it expects somebody else at this end, another AS mostly; a \
                 leaf that is configured alike is refused as well, and where all are, no traffic from outside \
                 reaches the node's pods and services"
            );
        }
        "not_in_range" => "no range of its neighbors holds the address",
        "as_not_allowed" => "their AS is none that may peer from there",
        "peer_limit" => "as many peers are known as the range may have",
        "open_timeout" => "the OPEN comes, but never the KEEPALIVE that confirms ours",
        "ttl" => "they come from farther away than ttl_security_hops permits",
        _ => "their OPEN is not acceptable",
    };
    format!("{leaf} refuses attempts to peer of {who} again and again: {what}; {ALIKE}")
}

fn md5(leaf: &str) -> String {
    let leaf = if leaf.is_empty() { "one of the leaves" } else { leaf };
    format!(
        "the kernel drops TCP segments for their MD5 signature: somebody tries to peer with {leaf}, or with another \
         program of this host, and has another password, or only one side has one; who it is the kernel does not \
         say; {ALIKE}"
    )
}

/// What to do about it.
pub(super) fn advice(why: &str) -> &'static str {
    match why {
        "not_in_range" => {
            "if these are nodes, add their addresses to a range of [[neighbors]] here and to the leaves' peers; if not, \
             remove the leaf from their configuration (Calico: spec.nodeSelector of the BGPPeer)"
        }
        "as_not_allowed" => {
            "compare peer_as here and the leaves' remote AS with the node's (Calico: spec.bgp.asNumber of the Node, or \
             asNumber of the BGPConfiguration); a new node needs its AS in the range"
        }
        "peer_limit" => {
            "raise max_peers of the range, within what a leaf takes (400), or forget peers that are gone for good: \
             thirdleaf peers forget ADDRESS"
        }
        "open_timeout" => {
            "look at the log of the node's BGP daemon, and whether large packets get through (MTU): the session \
             stands still after both OPENs"
        }
        "ttl" => {
            "raise ttl_security_hops if a router is between them by design; the node must send with TTL 255 (Calico: \
             spec.ttlSecurity of the BGPPeer)"
        }
        "refused_by_peer" => {
            "compare spec.asNumber of the BGPPeer with local_as of the leaf; the node's log says what it expected"
        }
        "md5" => {
            "compare password_file here with the secret that the BGPPeer names (spec.password), spaces and line ends too; \
             tcpdump -nv 'tcp[tcpflags] == tcp-syn' shows who gets no answer, with or without the option md5, and \
             many kernels name them in their log: dmesg | grep MD5"
        }
        _ => "look at the log of the node's BGP daemon, and at the evidence for what its OPEN says",
    }
}
