//! Parameters of a request, read strictly: what is not understood is an error, never ignored.

use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use ipnet::IpNet;

use super::problem::Problem;
use crate::time::{Timestamp, When};

/// Items of a page, unless the request says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// Items of a page at most.
const MAX_LIMIT: usize = 1000;

/// The parameters that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(pairs)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

impl Params {
    /// Those of a form or a link that is ours.
    pub(super) const fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// All that nobody has taken yet, by name.
    pub(super) fn rest(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether `name` was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The value of `name`, if it was given; once is enough.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.0.extract_if(.., |(given, _)| given == name).map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(Problem::bad_request(format!("parameter {name:?} is given more than once")));
        }
        Ok(value)
    }

    /// The value of `name`, which must read as `what`.
    pub(super) fn parse<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| bad(name, &value, what))
    }

    /// The value of `name`, one of `names`.
    pub(super) fn one_of<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        names: &[&str],
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| bad(name, &value, &format!("one of {}", names.join(", "))))
    }

    pub(super) fn prefix(&mut self, name: &str) -> Result<Option<IpNet>, Problem> {
        Ok(self.parse(name, "a prefix, like 10.244.0.0/26")?.map(|prefix: IpNet| prefix.trunc()))
    }

    pub(super) fn address(&mut self, name: &str) -> Result<Option<IpAddr>, Problem> {
        self.parse(name, "an IP address")
    }

    /// A time, as people say it.
    pub(super) fn time(&mut self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let when = value.parse::<When>().map(|when| Some(when.from(now)));
        when.map_err(|error| Problem::bad_request(format!("parameter {name:?}: {value:?} is {error}")))
    }

    /// How many items a page may have.
    pub(super) fn limit(&mut self) -> Result<usize, Problem> {
        let what = format!("a number from 1 to {MAX_LIMIT}");
        match self.parse("limit", &what)? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(limit) => Err(bad("limit", &limit.to_string(), &what)),
        }
    }

    /// No parameter may be left.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::bad_request(format!("unknown parameter {name:?}"))),
        }
    }
}

fn bad(name: &str, value: &str, what: &str) -> Problem {
    Problem::bad_request(format!("parameter {name:?}: {value:?} is not {what}"))
}
