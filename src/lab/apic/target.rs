//! What a request is about: path and query, taken apart.

use super::post::plain;
use super::query::Scope;
use super::refusal::Refusal;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Login,
    Refresh,
    Logout,
    /// Needs what is not simulated.
    Subscription,
    Objects(Scope),
    /// Not JSON.
    OtherFormat,
    Nowhere,
}

impl Place {
    /// What a path leads to.
    pub(super) fn of(path: &str) -> Self {
        let path = collapse(&decode(path));
        if path.starts_with("/socket") || path.starts_with("/api/webtokenSession") {
            return Self::Subscription;
        }
        let Some(path) = path.strip_prefix("/api/") else { return Self::Nowhere };
        let Some((path, format)) = path.rsplit_once('.') else { return Self::Nowhere };
        match format {
            "json" => {}
            "xml" => return Self::OtherFormat,
            _ => return Self::Nowhere,
        }
        match path {
            "aaaLogin" => return Self::Login,
            "aaaRefresh" => return Self::Refresh,
            "aaaLogout" => return Self::Logout,
            "subscriptionRefresh" => return Self::Subscription,
            "mo" | "node/mo" => return Self::Objects(Scope::Object(String::new())),
            _ => {}
        }
        let path = path.strip_prefix("node/").unwrap_or(path);
        if let Some(dn) = path.strip_prefix("mo/") {
            return Self::Objects(Scope::Object(plain(dn)));
        }
        let Some(path) = path.strip_prefix("class/") else { return Self::Nowhere };
        let (below, classes) = path.rsplit_once('/').unwrap_or(("", path));
        let classes = classes.split(',').map(str::to_owned).collect();
        Self::Objects(Scope::Class { classes, below: below.to_owned() })
    }
}

/// The options of a query, decoded.
pub(super) fn options(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let options: Vec<_> =
        query.split('&').filter(|option| !option.is_empty()).take(MAX_OPTIONS + 1).collect();
    if options.len() > MAX_OPTIONS {
        return Err(Refusal::request("Too many query options"));
    }
    let parted = options.into_iter().map(|option| option.split_once('=').unwrap_or((option, "")));
    Ok(parted.map(|(name, value)| (decode(name), decode(value))).collect())
}

const MAX_OPTIONS: usize = 64;

/// Without `%` and two digits for a character.
pub(super) fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        let encoded = (*octet == b'%').then(|| after.split_at_checked(2)).flatten();
        let decoded = encoded.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (octet, after) = decoded.unwrap_or((*octet, after));
        octets.push(octet);
        rest = after;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn collapse(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for letter in path.chars() {
        if !(letter == '/' && collapsed.ends_with('/')) {
            collapsed.push(letter);
        }
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_somewhere() {
        let object = |dn: &str| Place::Objects(Scope::Object(dn.to_owned()));
        let class = |class: &str, below: &str| {
            Place::Objects(Scope::Class { classes: vec![class.to_owned()], below: below.to_owned() })
        };
        for (path, place) in [
            ("/api/aaaLogin.json", Place::Login),
            ("/api/aaaRefresh.json", Place::Refresh),
            ("/api/aaaLogout.json", Place::Logout),
            ("/api//subscriptionRefresh.json", Place::Subscription),
            ("/api/mo.json", object("")),
            ("/api/node/mo.json", object("")),
            ("/api/mo/uni.json", object("uni")),
            ("//api/node/mo/uni/tn-k8s.json", object("uni/tn-k8s")),
            (
                "/api/mo/uni/tn-k8s/out-o/instP-e/extsubnet-%5B10.0.0.0/8%5D.json",
                object("uni/tn-k8s/out-o/instP-e/extsubnet-[10.0.0.0/8]"),
            ),
            ("/api/mo/uni/tn-k8s/annotationKey-k.json", object("uni/tn-k8s/annotationKey-[k]")),
            ("/api/class/fvTenant.json", class("fvTenant", "")),
            (
                "/api/node/class/topology/pod-1/node-101/faultInst.json",
                class("faultInst", "topology/pod-1/node-101"),
            ),
            ("/api/mo/uni.xml", Place::OtherFormat),
            ("/api/mo/uni", Place::Nowhere),
            ("/", Place::Nowhere),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }

    #[test]
    fn options_are_decoded() {
        let read = options("query-target-filter=eq(fvTenant.name,%22k8s%22)&_dc=1&x=50%&y").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            read,
            [("query-target-filter", r#"eq(fvTenant.name,"k8s")"#), ("_dc", "1"), ("x", "50%"), ("y", "")]
        );
        assert!(options(&"a&".repeat(100)).is_err());
    }
}
