//! The EEPG that a route's rule means: one by name, or one for each node or rack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::Config;
use crate::config::model::{self, Match, Piece, Template};
use crate::eepg::dn::{Container, L3out};
use crate::observer::feed::Offer;

/// What a name may have: nothing is ever replaced in it, as two nodes could come to one name then.
pub(in crate::eepg) fn is_name(name: &str) -> bool {
    let permitted = |letter: u8| letter.is_ascii_alphanumeric() || b"_.:-".contains(&letter);
    (1..=64).contains(&name.len()) && name.bytes().all(permitted)
}

/// Gives a route its container.
#[derive(Debug)]
pub(super) enum Naming {
    /// Always this one.
    Fixed(Arc<Container>),
    /// One for each node or rack.
    Each {
        l3out: L3out,
        template: Template,
        /// All names that pinned nodes and known racks come to; none: two of them come to this name.
        known: BTreeMap<Arc<str>, Option<Arc<Container>>>,
    },
}

/// The nodes that have names, and the racks that there are.
pub(super) struct Pins<'a> {
    nodes: &'a [model::Node],
    racks: BTreeSet<&'a str>,
    /// Those of leaves: where a node is whose own rack is not said.
    leaves: BTreeSet<&'a str>,
}

impl<'a> Pins<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let leaves: BTreeSet<_> = config.leaves.iter().map(|leaf| &*leaf.rack).collect();
        let nodes = config.nodes.iter().filter_map(|node| node.rack.as_deref());
        Self { nodes: &config.nodes, racks: leaves.iter().copied().chain(nodes).collect(), leaves }
    }

    /// The pinned nodes that a rule can match, each with each rack that it may be in.
    fn places(&self, matches: &Match) -> impl Iterator<Item = (&'a model::Node, &'a str)> {
        let permits = |names: &[Arc<str>], name: &Arc<str>| names.is_empty() || names.contains(name);
        let nodes = self.nodes.iter().filter(move |node| {
            permits(&matches.node, &node.name)
                && node.cluster.as_ref().is_none_or(|cluster| permits(&matches.cluster, cluster))
        });
        nodes.flat_map(|node| {
            let racks = match node.rack.as_deref() {
                Some(rack) => BTreeSet::from([rack]),
                None => self.leaves.clone(),
            };
            racks.into_iter().map(move |rack| (node, rack))
        })
    }
}

/// Who a name stands for: a node, a rack, or a node in a rack.
type Bearer<'a> = (Option<(Option<&'a str>, &'a str)>, Option<&'a str>);

impl Naming {
    pub(super) fn of_eepg(rule: &model::Eepg, pins: &Pins<'_>) -> Self {
        let l3out = super::l3out(rule);
        let has = |piece: &Piece| rule.name.0.contains(piece);
        let (by_node, by_rack) = (has(&Piece::Node), has(&Piece::Rack));
        if !by_node && !by_rack {
            let name = rule.name.to_string().into();
            return Self::Fixed(Arc::new(Container::Eepg { l3out, name }));
        }
        let bearers: BTreeSet<Bearer<'_>> = if by_node {
            let places = pins.places(&rule.matches);
            places
                .map(|(node, rack)| (Some((node.cluster.as_deref(), &*node.name)), by_rack.then_some(rack)))
                .collect()
        } else {
            pins.racks.iter().map(|rack| (None, Some(*rack))).collect()
        };
        let mut known = BTreeMap::new();
        for (node, rack) in bearers {
            let Some(name) = render(&rule.name, node.map(|(_, name)| name), rack) else { continue };
            let container = Container::Eepg { l3out: l3out.clone(), name: Arc::clone(&name) };
            let shared = |known: &mut Option<Arc<Container>>| *known = None;
            known.entry(name).and_modify(shared).or_insert_with(|| Some(Arc::new(container)));
        }
        Self::Each { l3out, template: rule.name.clone(), known }
    }

    /// None: there is no name that is surely that of this route's node or rack alone.
    pub(super) fn container(&self, offer: &Offer) -> Option<Arc<Container>> {
        match self {
            Self::Fixed(container) => Some(Arc::clone(container)),
            Self::Each { l3out, template, known } => {
                let name = render(template, offer.node.as_deref(), Some(&offer.rack))?;
                match known.get(&name) {
                    Some(known) => known.clone(),
                    None => Some(Arc::new(Container::Eepg { l3out: l3out.clone(), name })),
                }
            }
        }
    }
}

/// None: something is not known that the name needs, or the APIC would not take it.
fn render(template: &Template, node: Option<&str>, rack: Option<&str>) -> Option<Arc<str>> {
    let mut name = String::new();
    for piece in &template.0 {
        name.push_str(match piece {
            Piece::Text(text) => text,
            Piece::Node => node?,
            Piece::Rack => rack?,
        });
    }
    is_name(&name).then(|| name.into())
}
