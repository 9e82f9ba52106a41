//! Reads the body of a POST as the APIC does: order counts, and all values are text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::refusal::Refusal;
use crate::eepg::Mo;

const MISSING: &str =
    "Attributes are missing, tag 'attributes' must be specified first, before any other tag";

/// The object that a POST carries.
///
/// # Errors
/// JSON that is none; `children` before `attributes`; values that are not text.
pub(super) fn read(body: &[u8]) -> Result<Mo, Refusal> {
    serde_json::from_slice::<Strict>(body).map(|strict| strict.0).map_err(|error| {
        let (line, text) = (error.line(), error.to_string());
        if text.starts_with(MISSING) {
            return Refusal::request(format!("invalid data at line '{line}'. {MISSING}"));
        }
        Refusal::request(format!("JSON parsing failed - incomplete attribute value at line: {line}"))
    })
}

struct Strict(Mo);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneClass)
    }
}

struct OneClass;

impl<'de> Visitor<'de> for OneClass {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with its class as the only key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let Some((class, content)) = map.next_entry::<String, Content>()? else {
            return Err(A::Error::custom("an object without class"));
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("more than one class"));
        }
        let children = content.children.into_iter().map(|child| child.0).collect();
        Ok(Strict(Mo { class: class.into(), attributes: content.attributes, children }))
    }
}

#[derive(Default)]
struct Content {
    attributes: BTreeMap<Cow<'static, str>, String>,
    children: Vec<Strict>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes, then children")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        if map.next_key::<String>()?.as_deref() != Some("attributes") {
            return Err(A::Error::custom(MISSING));
        }
        let attributes = map.next_value()?;
        let mut children = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != "children" {
                return Err(A::Error::custom("neither attributes nor children"));
            }
            children.extend(map.next_value::<Children>()?.0);
        }
        Ok(Content { attributes, children })
    }
}

/// A list of objects.
struct Children(Vec<Strict>);

impl<'de> Deserialize<'de> for Children {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Children;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Children, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = list.next_element()? {
            children.push(child);
        }
        Ok(Children(children))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts() {
        let mo = read(
            br#"{"l3extOut":{"attributes":{"name":"o"},"children":[{"l3extInstP":{"attributes":{}}}]}}"#,
        );
        assert_eq!(mo.unwrap().children.len(), 1);
        for body in [
            &br#"{"l3extOut":{"children":[],"attributes":{"name":"o"}}}"#[..],
            br#"{"l3extOut":{}}"#,
            br#"{"l3extOut":{"attributes":{},"children":[{"l3extInstP":{"children":[]}}]}}"#,
        ] {
            let refusal = read(body).unwrap_err();
            assert_eq!((refusal.status, refusal.code), (400, 400));
            assert_eq!(refusal.text, format!("invalid data at line '1'. {MISSING}"));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = [r#"{"fvTenant":{"attributes":{},"children":["#].repeat(200).concat();
        for body in
            ["", "{", "[]", r#"{"fvTenant":{"attributes":{"name":1}}}"#, &deep, "{\"a\":{\"attributes\":\n"]
        {
            let refusal = read(body.as_bytes()).unwrap_err();
            assert!(refusal.text.starts_with("JSON parsing failed - incomplete attribute value at line: "));
        }
    }
}
