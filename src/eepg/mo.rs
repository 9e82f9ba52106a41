//! Managed objects as the APIC writes them in JSON: `{CLASS: {"attributes": {...}, "children": [...]}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// A managed object: read, or to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mo {
    /// Its class, as in `l3extSubnet`.
    pub class: Cow<'static, str>,
    /// All values are text.
    pub attributes: BTreeMap<Cow<'static, str>, String>,
    /// What it contains.
    pub children: Vec<Mo>,
}

impl Mo {
    /// One without attributes and children.
    pub fn new(class: &'static str) -> Self {
        Self { class: Cow::Borrowed(class), ..Self::default() }
    }

    /// With this attribute besides.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Into<String>) -> Self {
        self.attributes.insert(Cow::Borrowed(attribute), value.into());
        self
    }

    /// With this child besides.
    #[must_use]
    pub fn holding(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The same with no other attributes than these, nor its children.
    #[must_use]
    pub fn only(mut self, attributes: &[&str]) -> Self {
        self.attributes.retain(|name, _| attributes.contains(&&**name));
        self.children = self.children.into_iter().map(|child| child.only(attributes)).collect();
        self
    }

    /// The value of an attribute; empty, if it has none.
    pub fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }

    /// Where it stands; empty, if that was not said.
    pub fn dn(&self) -> &str {
        self.get("dn")
    }

    /// Its children of a class.
    pub fn of_class<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.class == class)
    }
}

/// As the APIC reads it.
impl fmt::Display for Mo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// The APIC takes `attributes` before `children` alone.
#[derive(Serialize)]
struct Content<'a> {
    attributes: &'a BTreeMap<Cow<'static, str>, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    children: &'a [Mo],
}

impl Serialize for Mo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(
            &self.class,
            &Content { attributes: &self.attributes, children: &self.children },
        )?;
        map.end()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Found {
    attributes: BTreeMap<String, String>,
    children: Vec<Mo>,
}

impl<'de> Deserialize<'de> for Mo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneClass)
    }
}

struct OneClass;

impl<'de> Visitor<'de> for OneClass {
    type Value = Mo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with its class as the only key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mo, A::Error> {
        let Some((class, found)) = map.next_entry::<String, Found>()? else {
            return Err(A::Error::custom("an object without class"));
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(format!("more than one class, after {class}")));
        }
        let attributes = found.attributes.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Ok(Mo { class: class.into(), attributes, children: found.children })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stand_before_children_and_are_always_there() {
        let mo = Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("name", "web"));
        let text =
            r#"{"l3extOut":{"attributes":{},"children":[{"l3extInstP":{"attributes":{"name":"web"}}}]}}"#;
        assert_eq!(mo.to_string(), text);
        assert_eq!(serde_json::from_str::<Mo>(text).unwrap(), mo);
    }

    #[test]
    fn what_has_two_classes_or_none_is_no_object() {
        for text in ["{}", r#"{"fvTenant":{},"fvCtx":{}}"#, r#"{"fvTenant":{"attributes":{"name":1}}}"#] {
            assert!(serde_json::from_str::<Mo>(text).is_err(), "{text}");
        }
    }
}
