//! GET: which objects, how much of them, in which order, page by page.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use super::filter::{Filter, Reference, compare};
use super::refusal::Refusal;
use super::rules::{Writer, rules};
use super::tree::{Object, Props, Tree};
use crate::eepg::Mo;
use crate::time::Timestamp;

/// What a GET asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The object of this distinguished name.
    Object(String),
    /// All objects of these classes, below this name (empty: anywhere).
    Class {
        /// The classes.
        classes: Vec<String>,
        /// Where.
        below: String,
    },
}

/// The options of a GET.
#[derive(Clone, Debug, Default)]
pub struct Query {
    target: Target,
    target_classes: Vec<String>,
    filter: Option<Filter>,
    subtree: Subtree,
    subtree_classes: Vec<String>,
    subtree_filter: Option<Filter>,
    include: Include,
    props: Props,
    page: Option<(usize, usize)>,
    order: Vec<(Reference, bool)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Own,
    Children,
    Subtree,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Subtree {
    #[default]
    No,
    Children,
    Full,
}

/// `rsp-subtree-include`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of flags")]
struct Include {
    faults: bool,
    health: bool,
    stats: bool,
    count: bool,
    required: bool,
    no_scoped: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many objects there are on all pages.
    pub total: usize,
    /// Those of this page.
    pub objects: Vec<Mo>,
}

/// Options without a part in the answer: cache busters, and what is not simulated.
const PASSED_OVER: [&str; 4] = ["_dc", "replica", "time-range", "rsp-subtree-time"];

/// What `rsp-subtree-include` may name and is not simulated.
const NOT_INCLUDED: [&str; 10] = [
    "audit-logs",
    "event-logs",
    "fault-records",
    "fault-count",
    "ep-records",
    "health-records",
    "deployment-records",
    "relations",
    "tasks",
    "subtree",
];

impl Query {
    /// Reads options, decoded.
    ///
    /// # Errors
    /// An option or a value that there is not.
    pub fn read<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        let mut query = Self::default();
        let (mut page, mut size) = (None, None);
        for (option, value) in options {
            let unknown = || Refusal::request(format!("Invalid value '{value}' of query option '{option}'"));
            match option {
                "query-target" => {
                    query.target = match value {
                        "self" => Target::Own,
                        "children" => Target::Children,
                        "subtree" => Target::Subtree,
                        _ => return Err(unknown()),
                    };
                }
                "rsp-subtree" => {
                    query.subtree = match value {
                        "no" => Subtree::No,
                        "children" => Subtree::Children,
                        "full" => Subtree::Full,
                        _ => return Err(unknown()),
                    };
                }
                "rsp-prop-include" => {
                    query.props = match value {
                        "all" => Props::All,
                        "config-only" | "config-explicit" => Props::Configured,
                        "naming-only" => Props::Naming,
                        _ => return Err(unknown()),
                    };
                }
                "target-subtree-class" => query.target_classes = classes(value)?,
                "rsp-subtree-class" => query.subtree_classes = classes(value)?,
                "query-target-filter" => query.filter = Some(Filter::read(value)?),
                "rsp-subtree-filter" => query.subtree_filter = Some(Filter::read(value)?),
                "rsp-subtree-include" => query.include = Include::read(value).ok_or_else(unknown)?,
                "order-by" => query.order = order(value)?,
                "page" => page = Some(value.parse::<usize>().map_err(|_| unknown())?),
                "page-size" => {
                    size = Some(value.parse::<usize>().ok().filter(|size| *size > 0).ok_or_else(unknown)?);
                }
                "subscription" if value == "yes" => {
                    return Err(Refusal::request("Subscriptions are not simulated"));
                }
                "subscription" | "refresh-timeout" => {}
                _ if PASSED_OVER.contains(&option) => {}
                _ => return Err(Refusal::request(format!("Invalid query option '{option}'"))),
            }
        }
        query.page = size.map(|size| (page.unwrap_or_default(), size));
        Ok(query)
    }
}

impl Include {
    fn read(value: &str) -> Option<Self> {
        let mut include = Self::default();
        for word in value.split(',').map(str::trim) {
            match word {
                "faults" => include.faults = true,
                "health" => include.health = true,
                "stats" => include.stats = true,
                "count" => include.count = true,
                "required" => include.required = true,
                "no-scoped" => include.no_scoped = true,
                word if NOT_INCLUDED.contains(&word) || word == "full-deployment" => {}
                _ => return None,
            }
        }
        Some(include)
    }

    /// Whether an object is among what is included.
    fn has(self, object: &Object) -> bool {
        (self.faults && object.class == "faultInst") || (self.stats && object.class.ends_with("5min"))
    }

    const fn any(self) -> bool {
        self.faults || self.health || self.stats
    }
}

fn classes(value: &str) -> Result<Vec<String>, Refusal> {
    value
        .split(',')
        .map(str::trim)
        .filter(|class| !class.is_empty())
        .map(|class| rules().class(class).map(|class| class.name.to_owned()))
        .collect()
}

fn order(value: &str) -> Result<Vec<(Reference, bool)>, Refusal> {
    value
        .split(',')
        .map(|key| {
            let (property, way) = key.split_once('|').unwrap_or((key, "asc"));
            let descending = match way {
                "asc" => false,
                "desc" | "dsc" => true,
                _ => return Err(Refusal::request(format!("Invalid order '{way}'"))),
            };
            Ok((Reference::read(property)?, descending))
        })
        .collect()
}

type Found<'a> = (&'a Arc<str>, &'a Arc<Object>);

impl Tree {
    /// Answers a GET.
    ///
    /// # Errors
    /// A name or a class that there can be none of; an answer that is too big.
    pub fn query(&mut self, scope: &Scope, query: &Query, now: Timestamp) -> Result<Page, Refusal> {
        self.settle(now);
        self.pages += u64::from(query.page.is_some());
        let mut found = self.find(scope, query)?;
        found.retain(|(dn, object)| self.wanted(query.filter.as_ref(), dn, object));
        if query.props == Props::Configured {
            found.retain(|(_, object)| has_configuration(object));
        }
        if query.include.no_scoped && query.include.any() {
            found = found
                .into_iter()
                .flat_map(|(dn, _)| self.below(dn))
                .filter(|(_, o)| query.include.has(o))
                .collect();
        } else if query.include.required {
            found.retain(|(dn, _)| {
                query.include.health || self.below(dn).any(|(_, object)| query.include.has(object))
            });
        }
        self.sort(&mut found, query);
        let total = found.len();
        if query.include.count {
            let count = Mo::new("moCount").with("count", total.to_string()).with("dn", "").with("status", "");
            return Ok(Page { total: 1, objects: vec![count] });
        }
        if let Some((page, size)) = query.page {
            found = found.into_iter().skip(page.saturating_mul(size)).take(size).collect();
        }
        let mut room = self.fabric.max_results;
        let mut objects = Vec::new();
        for (dn, object) in found {
            objects.push(self.answer(dn, object, query, &mut room)?);
        }
        Ok(Page { total, objects })
    }

    fn find(&self, scope: &Scope, query: &Query) -> Result<Vec<Found<'_>>, Refusal> {
        let roots: Vec<Found<'_>> = match scope {
            Scope::Object(dn) => {
                self.class_at(dn)?;
                self.objects.get_key_value(dn.as_str()).into_iter().collect()
            }
            Scope::Class { classes, below } => {
                for class in classes {
                    rules().class(class)?;
                }
                let within = |dn: &str| {
                    below.is_empty()
                        || dn.strip_prefix(below.as_str()).is_some_and(|rest| rest.starts_with('/'))
                };
                let names = classes.iter().filter_map(|class| self.classes.get(class.as_str())).flatten();
                names.filter(|dn| within(dn)).filter_map(|dn| self.objects.get_key_value(dn)).collect()
            }
        };
        // An absent root has no subtree, but an empty name is that of all.
        let roots_of_all = matches!(scope, Scope::Object(dn) if dn.is_empty());
        let mut found: Vec<Found<'_>> = match query.target {
            _ if roots_of_all => match query.target {
                Target::Own => Vec::new(),
                Target::Children => self.children("").collect(),
                Target::Subtree => self.below("").collect(),
            },
            Target::Own => return Ok(roots),
            Target::Children => roots.iter().flat_map(|(dn, _)| self.children(dn)).collect(),
            Target::Subtree => {
                roots.iter().flat_map(|root| std::iter::once(*root).chain(self.below(root.0))).collect()
            }
        };
        if !query.target_classes.is_empty() {
            found.retain(|(_, object)| query.target_classes.iter().any(|class| class == object.class));
        }
        Ok(found)
    }

    /// As wanted; where that leaves it open and the answer comes in pages, differently for each page.
    fn sort(&self, found: &mut [Found<'_>], query: &Query) {
        if query.order.is_empty() && query.page.is_none() {
            found.sort_by_key(|(dn, _)| *dn);
            return;
        }
        let scrambled = |dn: &str| {
            let mut hasher =
                foldhash::fast::FixedState::with_seed(self.fabric.seed ^ self.pages).build_hasher();
            hasher.write(dn.as_bytes());
            hasher.finish()
        };
        let key = |(dn, object): &Found<'_>| -> (Vec<String>, u64) {
            let value = |(reference, _): &(Reference, bool)| {
                self.value_of(dn, object, &reference.property).map(Cow::into_owned).unwrap_or_default()
            };
            (query.order.iter().map(value).collect(), scrambled(dn))
        };
        let mut keyed: Vec<_> = found.iter().map(|found| (key(found), *found)).collect();
        keyed.sort_by(|((one, lot), _), ((other, other_lot), _)| {
            let keys = one.iter().zip(other).zip(&query.order);
            keys.map(|((one, other), (_, descending))| {
                let order = compare(one, other);
                if *descending { order.reverse() } else { order }
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or_else(|| lot.cmp(other_lot))
        });
        for (place, (_, sorted)) in found.iter_mut().zip(keyed) {
            *place = sorted;
        }
    }

    fn answer(&self, dn: &str, object: &Object, query: &Query, room: &mut usize) -> Result<Mo, Refusal> {
        let mut mo = self.show(dn, object, query.props, false);
        *room = room.checked_sub(1).ok_or_else(Refusal::too_big)?;
        if query.subtree != Subtree::No {
            mo.children = self.nested(dn, query, room)?;
        } else if query.include.any() && !query.include.no_scoped {
            self.include(dn, query, &mut mo, room)?;
        }
        Ok(mo)
    }

    /// What stands below an object, as far as it is wanted, and what leads to it.
    fn nested(&self, dn: &str, query: &Query, room: &mut usize) -> Result<Vec<Mo>, Refusal> {
        let mut nested = Vec::new();
        for (dn, object) in self.children(dn) {
            let classes = &query.subtree_classes;
            let wanted = (classes.is_empty() || classes.iter().any(|class| class == object.class))
                && self.wanted(query.subtree_filter.as_ref(), dn, object)
                && (query.props != Props::Configured || has_configuration(object));
            let children =
                if query.subtree == Subtree::Full { self.nested(dn, query, room)? } else { Vec::new() };
            if wanted || !children.is_empty() {
                *room = room.checked_sub(1).ok_or_else(Refusal::too_big)?;
                nested.push(Mo { children, ..self.show(dn, object, query.props, true) });
            }
        }
        if query.include.health {
            nested.push(health());
        }
        Ok(nested)
    }

    fn include(&self, dn: &str, query: &Query, mo: &mut Mo, room: &mut usize) -> Result<(), Refusal> {
        for (dn, object) in self.below(dn).filter(|(_, object)| query.include.has(object)) {
            let classes = &query.subtree_classes;
            if classes.is_empty() || classes.iter().any(|class| class == object.class) {
                *room = room.checked_sub(1).ok_or_else(Refusal::too_big)?;
                mo.children.push(self.show(dn, object, query.props, true));
            }
        }
        if query.include.health {
            mo.children.push(health());
        }
        Ok(())
    }

    /// A POST's answer with `rsp-subtree=full`: an object with all below it.
    pub(super) fn whole(&self, dn: &str) -> Option<Mo> {
        let (dn, object) = self.objects.get_key_value(dn)?;
        let query = Query { subtree: Subtree::Full, ..Query::default() };
        let mut room = self.fabric.max_results;
        self.answer(dn, object, &query, &mut room).ok()
    }
}

/// Whether there is anything to configure about an object.
fn has_configuration(object: &Object) -> bool {
    rules().class(object.class).is_ok_and(|class| {
        class.writer != Writer::System
            && class.properties.values().any(|property| property.kind.is_settable())
    })
}

fn health() -> Mo {
    let values = [("cur", "100"), ("prev", "100"), ("maxSev", "cleared"), ("chng", "0"), ("rn", "health")];
    values.into_iter().fold(Mo::new("healthInst"), |mo, (name, value)| mo.with(name, value))
}
