//! Filters of queries: `and(eq(l3extSubnet.scope,"import-security"),wcard(l3extSubnet.dn,"tn-k8s"))`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::refusal::Refusal;
use super::rules::{COMMON, rules};

/// Which objects a query wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Constant(bool),
    And(Vec<Self>),
    Or(Vec<Self>),
    Xor(Vec<Self>),
    Not(Box<Self>),
    Test { property: Reference, test: Test },
}

/// `CLASS.PROPERTY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) class: String,
    pub(super) property: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal(String),
    NotEqual(String),
    Less(String),
    Greater(String),
    AtMost(String),
    AtLeast(String),
    Between(String, String),
    Wildcard(String),
    AnyBit(String),
    AllBits(String),
}

/// How deep filters may nest.
const MAX_DEPTH: usize = 32;

impl Reference {
    /// # Errors
    /// A class or a property that there is not.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let (name, property) = text.trim().split_once('.').ok_or_else(|| {
            Refusal::request(format!("Invalid filter: {text} names no property of a class"))
        })?;
        let class = rules().class(name)?;
        let known = class.properties.contains_key(property)
            || COMMON.contains(&property)
            || ["dn", "rn"].contains(&property);
        let reference = Self { class: name.to_owned(), property: property.to_owned() };
        known.then_some(reference).ok_or_else(|| Refusal::property(name, property))
    }
}

impl Filter {
    /// # Errors
    /// What is no filter, or names a class or a property that there is not.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let mut reader = Reader { rest: text.trim(), depth: 0 };
        let filter = reader.filter()?;
        if reader.rest.trim().is_empty() { Ok(filter) } else { Err(reader.wrong()) }
    }

    /// Whether an object is wanted: `value` gives its properties, none of those that it has not.
    pub(super) fn wants<'a>(&self, class: &str, value: &impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::And(all) => all.iter().all(|filter| filter.wants(class, value)),
            Self::Or(any) => any.iter().any(|filter| filter.wants(class, value)),
            Self::Xor(odd) => odd.iter().filter(|filter| filter.wants(class, value)).count() % 2 == 1,
            Self::Not(filter) => !filter.wants(class, value),
            Self::Test { property, test } => {
                property.class == class && value(&property.property).is_some_and(|value| test.holds(&value))
            }
        }
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        let bits = |bits: &str| -> Vec<String> { bits.split(',').map(|bit| bit.trim().to_owned()).collect() };
        match self {
            Self::Equal(other) => value == other,
            Self::NotEqual(other) => value != other,
            Self::Less(other) => compare(value, other) == Ordering::Less,
            Self::Greater(other) => compare(value, other) == Ordering::Greater,
            Self::AtMost(other) => compare(value, other) != Ordering::Greater,
            Self::AtLeast(other) => compare(value, other) != Ordering::Less,
            Self::Between(low, high) => {
                compare(value, low) != Ordering::Less && compare(value, high) != Ordering::Greater
            }
            Self::Wildcard(pattern) => matches(pattern, value),
            Self::AnyBit(wanted) => bits(wanted).iter().any(|bit| value.split(',').any(|own| own == bit)),
            Self::AllBits(wanted) => bits(wanted).iter().all(|bit| value.split(',').any(|own| own == bit)),
        }
    }
}

/// Numbers as numbers, all else as text.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

/// A pattern is searched for; `.*` stands for anything, `^` and `$` for the ends.
pub(super) fn matches(pattern: &str, value: &str) -> bool {
    let (start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let (end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
    let plain = pattern.replace('\\', "");
    let pieces: Vec<_> = plain.split(".*").collect();
    let mut rest = value;
    for (number, piece) in pieces.iter().enumerate() {
        let (first, last) = (number == 0, number + 1 == pieces.len());
        if first && start {
            let Some(after) = rest.strip_prefix(piece) else { return false };
            rest = after;
            if last && end && !rest.is_empty() {
                return false;
            }
        } else if last && end {
            return rest.ends_with(piece);
        } else {
            let Some((_, after)) = rest.split_once(piece) else { return false };
            rest = after;
        }
    }
    true
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> Refusal {
        let near: String = self.rest.chars().take(40).collect();
        Refusal::request(format!("Invalid filter near '{near}'"))
    }

    fn take(&mut self, letter: char) -> Result<(), Refusal> {
        self.rest = self.rest.trim_start().strip_prefix(letter).ok_or_else(|| self.wrong())?;
        Ok(())
    }

    fn takes(&mut self, letter: char) -> bool {
        self.take(letter).is_ok()
    }

    fn filter(&mut self) -> Result<Filter, Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong());
        }
        let (name, after) = self.rest.split_once('(').ok_or_else(|| self.wrong())?;
        let name = name.trim();
        let filter = match name {
            "true" | "false" => {
                self.rest = after;
                Filter::Constant(name == "true")
            }
            "and" | "or" | "xor" | "not" => {
                self.rest = after;
                self.combined(name)?
            }
            _ => {
                let test = test(name).ok_or_else(|| self.wrong())?;
                self.rest = after;
                self.test(test)?
            }
        };
        self.take(')')?;
        self.depth -= 1;
        Ok(filter)
    }

    fn combined(&mut self, name: &str) -> Result<Filter, Refusal> {
        let mut filters = vec![self.filter()?];
        while self.takes(',') {
            filters.push(self.filter()?);
        }
        match name {
            "and" => Ok(Filter::And(filters)),
            "or" => Ok(Filter::Or(filters)),
            "xor" => Ok(Filter::Xor(filters)),
            _ if filters.len() > 1 => Err(self.wrong()),
            _ => filters.pop().map(|filter| Filter::Not(Box::new(filter))).ok_or_else(|| self.wrong()),
        }
    }

    fn test(&mut self, make: fn(String, String) -> Test) -> Result<Filter, Refusal> {
        let (name, after) = self.rest.split_once(',').ok_or_else(|| self.wrong())?;
        let property = Reference::read(name)?;
        self.rest = after;
        let first = self.value()?;
        let second = if self.takes(',') { self.value()? } else { String::new() };
        Ok(Filter::Test { property, test: make(first, second) })
    }

    fn value(&mut self) -> Result<String, Refusal> {
        let rest = self.rest.trim_start();
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"').ok_or_else(|| self.wrong())?
        } else {
            rest.split_at_checked(rest.find([',', ')']).ok_or_else(|| self.wrong())?)
                .ok_or_else(|| self.wrong())?
        };
        let value = value.to_owned();
        self.rest = after;
        Ok(value)
    }
}

fn test(name: &str) -> Option<fn(String, String) -> Test> {
    Some(match name {
        "eq" => |value, _| Test::Equal(value),
        "ne" => |value, _| Test::NotEqual(value),
        "lt" => |value, _| Test::Less(value),
        "gt" => |value, _| Test::Greater(value),
        "le" => |value, _| Test::AtMost(value),
        "ge" => |value, _| Test::AtLeast(value),
        "bw" => Test::Between,
        "wcard" => |value, _| Test::Wildcard(value),
        "anybit" => |value, _| Test::AnyBit(value),
        "allbit" | "allbits" => |value, _| Test::AllBits(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(filter: &str) -> bool {
        let value = |name: &str| match name {
            "dn" => Some(Cow::Borrowed("uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7/32]")),
            "scope" => Some(Cow::Borrowed("import-security,shared-security")),
            "ip" => Some(Cow::Borrowed("10.96.7.7/32")),
            "name" => Some(Cow::Borrowed("9")),
            _ => None,
        };
        Filter::read(filter).unwrap().wants("l3extSubnet", &value)
    }

    #[test]
    fn every_operator_answers() {
        for (filter, wanted) in [
            (r#"eq(l3extSubnet.ip,"10.96.7.7/32")"#, true),
            (r#"eq(l3extSubnet.ip,"10.96.7.7")"#, false),
            (r#"ne(l3extSubnet.ip,"10.96.7.7/32")"#, false),
            (r#"lt(l3extSubnet.name,"10")"#, true),
            (r#"gt(l3extSubnet.name,"10")"#, false),
            (r#"le(l3extSubnet.name,"9")"#, true),
            (r#"ge(l3extSubnet.name,"9")"#, true),
            (r#"bw(l3extSubnet.name,"3","9")"#, true),
            (r#"bw(l3extSubnet.name,"3","8")"#, false),
            (r#"wcard(l3extSubnet.dn,"uni/tn-k8s/out-calico/")"#, true),
            (r#"wcard(l3extSubnet.dn,"tn-k8s/.*/extsubnet")"#, true),
            (r#"wcard(l3extSubnet.dn,"^uni/.*32]$")"#, true),
            (r#"wcard(l3extSubnet.dn,"^tn-k8s")"#, false),
            (r#"anybit(l3extSubnet.scope,"export-rtctrl,shared-security")"#, true),
            (r#"allbits(l3extSubnet.scope,"export-rtctrl,shared-security")"#, false),
            (r#"allbit(l3extSubnet.scope,"shared-security,import-security")"#, true),
            (r#"and(true(),eq(l3extSubnet.name,"9"))"#, true),
            (r#"and(false(),eq(l3extSubnet.name,"9"))"#, false),
            (r"or(false(),eq(l3extSubnet.name,9))", true),
            (r"xor(true(),true(),true())", true),
            (r"xor(true(),true())", false),
            (r"not(true())", false),
            (r#"eq(l3extInstP.name,"9")"#, false),
        ] {
            assert_eq!(wants(filter), wanted, "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = ["not("].repeat(100).concat();
        for (filter, code) in [
            ("", 400),
            ("eq(", 400),
            ("eq(l3extSubnet.ip)", 400),
            (r#"eq(l3extSubnet.ip,"10"#, 400),
            (r#"eq(ip,"10")"#, 400),
            (r#"like(l3extSubnet.ip,"10")"#, 400),
            ("true()true()", 400),
            ("not(true(),false())", 400),
            (&deep, 400),
            (r#"eq(l3extSubnets.ip,"10")"#, 122),
            (r#"eq(l3extSubnet.address,"10")"#, 121),
        ] {
            assert_eq!(Filter::read(filter).unwrap_err().code, code, "{filter}");
        }
    }
}
