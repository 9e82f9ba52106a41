//! Which keys of prefixes a question is about.

use ipnet::IpNet;

use crate::journal::prefix;
use crate::observer::Match;

/// Keys from the first to the last, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
}

impl Range {
    fn one(key: Vec<u8>) -> Self {
        Self { first: key.clone(), last: key }
    }
}

/// All keys that are meant, in order.
pub(super) fn ranges(wanted: Option<IpNet>, matching: Match) -> Vec<Range> {
    let Some(wanted) = wanted else {
        // No family is 255.
        return vec![Range { first: Vec::new(), last: vec![u8::MAX] }];
    };
    match matching {
        Match::Exact => vec![Range::one(prefix::key(&wanted))],
        Match::Longer => {
            let (first, last) = prefix::within(&wanted);
            vec![Range { first, last }]
        }
        Match::Covering => prefix::covering(&wanted).map(Range::one).collect(),
    }
}
