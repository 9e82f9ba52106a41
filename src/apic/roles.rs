//! What the APIC lets a user write.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::answer::clean;
use crate::eepg::Mo;

/// The roles of which one is needed to write a class; the table is in the room's documentation.
const NEEDED: [(&str, &[&str]); 10] = [
    ("l3extInstP", &["admin", "tenant-ext-connectivity"]),
    ("l3extSubnet", &["admin", "tenant-ext-connectivity"]),
    ("fvRsCons", &["admin", "tenant-epg", "tenant-network-profile"]),
    ("fvRsProv", &["admin", "tenant-epg", "tenant-network-profile"]),
    ("vnsSvcCont", &["admin", "nw-svc-policy"]),
    ("vnsSvcRedirectPol", &["admin", "nw-svc-policy"]),
    ("vnsRedirectDest", &["admin", "nw-svc-policy"]),
    ("vnsRsRedirectHealthGroup", &["admin", "nw-svc-policy"]),
    ("vnsRsIPSLAMonitoringPol", &["admin", "nw-svc-policy"]),
    ("tagAnnotation", &["admin", "ops"]),
];
/// A user has a handful; more are not looked at.
const MOST: usize = 1000;

/// The roles of our user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    user: Arc<str>,
    write: BTreeSet<String>,
    known: bool,
}

impl Roles {
    pub(super) const fn unknown(user: Arc<str>) -> Self {
        Self { user, write: BTreeSet::new(), known: false }
    }

    /// From the `aaaUserDomain` objects of a login, or of the user in the tree.
    pub(super) fn of<'a>(user: Arc<str>, domains: impl IntoIterator<Item = &'a Mo>) -> Self {
        let mut roles = Self::unknown(user);
        for mo in domains {
            roles.add(mo, 0);
        }
        roles
    }

    fn add(&mut self, mo: &Mo, depth: usize) {
        match &*mo.class {
            "aaaUserDomain" => {
                self.known |= mo.attributes.contains_key("rolesW");
                mo.get("rolesW").split([',', ' ']).for_each(|role| self.grant(role));
            }
            "aaaUserRole" => {
                self.known = true;
                if mo.get("privType") == "writePriv" {
                    self.grant(mo.get("name"));
                }
            }
            "aaaWriteRoles" => {
                self.known = true;
                mo.children.iter().for_each(|role| self.grant(role.get("name")));
            }
            _ => {}
        }
        if depth < 4 {
            mo.children.iter().for_each(|child| self.add(child, depth + 1));
        }
    }

    fn grant(&mut self, role: &str) {
        if !role.is_empty() && self.write.len() < MOST {
            self.write.insert(clean(role));
        }
    }

    /// Whether the APIC told them. It need not; then writing shows what we may.
    pub const fn are_known(&self) -> bool {
        self.known
    }

    /// Those with the write privilege, in any security domain.
    pub fn write(&self) -> impl Iterator<Item = &str> {
        self.write.iter().map(String::as_str)
    }

    /// What is missing to write objects of these classes; nothing, as long as our roles are not known.
    pub fn missing<'a>(&self, classes: impl IntoIterator<Item = &'a str>) -> Vec<Missing> {
        if !self.known {
            return Vec::new();
        }
        let asked: BTreeSet<_> = classes.into_iter().collect();
        NEEDED
            .iter()
            .filter(|(class, needed)| {
                asked.contains(class) && !needed.iter().any(|role| self.write.contains(*role))
            })
            .map(|&(class, roles)| Missing { user: self.user.clone(), class, roles })
            .collect()
    }
}

/// A class that our user may not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    user: Arc<str>,
    /// The class.
    pub class: &'static str,
    /// The roles of which one is needed.
    pub roles: &'static [&'static str],
}

/// What to grant to whom.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, class, roles } = self;
        write!(
            f,
            "user {user} may not write {class}: grant it {} with the write privilege",
            roles.join(" or ")
        )?;
        f.write_str(" in the tenant's security domain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(roles: &str) -> Mo {
        Mo::new("aaaUserDomain").with("name", "all").with("rolesW", roles)
    }

    fn missing(domains: &[Mo], classes: &[&str]) -> Vec<&'static str> {
        let roles = Roles::of("tl".into(), domains);
        roles.missing(classes.iter().copied()).into_iter().map(|missing| missing.class).collect()
    }

    #[test]
    fn admin_may_write_everything() {
        let all: Vec<_> = NEEDED.iter().map(|(class, _)| *class).collect();
        assert!(missing(&[domain("admin")], &all).is_empty());
        assert_eq!(missing(&[domain("read-all")], &all).len(), all.len());
    }

    #[test]
    fn each_class_takes_its_own_role() {
        let all = ["l3extSubnet", "fvRsProv", "vnsRedirectDest", "tagAnnotation", "faultInst"];
        assert_eq!(missing(&[domain("tenant-ext-connectivity,ops")], &all), ["fvRsProv", "vnsRedirectDest"]);
        assert_eq!(
            missing(&[domain("nw-svc-policy"), domain("tenant-epg")], &all),
            ["l3extSubnet", "tagAnnotation"]
        );
    }

    #[test]
    fn roles_of_the_tree_count_if_they_may_write() {
        let role = |kind: &str| Mo::new("aaaUserRole").with("name", "admin").with("privType", kind);
        assert!(missing(&[role("writePriv")], &["l3extSubnet"]).is_empty());
        assert_eq!(missing(&[role("readPriv")], &["l3extSubnet"]), ["l3extSubnet"]);
        let nested = Mo::new("aaaUserDomain")
            .holding(Mo::new("aaaWriteRoles").holding(Mo::new("role").with("name", "admin")));
        assert!(missing(&[nested], &["l3extSubnet"]).is_empty());
    }

    #[test]
    fn nothing_is_missing_that_we_do_not_know() {
        assert!(missing(&[], &["l3extSubnet"]).is_empty());
        assert!(missing(&[Mo::new("aaaUserDomain").with("name", "all")], &["l3extSubnet"]).is_empty());
    }

    #[test]
    fn says_what_to_grant() {
        let roles = Roles::of("tl".into(), &[domain("ops")]);
        assert_eq!(
            roles.missing(["l3extSubnet"])[0].to_string(),
            "user tl may not write l3extSubnet: grant it admin or tenant-ext-connectivity with the write \
             privilege in the tenant's security domain"
        );
    }
}
