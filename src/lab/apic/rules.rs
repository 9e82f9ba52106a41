//! The classes of objects: where they stand, what they are called, what they hold (`classes.txt`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::refusal::Refusal;
use super::value::Type;
use crate::eepg::dn::rns;

/// All classes.
pub(super) struct Rules {
    classes: BTreeMap<&'static str, Class>,
    /// Names of the classes that may stand below a class.
    below: BTreeMap<&'static str, Vec<&'static str>>,
}

/// Who may write objects of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Who has one of the roles.
    Roles,
    /// Who has one of the roles; it is there as soon as its parent is, and stays.
    Implicit,
    /// The APIC.
    System,
}

pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    rn: Vec<Piece>,
    parents: Vec<&'static str>,
    pub(super) roles: Vec<&'static str>,
    pub(super) writer: Writer,
    pub(super) properties: BTreeMap<&'static str, Property>,
}

pub(super) struct Property {
    pub(super) kind: Type,
    pub(super) default: &'static str,
    pub(super) naming: bool,
}

enum Piece {
    Text(&'static str),
    Property(&'static str),
}

/// Attributes of every object that the APIC keeps; a POST may repeat them, and they are not heeded.
pub(super) const COMMON: [&str; 7] =
    ["childAction", "extMngdBy", "lcOwn", "modTs", "monPolDn", "status", "uid"];

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::read(include_str!("classes.txt")));

/// The rules.
pub(super) fn rules() -> &'static Rules {
    &RULES
}

impl Rules {
    fn read(text: &'static str) -> Self {
        let mut classes: BTreeMap<&'static str, Class> = BTreeMap::new();
        let mut last = "";
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            if line.starts_with(' ') {
                if let (Some((name, property)), Some(class)) = (property(line), classes.get_mut(last)) {
                    let naming = class.is_named_by(name);
                    class.properties.insert(name, Property { naming, ..property });
                }
            } else {
                let class = class(line);
                last = class.name;
                classes.insert(last, class);
            }
        }
        let mut below: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
        for class in classes.values() {
            for parent in class.parents.iter().copied() {
                below.entry(parent).or_default().push(class.name);
            }
        }
        Self { classes, below }
    }

    pub(super) fn class(&self, name: &str) -> Result<&Class, Refusal> {
        self.classes.get(name).ok_or_else(|| Refusal::class(name))
    }

    /// The class that is called `rn` below `parent`.
    fn child(&self, parent: &Class, rn: &str) -> Option<&Class> {
        let own = self.below.get(parent.name).into_iter().flatten();
        let any = self.below.get("*").into_iter().flatten();
        own.chain(any)
            .filter_map(|name| self.classes.get(name))
            .find(|class| parent.takes(class) && class.names(rn).is_some())
    }

    /// The classes along a distinguished name, from below the root.
    ///
    /// # Errors
    /// A relative name that there is not at that place.
    pub(super) fn path(&self, dn: &str) -> Result<Vec<&Class>, Refusal> {
        let mut path: Vec<&Class> = Vec::new();
        let root = self.class("topRoot")?;
        if rns(dn).count() > MAX_DEPTH {
            return Err(Refusal::request("Invalid DN: too long"));
        }
        for rn in rns(dn) {
            let parent = path.last().copied().unwrap_or(root);
            path.push(self.child(parent, rn).ok_or_else(|| Refusal::relative_name(rn))?);
        }
        Ok(path)
    }

    /// The class of the object that has this name, there or not; that of the root, if the name is empty.
    pub(super) fn class_of(&self, dn: &str) -> Result<&Class, Refusal> {
        self.path(dn)?.pop().map_or_else(|| self.class("topRoot"), Ok)
    }

    /// The classes that come with an object of `class`.
    pub(super) fn implicit(&self, class: &Class) -> impl Iterator<Item = &Class> {
        let below = self.below.get(class.name).into_iter().flatten();
        below
            .filter_map(|name| self.classes.get(name))
            .filter(|class| class.writer == Writer::Implicit && class.rn.len() == 1)
    }
}

/// How deep an object may stand.
const MAX_DEPTH: usize = 32;

fn class(line: &'static str) -> Class {
    let mut fields = line.split('|').map(str::trim);
    let mut next = || fields.next().unwrap_or_default();
    let (name, rn, label, parents, roles, mixin) = (next(), next(), next(), next(), next(), next());
    let writer = match roles {
        "system" => Writer::System,
        "implicit" => Writer::Implicit,
        _ => Writer::Roles,
    };
    let marked = ["    annotation: mark 0..128", "    userdom: mark 0..1024 = all"];
    let described = ["    descr: text 0..128", "    nameAlias: name 0..63"];
    let owned = ["    ownerKey: any 0..128", "    ownerTag: any 0..64"];
    let mixed: &[&'static str] = match mixin {
        "marked" => &marked,
        "described" => &[marked[0], marked[1], described[0], described[1]],
        "policy" => &[marked[0], marked[1], described[0], described[1], owned[0], owned[1]],
        _ => &[],
    };
    Class {
        name,
        label,
        rn: pieces(rn),
        parents: parents.split(',').filter(|parent| !parent.is_empty()).collect(),
        roles: roles.split(',').filter(|_| writer == Writer::Roles).collect(),
        writer,
        properties: mixed.iter().filter_map(|line| property(line)).collect(),
    }
}

fn pieces(rn: &'static str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in rn.split_inclusive('}').filter(|part| !part.is_empty()) {
        let (text, property) = part.split_once('{').unwrap_or((part, ""));
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if !property.is_empty() {
            pieces.push(Piece::Property(property.trim_end_matches('}')));
        }
    }
    pieces
}

fn property(line: &'static str) -> Option<(&'static str, Property)> {
    let (name, rest) = line.trim().split_once(": ")?;
    let (kind, default) = rest.split_once(" = ").unwrap_or((rest, ""));
    Some((name, Property { kind: Type::read(kind)?, default, naming: false }))
}

impl Class {
    fn is_named_by(&self, property: &str) -> bool {
        self.rn.iter().any(|piece| matches!(piece, Piece::Property(name) if *name == property))
    }

    /// Whether an object of `child` may stand below one of this class.
    pub(super) fn takes(&self, child: &Self) -> bool {
        child.parents.iter().any(|parent| match *parent {
            // What the APIC keeps is annotated by nobody, and annotations have no annotations.
            "*" if child.writer == Writer::Roles => {
                self.writer != Writer::System && !self.name.starts_with("tag")
            }
            "*" => true,
            parent => parent == self.name,
        })
    }

    /// The values of the naming properties in a relative name.
    pub(super) fn names(&self, rn: &str) -> Option<Vec<(&'static str, String)>> {
        let (mut rest, mut values) = (rn, Vec::new());
        let mut pieces = self.rn.iter().peekable();
        let mut bracketed = false;
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Text(text) => {
                    rest = rest.strip_prefix(text)?;
                    bracketed = text.ends_with('[');
                }
                Piece::Property(name) => {
                    let end = match pieces.peek() {
                        _ if bracketed => closing(rest)?,
                        Some(Piece::Text(text)) => rest.find(text)?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at_checked(end)?;
                    values.push((*name, value.to_owned()));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values).filter(|values| values.iter().all(|(_, value)| !value.is_empty()))
    }

    /// The relative name of an object with these values.
    pub(super) fn rn<'a>(&self, value: impl Fn(&str) -> &'a str) -> String {
        self.rn
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => *text,
                Piece::Property(name) => value(name),
            })
            .collect()
    }

    /// Whether one who has these roles may write it.
    pub(super) fn writable_by(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| role == "admin" || self.roles.contains(&role.as_str()))
    }
}

/// Where the bracket closes that is open at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    text.char_indices().find_map(|(place, letter)| {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_understood() {
        let lines = || include_str!("classes.txt").lines().filter(|line| !line.starts_with('#'));
        let classes = lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
        assert_eq!(classes.count(), rules().classes.len());
        for line in lines().filter(|line| line.starts_with(' ')) {
            let (_, property) = property(line).unwrap_or_else(|| panic!("{line}"));
            let settable = property.kind.check("c", "dn", "p", property.default);
            assert!(settable.is_ok() || property.default.is_empty(), "{line}: {settable:?}");
        }
        for class in rules().classes.values() {
            for parent in class.parents.iter().filter(|parent| **parent != "*") {
                assert!(rules().classes.contains_key(parent), "{} below {parent}", class.name);
            }
            for piece in &class.rn {
                if let Piece::Property(name) = piece {
                    assert!(class.properties.contains_key(name), "{} is named by {name}", class.name);
                }
            }
        }
    }

    #[test]
    fn names_lead_to_classes_whatever_is_in_brackets() {
        let path = |dn: &str| -> Result<Vec<_>, _> {
            rules().path(dn).map(|path| path.into_iter().map(|class| class.name).collect())
        };
        assert_eq!(
            path("uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7/32]/annotationKey-[a]").unwrap(),
            ["polUni", "fvTenant", "l3extOut", "l3extInstP", "l3extSubnet", "tagAnnotation"]
        );
        assert_eq!(path("uni/tn-t/prof-[x]/ctx-c").unwrap().last(), Some(&"rtctrlCtxP"));
        for (dn, rn) in [
            ("uni/tn-t/instP-web", "instP-web"),
            ("uni/tn-", "tn-"),
            ("uni/tn-t/out-o/instP-e/extsubnet-[10.0.0.0/8", "extsubnet-[10.0.0.0/8"),
            ("uni/tn-t/annotationKey-[a]/annotationKey-[b]", "annotationKey-[b]"),
        ] {
            assert_eq!(path(dn).unwrap_err().text, format!("Invalid RN {rn}"), "{dn}");
        }
    }

    #[test]
    fn a_relative_name_is_read_as_it_is_written() {
        for (class, rn) in [
            ("l3extRsInstPToProfile", "rsinstPToProfile-[default-import]-import"),
            ("l3extRsPathL3OutAtt", "rspathL3OutAtt-[topology/pod-1/paths-101/pathep-[eth1/1]]"),
            ("vnsRedirectDest", "RedirectDest_ip-[fd00::1]"),
            ("l3extRsEctx", "rsectx"),
        ] {
            let class = rules().class(class).unwrap();
            let names = class.names(rn).unwrap();
            let value =
                |name: &str| names.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
            assert_eq!(class.rn(value), rn);
        }
    }
}
