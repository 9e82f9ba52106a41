//! The marks by which we know what is ours: nothing without both is ever changed or deleted.
//!
//! The value of our `tagAnnotation` reads `1;OWNER;INSTANCE;NODE,NODE`, and `;more` behind it if there are nodes
//! that do not fit. All but `A-Z a-z 0-9 _ . : / -` is percent-encoded. One mark has one text.

use std::sync::Arc;

use crate::observer::feed::Witness;

/// `annotation` of what we write.
pub const ANNOTATION: &str = "orchestrator:thirdleaf";
/// `key` of our `tagAnnotation`.
pub const KEY: &str = "thirdleaf-owner";
/// `value` of a `tagAnnotation` is no longer (octets).
const LONGEST: usize = 2_048;

/// What a mark begins with: the version of its form.
const VERSION: &str = "1";
/// What a mark ends with that does not hold all nodes.
const MORE: &str = ";more";

/// Our `tagAnnotation`: who keeps an object, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `global.name` of who keeps it.
    pub owner: Arc<str>,
    /// Which process wrote it: two that have one name are told apart by it.
    pub instance: Arc<str>,
    /// The nodes that announce it, sorted.
    pub nodes: Vec<Witness>,
    /// There are more than fit.
    pub more: bool,
}

impl Mark {
    /// A mark as it is read back: its nodes sorted, each once, those that fit.
    pub fn new(owner: Arc<str>, instance: Arc<str>, mut nodes: Vec<Witness>) -> Self {
        nodes.retain(|node| !node.is_empty());
        nodes.sort_unstable();
        nodes.dedup();
        let mut mark = Self { owner, instance, nodes, more: false };
        let fit = Self::decode(&mark.encode()).map_or(0, |read| read.nodes.len());
        mark.more = fit < mark.nodes.len();
        mark.nodes.truncate(fit);
        mark
    }

    /// The value of the `tagAnnotation`, at most 2,048 octets as long as owner and instance are shorter
    /// than that: of the sorted nodes those stand there that fit. Nodes without name are none.
    pub fn encode(&self) -> String {
        let mut nodes: Vec<_> = self.nodes.iter().filter(|node| !node.is_empty()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut text = format!("{VERSION};");
        escape(&self.owner, &mut text);
        text.push(';');
        escape(&self.instance, &mut text);
        text.push(';');
        // Up to here there is still room to say that there are more.
        let mut with_room = text.len();
        let mut more = self.more;
        for (place, node) in nodes.into_iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            escape(node, &mut text);
            if text.len() > if more { LONGEST - MORE.len() } else { LONGEST } {
                more = true;
                break;
            }
            if text.len() <= LONGEST - MORE.len() {
                with_room = text.len();
            }
        }
        if more {
            text.truncate(with_room);
            text.push_str(MORE);
        }
        text
    }

    /// None: it is not ours, or was tampered with. What [`Mark::encode`] would write otherwise is no mark.
    pub fn decode(value: &str) -> Option<Self> {
        Self::decode_with(value, &mut |name| name.into())
    }

    /// The same; names are made by `intern`.
    pub(super) fn decode_with(value: &str, intern: &mut impl FnMut(&str) -> Arc<str>) -> Option<Self> {
        if value.len() > LONGEST {
            return None;
        }
        let mut name = |text: &str| unescape(text).map(|name| intern(&name));
        let mut fields = value.split(';');
        let is_ours = fields.next() == Some(VERSION);
        let (owner, instance, nodes) = (fields.next()?, fields.next()?, fields.next()?);
        let more = fields.next();
        if !is_ours || fields.next().is_some() || more.is_some_and(|more| more != "more") {
            return None;
        }
        let nodes = nodes.split(',').filter(|_| !nodes.is_empty()).map(&mut name).collect::<Option<_>>()?;
        let mark = Self { owner: name(owner)?, instance: name(instance)?, nodes, more: more.is_some() };
        (mark.encode() == value).then_some(mark)
    }
}

const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b':' | b'/' | b'-')
}

fn escape(name: &str, into: &mut String) {
    for octet in name.bytes() {
        if is_plain(octet) {
            into.push(octet.into());
        } else {
            let digit =
                |value: u8| char::from_digit(value.into(), 16).map(|digit| digit.to_ascii_uppercase());
            into.push('%');
            into.extend(digit(octet >> 4).into_iter().chain(digit(octet & 15)));
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut octets = text.bytes();
    let mut name = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        let digit = |octet: Option<u8>| u8::try_from(char::from(octet?).to_digit(16)?).ok();
        name.push(match octet {
            b'%' => digit(octets.next())? << 4 | digit(octets.next())?,
            octet => octet,
        });
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn mark(owner: &str, nodes: &[&str]) -> Mark {
        let nodes = nodes.iter().map(|node| Arc::from(*node)).collect();
        Mark { owner: owner.into(), instance: "3f1c".into(), nodes, more: false }
    }

    #[test]
    fn a_mark_reads_well() {
        for (mark, text) in [
            (mark("prod", &[]), "1;prod;3f1c;"),
            (mark("prod", &["a"]), "1;prod;3f1c;a"),
            (mark("prod", &["b/n1", "2001:db8::1", "a"]), "1;prod;3f1c;2001:db8::1,a,b/n1"),
            (mark("a;b,c<d>%", &["ü"]), "1;a%3Bb%2Cc%3Cd%3E%25;3f1c;%C3%BC"),
            (Mark { more: true, ..mark("prod", &["a"]) }, "1;prod;3f1c;a;more"),
            (Mark { more: true, ..mark("prod", &[]) }, "1;prod;3f1c;;more"),
            (mark("prod", &["a", "", "a"]), "1;prod;3f1c;a"),
        ] {
            assert_eq!(mark.encode(), text);
        }
    }

    #[test]
    fn what_we_would_not_write_is_no_mark() {
        let long = format!("1;prod;3f1c;{}", "a".repeat(LONGEST));
        for text in [
            "",
            "1",
            "1;prod",
            "1;prod;3f1c",
            "2;prod;3f1c;a",
            "1;prod;3f1c;a;less",
            "1;prod;3f1c;a;more;more",
            "1;prod;3f1c;a;",
            "1;prod;3f1c;b,a",
            "1;prod;3f1c;a,a",
            "1;prod;3f1c;a,,b",
            "1;prod;3f1c;,",
            "1;prod;3f1c;%41",
            "1;prod;3f1c;%c3%bc",
            "1;prod;3f1c;%FF",
            "1;prod;3f1c;%",
            "1;prod;3f1c;%4",
            "1;prod;3f1c;%+1",
            "1;prod;3f1c;a b",
            " 1;prod;3f1c;a",
            "someone else's",
            &long,
        ] {
            assert_eq!(Mark::decode(text), None, "{text}");
        }
    }

    #[test]
    fn as_many_nodes_stand_there_as_fit() {
        let nodes: Vec<_> = (0..400).map(|node| format!("node-{node:03}")).collect();
        let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
        let text = mark("prod", &nodes).encode();
        // "1;prod;3f1c;" and ";more" leave 2,031 octets: 225 nodes of 8 with a comma between.
        let known = Mark::decode(&text).unwrap();
        assert_eq!((known.nodes.len(), known.more), (225, true));
        assert!(known.nodes.iter().map(|node| &**node).eq(nodes[..225].iter().copied()));
        // Exactly full, and no word of more.
        let fit = LONGEST - "1;prod;3f1c;".len();
        let full = mark("prod", &[&"a".repeat(fit)]).encode();
        assert_eq!((full.len(), Mark::decode(&full).unwrap().more), (LONGEST, false));
        let over = mark("prod", &[&"a".repeat(fit + 1)]).encode();
        assert_eq!(over, "1;prod;3f1c;;more");
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9./:-]{1,30}", "\\PC{1,8}", "[;,%<>a]{1,4}"]
    }

    proptest! {
        #[test]
        fn leads_there_and_back(
            owner in name(), instance in name(), nodes in vec(name(), 0..150), more: bool, seed: u64,
        ) {
            let nodes: Vec<Witness> = nodes.into_iter().map(Arc::from).collect();
            let mark = Mark { owner: owner.into(), instance: instance.into(), nodes, more };
            let text = mark.encode();
            prop_assert!(text.len() <= LONGEST);
            prop_assert!(text.bytes().all(|octet| is_plain(octet) || b"%;,".contains(&octet)));
            let known = Mark::decode(&text).unwrap();
            prop_assert_eq!((&known.owner, &known.instance), (&mark.owner, &mark.instance));
            let mut sorted = mark.nodes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(&known.nodes[..], &sorted[..known.nodes.len()]);
            prop_assert_eq!(known.more, more || known.nodes.len() < sorted.len());
            prop_assert_eq!(known.encode(), &text[..]);
            if !more {
                let (owner, instance) = (Arc::clone(&mark.owner), Arc::clone(&mark.instance));
                prop_assert_eq!(Mark::new(owner, instance, mark.nodes.clone()), known);
            }
            // The same nodes in another order.
            let mut other = mark;
            let middle = usize::try_from(seed % 151).unwrap().min(other.nodes.len());
            other.nodes.rotate_left(middle);
            prop_assert_eq!(other.encode(), text);
        }

        #[test]
        fn every_text_is_one_mark_or_none(text in "(1;)?[a-c%;,A-F0-9]{0,24}(;more)?|\\PC{0,40}") {
            if let Some(mark) = Mark::decode(&text) {
                prop_assert_eq!(mark.encode(), text);
            }
        }
    }
}
