//! What explains what: findings beneath the one that absorbed them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::observer::view::Finding;

/// A finding, and where it stands.
#[derive(Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) finding: Finding,
    /// How many explain it, one the other.
    #[serde(skip)]
    pub(super) depth: usize,
    /// What there is to say of it besides: why nobody is told, how many it explains.
    #[serde(skip)]
    pub(super) note: String,
}

/// The finding that explains this one, if one does.
pub(super) fn explained_by(finding: &Finding) -> Option<&str> {
    finding.muted.as_deref()?.strip_prefix("absorbed:")
}

/// All in the order in which they came, but what is explained beneath what explains it, at most `most` of one.
pub(super) fn arrange(findings: Vec<Finding>, most: usize) -> Vec<Line> {
    let known: BTreeSet<String> = findings.iter().map(|finding| finding.id.clone()).collect();
    let (mut roots, mut beneath) = (Vec::new(), BTreeMap::<String, Vec<Finding>>::new());
    for finding in findings {
        match explained_by(&finding).filter(|by| known.contains(*by) && *by != finding.id) {
            Some(by) => beneath.entry(by.to_owned()).or_default().push(finding),
            None => roots.push(finding),
        }
    }
    let mut lines = Vec::new();
    for root in roots {
        place(root, 0, most, &mut beneath, &mut lines);
    }
    // Findings that explain each other stand on their own.
    while let Some((_, findings)) = beneath.pop_first() {
        for finding in findings {
            place(finding, 0, most, &mut beneath, &mut lines);
        }
    }
    lines
}

fn place(
    finding: Finding,
    depth: usize,
    most: usize,
    beneath: &mut BTreeMap<String, Vec<Finding>>,
    lines: &mut Vec<Line>,
) {
    let explained = beneath.remove(&finding.id).unwrap_or_default();
    let total = finding.absorbs_total.max(explained.len());
    let shown = explained.len().min(most);
    let mut notes: Vec<String> = Vec::new();
    if depth == 0 {
        notes.extend(muted(&finding));
    }
    if total > 0 {
        let beneath = if shown < total { format!(", {shown} of them beneath") } else { String::new() };
        notes.push(format!("explains {}{beneath}", count(total)));
    }
    lines.push(Line { finding, depth, note: notes.join("; ") });
    let mut explained = explained.into_iter();
    for finding in explained.by_ref().take(most) {
        place(finding, depth + 1, most, beneath, lines);
    }
    explained.for_each(|finding| hide(&finding.id, beneath));
}

/// What is not shown hides what it explains.
fn hide(id: &str, beneath: &mut BTreeMap<String, Vec<Finding>>) {
    for finding in beneath.remove(id).unwrap_or_default() {
        hide(&finding.id, beneath);
    }
}

/// Why nobody is told, if so.
pub(super) fn muted(finding: &Finding) -> Option<String> {
    let muted = finding.muted.as_deref()?;
    let why = finding.muted_because.as_deref().filter(|why| !why.is_empty());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Some(match explained_by(finding) {
        Some(by) => format!("muted, explained by {by}{why}"),
        None => format!("muted, {muted}{why}"),
    })
}

/// So many findings.
pub(super) fn count(total: usize) -> String {
    format!("{total} finding{}", if total == 1 { "" } else { "s" })
}
