//! What is told of one finding.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{name, sign};
use crate::observer::view::Finding;
use crate::time::Timestamp;

/// What an alert is known by.
pub(super) type Labels = BTreeMap<Cow<'static, str>, String>;
/// What is said of it.
pub(super) type Annotations = BTreeMap<&'static str, String>;

/// Characters of a label's value: what is longer is cut, and is still known by what is left.
const LONGEST_LABEL: usize = 120;
/// Characters of an annotation.
const LONGEST_TEXT: usize = 2_000;

/// A finding that somebody is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// What it is known by.
    pub(super) labels: Labels,
    /// The finding.
    pub(super) finding: Finding,
    /// Since when it is told.
    pub(super) fired: Timestamp,
}

impl Notice {
    pub(super) fn of(finding: Finding, fired: Timestamp) -> Self {
        Self { labels: labels(&finding), finding, fired }
    }

    /// One that says nothing but that it arrived.
    pub(super) fn test(now: Timestamp) -> Self {
        let finding = Finding {
            id: format!("test-{}", now.as_micros()),
            kind: "test".to_owned(),
            severity: "info".to_owned(),
            state: "open".to_owned(),
            muted: None,
            muted_because: None,
            cluster: String::new(),
            vrf: String::new(),
            leaf: None,
            peer: None,
            node: None,
            prefix: None,
            reason: None,
            identity: BTreeMap::new(),
            summary: "this is a test: somebody wants to see whether alerts of thirdleaf arrive".to_owned(),
            advice: "nothing: it ends by itself".to_owned(),
            evidence: Vec::new(),
            absorbs: Vec::new(),
            absorbs_total: 0,
            since: now,
            opened: Some(now),
            resolved: None,
        };
        Self::of(finding, now)
    }

    /// What is said of it; peers may have said any of it.
    pub(super) fn annotations(&self) -> Annotations {
        let Finding { id, summary, advice, evidence, leaf, peer, node, cluster, since, .. } = &self.finding;
        let mut annotations = Annotations::new();
        let mut say = |name, text: &str| {
            if !text.is_empty() {
                annotations.insert(name, text.to_owned());
            }
        };
        say("summary", &line(summary));
        let proofs: Vec<_> = evidence.iter().map(|proof| line(proof)).collect();
        say("description", &cut(&proofs.join("\n"), LONGEST_TEXT));
        say("advice", &line(advice));
        say("finding", &line(id));
        say("since", &since.to_string());
        say("cluster", &line(cluster));
        say("leaf", &line(leaf.as_deref().unwrap_or_default()));
        say("peer", &peer.map(|peer| peer.to_string()).unwrap_or_default());
        say("node", &line(node.as_deref().unwrap_or_default()));
        annotations
    }
}

fn labels(finding: &Finding) -> Labels {
    let own = [
        ("alertname", name::of(finding)),
        ("kind", &finding.kind),
        ("severity", &finding.severity),
        // What metrics raise has no such label: receivers tell both apart by it.
        ("source", "push"),
    ];
    let own = own.into_iter().map(|(name, value)| (Cow::Borrowed(name), value.to_owned()));
    let identity = finding.identity.iter().map(|(name, value)| (name.clone(), label(value)));
    identity.filter(|(_, value)| !value.is_empty()).chain(own).collect()
}

/// The value of a label: what was cut keeps apart what it was cut from.
fn label(value: &str) -> String {
    if value.chars().count() <= LONGEST_LABEL {
        return line(value);
    }
    let digest = sign::digest(value, 6);
    format!("{} {digest}", cut(&line(value), LONGEST_LABEL))
}

/// One line of text, without what would turn it around.
fn line(text: &str) -> String {
    let plain = |letter: char| {
        let hides = letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hides { ' ' } else { letter }
    };
    cut(&text.chars().map(plain).collect::<String>(), LONGEST_TEXT)
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// An alert as an Alertmanager gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) labels: Labels,
    pub(super) annotations: Annotations,
    pub(super) starts: Timestamp,
    /// The kind of the finding.
    pub(super) kind: String,
}

impl Alert {
    pub(super) fn of(notice: &Notice) -> Arc<Self> {
        Arc::new(Self {
            labels: notice.labels.clone(),
            annotations: notice.annotations(),
            starts: notice.fired,
            kind: notice.finding.kind.clone(),
        })
    }

    /// That there are so many more, since when, and how bad the worst of them is.
    pub(super) fn more(count: usize, severity: &str, starts: Timestamp) -> Arc<Self> {
        let labels = [
            ("alertname", name::MORE),
            ("kind", "more_findings"),
            ("severity", severity),
            ("source", "push"),
        ];
        let summary = format!("and {count} more findings are open: `thirdleaf findings` shows them all");
        Arc::new(Self {
            labels: labels.into_iter().map(|(name, value)| (name.into(), value.to_owned())).collect(),
            annotations: [("summary", summary)].into(),
            starts,
            kind: "more_findings".to_owned(),
        })
    }
}
