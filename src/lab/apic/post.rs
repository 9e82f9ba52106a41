//! POST and DELETE: all of a request is done, or nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::filter::matches;
use super::refusal::Refusal;
use super::rules::{COMMON, Class, Writer, rules};
use super::tree::{Change, Object, Tree, What};
use crate::eepg::Mo;
use crate::eepg::dn::rns;
use crate::time::Timestamp;

/// Who may write everything.
pub(super) const ADMIN: &str = "admin";

impl Tree {
    /// What a POST of `mo` to `dn` does (an empty `dn` is the root, as in `/api/mo.json`), asked for by an
    /// administrator. Answers what changed: nothing, if all was as wanted.
    ///
    /// # Errors
    /// What the APIC would refuse; nothing has changed then.
    pub fn post(&mut self, dn: &str, mo: &Mo, now: Timestamp) -> Result<Vec<Change>, Refusal> {
        self.post_as(dn, mo, &[ADMIN.to_owned()], now)
    }

    /// What a POST does that somebody with these roles asks for.
    ///
    /// # Errors
    /// As [`Tree::post`]; 403 for what the roles do not suffice for.
    pub fn post_as(
        &mut self,
        dn: &str,
        mo: &Mo,
        roles: &[String],
        now: Timestamp,
    ) -> Result<Vec<Change>, Refusal> {
        self.transact(roles, now, true, |transaction| {
            let (dn, class) = transaction.tree.locate(dn, mo)?;
            transaction.apply(&dn, class, mo)
        })
    }

    /// As [`Tree::post`] to `uni`, and attributes that only the APIC writes are passed over: reads back what
    /// was once read.
    ///
    /// # Errors
    /// As [`Tree::post`].
    pub fn load(&mut self, mo: &Mo, now: Timestamp) -> Result<Vec<Change>, Refusal> {
        self.transact(&[ADMIN.to_owned()], now, false, |transaction| {
            let (dn, class) = transaction.tree.locate("uni", mo)?;
            transaction.apply(&dn, class, mo)
        })
    }

    /// Deletes an object with all below it; one that is not there is none the less gone.
    ///
    /// # Errors
    /// A name that can be none; an object that cannot be deleted.
    pub fn delete(&mut self, dn: &str, now: Timestamp) -> Result<Vec<Change>, Refusal> {
        self.delete_as(dn, &[ADMIN.to_owned()], now)
    }

    /// As [`Tree::delete`], for somebody with these roles.
    ///
    /// # Errors
    /// As [`Tree::delete`]; 403 for what the roles do not suffice for.
    pub fn delete_as(&mut self, dn: &str, roles: &[String], now: Timestamp) -> Result<Vec<Change>, Refusal> {
        let dn = &plain(dn);
        let class = self.class_at(dn)?;
        self.transact(roles, now, true, |transaction| {
            transaction.refused(dn)?;
            transaction.delete(dn, class)
        })
    }

    fn transact(
        &mut self,
        roles: &[String],
        now: Timestamp,
        strict: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<(), Refusal>,
    ) -> Result<Vec<Change>, Refusal> {
        let mut transaction =
            Transaction { tree: self, undo: Vec::new(), changes: Vec::new(), roles, now, strict };
        match work(&mut transaction).and_then(|()| transaction.commit()) {
            Ok(()) => Ok(transaction.changes),
            Err(refusal) => {
                for (dn, object) in std::mem::take(&mut transaction.undo).into_iter().rev() {
                    transaction.tree.set(dn, object);
                }
                Err(refusal)
            }
        }
    }

    /// What a POST to `dn` is about: the object there, or one below it.
    pub(super) fn locate(&self, dn: &str, mo: &Mo) -> Result<(String, &'static Class), Refusal> {
        let dn = &plain(dn);
        let class = rules().class(&mo.class)?;
        let there = self.class_at(dn)?;
        if !mo.dn().is_empty() {
            let named = plain(mo.dn());
            let own = rules().class_of(&named)?;
            if own.name != class.name {
                return Err(Refusal::relative_name(rns(&named).last().unwrap_or_default()));
            }
            let within = dn.is_empty()
                || named == *dn
                || named.strip_prefix(dn.as_str()).is_some_and(|rest| rest.starts_with('/'));
            return if within {
                Ok((named, class))
            } else {
                Err(Refusal::request(format!("Invalid request. {named} is not below {dn}")))
            };
        }
        if there.name == class.name {
            return Ok((dn.to_owned(), class));
        }
        Ok((child_dn(dn, there, class, mo)?, class))
    }
}

/// A name as the tree has it: without slashes that separate nothing, and with the brackets around keys of
/// annotations, which some clients leave out.
pub(super) fn plain(dn: &str) -> String {
    let rns = rns(dn).map(|rn| match rn.strip_prefix("annotationKey-") {
        Some(key) if !key.starts_with('[') => Cow::Owned(format!("annotationKey-[{key}]")),
        _ => Cow::Borrowed(rn),
    });
    rns.collect::<Vec<_>>().join("/")
}

/// The name of a child that a POST describes.
fn child_dn(parent: &str, above: &Class, class: &Class, mo: &Mo) -> Result<String, Refusal> {
    if !above.takes(class) {
        return Err(Refusal::nesting(&mo.class, above.name));
    }
    let join = |rn: &str| if parent.is_empty() { rn.to_owned() } else { format!("{parent}/{rn}") };
    if !mo.dn().is_empty() {
        let dn = plain(mo.dn());
        let rn = rns(&dn).last().unwrap_or_default();
        return if join(rn) == dn && class.names(rn).is_some() {
            Ok(dn)
        } else {
            Err(Refusal::request(format!(
                "Invalid request. Can not contain child '{dn}' under parent '{parent}'"
            )))
        };
    }
    let rn = match mo.get("rn") {
        "" => {
            for (name, property) in class.properties.iter().filter(|(_, property)| property.naming) {
                let value = mo.attributes.get(*name).map_or(property.default, String::as_str);
                if !value.is_empty() {
                    property.kind.check(class.name, &join(&class.rn(|name| mo.get(name))), name, value)?;
                }
            }
            class.rn(|name| {
                let default = class.properties.get(name).map_or("", |property| property.default);
                mo.attributes.get(name).map_or(default, String::as_str)
            })
        }
        rn => plain(rn),
    };
    let one = rns(&rn).count() == 1 && class.names(&rn).is_some();
    if one { Ok(join(&rn)) } else { Err(Refusal::relative_name(&rn)) }
}

/// What `status` wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Either,
    Create,
    Modify,
    Delete,
}

impl Wish {
    fn read(mo: &Mo) -> Result<Self, Refusal> {
        match mo.get("status") {
            "" | "created,modified" | "modified,created" => Ok(Self::Either),
            "created" => Ok(Self::Create),
            "modified" => Ok(Self::Modify),
            "deleted" => Ok(Self::Delete),
            other => Err(Refusal::value(&mo.class, "status", other)),
        }
    }
}

struct Transaction<'a> {
    tree: &'a mut Tree,
    undo: Vec<(Arc<str>, Option<Arc<Object>>)>,
    changes: Vec<Change>,
    roles: &'a [String],
    now: Timestamp,
    /// Whether read-only attributes are refused.
    strict: bool,
}

impl Transaction<'_> {
    fn set(&mut self, dn: &Arc<str>, object: Option<Arc<Object>>) {
        let before = self.tree.set(Arc::clone(dn), object);
        self.undo.push((Arc::clone(dn), before));
    }

    fn apply(&mut self, dn: &str, class: &'static Class, mo: &Mo) -> Result<(), Refusal> {
        let wish = Wish::read(mo)?;
        self.refused(dn)?;
        if wish == Wish::Delete {
            return self.delete(dn, class);
        }
        let existing =
            self.tree.objects.get_key_value(dn).map(|(dn, object)| (Arc::clone(dn), Arc::clone(object)));
        match (&existing, wish) {
            (Some(_), Wish::Create) => return Err(Refusal::exists(class.label, class.name, dn)),
            (None, Wish::Modify) => return Err(Refusal::absent(dn)),
            _ => {}
        }
        let names = rns(dn).last().and_then(|rn| class.names(rn)).unwrap_or_default();
        let wanted = self.wanted(dn, class, mo, &names)?;
        match existing {
            Some((dn, object)) => self.modify(&dn, class, &object, wanted)?,
            None => self.create(dn, class, names, wanted)?,
        }
        for child in &mo.children {
            let below = rules().class(&child.class)?;
            let child_dn = child_dn(dn, class, below, child)?;
            self.apply(&child_dn, below, child)?;
        }
        Ok(())
    }

    /// The values that a POST sets, as the APIC keeps them; those of naming properties are looked at only.
    fn wanted(
        &self,
        dn: &str,
        class: &'static Class,
        mo: &Mo,
        names: &[(&'static str, String)],
    ) -> Result<BTreeMap<&'static str, String>, Refusal> {
        let mut wanted = BTreeMap::new();
        for (attribute, value) in &mo.attributes {
            let attribute = attribute.as_ref();
            if ["dn", "rn"].contains(&attribute) || COMMON.contains(&attribute) {
                continue;
            }
            let Some((name, property)) = class.properties.get_key_value(attribute) else {
                return Err(Refusal::attribute(class.name, attribute));
            };
            if property.naming {
                if names.iter().any(|(known, own)| known == name && own != value) {
                    return Err(Refusal::create_only(class.name, name));
                }
            } else if property.kind.is_settable() {
                wanted.insert(*name, property.kind.check(class.name, dn, name, value)?);
            } else if self.strict {
                return Err(Refusal::read_only(class.name, name));
            }
        }
        Ok(wanted)
    }

    fn modify(
        &mut self,
        dn: &Arc<str>,
        class: &'static Class,
        object: &Object,
        wanted: BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        let value = |name: &str| object.values.get(name).map_or_else(|| default(class, name), String::as_str);
        if wanted.iter().all(|(name, wanted)| value(name) == wanted) {
            return Ok(());
        }
        self.writable(dn, class)?;
        let mut changed = object.clone();
        let secured = is_secured(class, &object.values);
        changed.values.extend(wanted);
        changed.modified = self.now;
        if !secured && is_secured(class, &changed.values) {
            changed.deployed = self.now;
            changed.born = self.tree.births;
        }
        self.set(dn, Some(Arc::new(changed)));
        self.changes.push(Change { dn: Arc::clone(dn), class: class.name, what: What::Modified });
        Ok(())
    }

    fn create(
        &mut self,
        dn: &str,
        class: &'static Class,
        names: Vec<(&'static str, String)>,
        wanted: BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        let parent = parent(dn);
        if !parent.is_empty() && !self.tree.has(parent) {
            return Err(Refusal::absent(parent));
        }
        self.writable(dn, class)?;
        for (name, value) in &names {
            if let Some(property) = class.properties.get(name) {
                property.kind.check(class.name, dn, name, value)?;
            }
        }
        let mut values = wanted;
        values.extend(names);
        self.born(dn, class, values)
    }

    /// Puts an object there, with what the APIC gives it.
    fn born(
        &mut self,
        dn: &str,
        class: &'static Class,
        mut values: BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        if self.tree.objects.len() >= self.tree.fabric.max_objects {
            return Err(Refusal::configuration("there are as many objects as the simulation holds"));
        }
        let born = self.tree.births;
        match class.name {
            "fvCtx" => {
                let scope = (2_097_152 + born % 1_000_000).to_string();
                values.insert("seg", scope.clone());
                values.insert("scope", scope);
                values.insert("pcTag", tag(born));
            }
            "l3extInstP" | "vzAny" => {
                values.insert("pcTag", tag(born));
            }
            _ => {}
        }
        let object = Object { class: class.name, values, born, modified: self.now, deployed: self.now };
        let dn: Arc<str> = dn.into();
        self.set(&dn, Some(Arc::new(object)));
        for below in rules().implicit(class) {
            self.born(&format!("{dn}/{}", below.rn(|_| "")), below, BTreeMap::new())?;
        }
        if class.writer == Writer::Roles {
            self.changes.push(Change { dn, class: class.name, what: What::Created });
        }
        Ok(())
    }

    fn delete(&mut self, dn: &str, class: &'static Class) -> Result<(), Refusal> {
        let Some((dn, _)) = self.tree.objects.get_key_value(dn) else { return Ok(()) };
        let dn = Arc::clone(dn);
        if class.writer != Writer::Roles {
            return Err(Refusal::deletion(class.name));
        }
        self.writable(&dn, class)?;
        let below: Vec<_> = self.tree.below(&dn).map(|(dn, _)| Arc::clone(dn)).collect();
        for dn in below.iter().rev().chain([&dn]) {
            self.set(dn, None);
        }
        self.changes.push(Change { dn, class: class.name, what: What::Deleted });
        Ok(())
    }

    fn writable(&self, dn: &str, class: &Class) -> Result<(), Refusal> {
        match class.writer {
            Writer::System => Err(Refusal::creation(class.name)),
            _ if class.writable_by(self.roles) => Ok(()),
            _ => Err(Refusal::role(class.name, dn)),
        }
    }

    /// What tests want refused.
    fn refused(&mut self, dn: &str) -> Result<(), Refusal> {
        let fits = |refuse: &&mut super::tree::Refuse| refuse.times != Some(0) && matches(&refuse.dn, dn);
        let Some(refuse) = self.tree.refuse.iter_mut().find(fits) else { return Ok(()) };
        if let Some(times) = &mut refuse.times {
            *times -= 1;
        }
        Err(refuse.refusal.clone())
    }

    /// What can only be judged once all is in place.
    fn commit(&self) -> Result<(), Refusal> {
        for change in self.changes.iter().filter(|change| change.class == "vnsSvcRedirectPol") {
            let percent = |name| -> u32 {
                self.tree.value(&change.dn, name).and_then(|value| value.parse().ok()).unwrap_or_default()
            };
            if percent("minThresholdPercent") > percent("maxThresholdPercent") {
                let why = format!("minimum threshold above the maximum, {}", change.dn);
                return Err(Refusal::configuration(&why));
            }
        }
        Ok(())
    }
}

fn default(class: &'static Class, property: &str) -> &'static str {
    class.properties.get(property).map_or("", |property| property.default)
}

/// Whether an object has its prefix programmed into leaves.
fn is_secured(class: &Class, values: &BTreeMap<&'static str, String>) -> bool {
    class.name == "l3extSubnet"
        && values.get("scope").is_none_or(|scope| scope.split(',').any(|flag| flag == "import-security"))
}

/// The name of what an object stands in.
fn parent(dn: &str) -> &str {
    rns(dn).last().map_or("", |rn| dn.get(..dn.len() - rn.len()).unwrap_or_default().trim_end_matches('/'))
}

/// Of the VRF's own range.
fn tag(born: u64) -> String {
    (16_386 + born % 49_149).to_string()
}
