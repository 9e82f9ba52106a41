//! The query of a section: what is asked for, as it stands in the address.

use super::words::link;
use crate::web::params::Params;
use crate::web::problem::Problem;

/// Parameters by name; none is empty, as a field of a form may be that was left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn new(params: Params) -> Self {
        let filled = params.rest().into_iter().filter(|(_, value)| !value.trim().is_empty());
        Self(filled.map(|(name, value)| (name, value.trim().to_owned())).collect())
    }

    /// Those of one section among those of the whole page, where they are called `section.name`.
    pub(super) fn of(&self, section: &str) -> Self {
        let named = self.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(section)?.strip_prefix('.')?;
            Some((name.to_owned(), value.clone()))
        });
        Self(named.collect())
    }

    /// The first that is of no section.
    pub(super) fn stranger(&self, sections: &[&str]) -> Option<&str> {
        let of = |name: &str| name.split_once('.').is_some_and(|(section, _)| sections.contains(&section));
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| !of(name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// No other parameters are understood.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::bad_request(format!("unknown parameter {name:?}"))),
            None => Ok(()),
        }
    }

    /// What must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::bad_request(format!("parameter {name:?} is missing")))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with another value of `name`; `None`: without it.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let others = self.0.iter().filter(|(given, _)| given != name).cloned();
        Self(others.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect())
    }

    /// As a relative address.
    pub(super) fn link(&self, path: &str) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| (name.as_str(), value)).collect();
        link(path, &pairs)
    }

    pub(super) fn params(&self) -> Params {
        Params::of(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Query::new(Params::of(owned.collect()))
    }

    #[test]
    fn sections_have_their_own() {
        let all =
            query(&[("routes.prefix", " 10.0.0.0/8 "), ("timeline.kind", "reload"), ("routes.node", " ")]);
        assert_eq!(all.of("routes"), query(&[("prefix", "10.0.0.0/8")]));
        assert_eq!(all.stranger(&["routes", "timeline"]), None);
        assert_eq!(all.stranger(&["routes"]), Some("timeline.kind"));
        assert_eq!(query(&[("x", "1")]).stranger(&["x"]), Some("x"));
    }

    #[test]
    fn a_place_is_an_address() {
        let first = query(&[("node", "a b"), ("cursor", "1")]);
        assert_eq!(first.link("routes"), "routes?node=a%20b&cursor=1");
        assert_eq!(first.with("cursor", None).link("routes"), "routes?node=a%20b");
        assert_eq!(first.with("cursor", Some("2")).get("cursor"), Some("2"));
        assert!(first.need("prefix").is_err());
    }
}
