//! What is read: scoped, ordered, page by page.

use std::time::Duration;

use super::answer::clean;
use super::error::Error;
use super::target::Target;
use crate::eepg::Mo;

/// Objects a page. The APIC refuses answers of more than 100,000 objects.
pub(super) const PAGE: usize = 10_000;
/// The answer may hold so many objects of our asking; a fabric has a tenth of it in subnets.
pub(super) const MOST: usize = 1_000_000;
/// As long as a full comparison may take.
const WITHIN: Duration = Duration::from_mins(5);

/// A question to the APIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    scope: Scope,
    whole: bool,
    subtree: &'static [&'static str],
    children: &'static [&'static str],
    filter: Option<Filter>,
    page_size: Option<usize>,
    within: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Class(&'static str),
    Object(String),
}

impl Query {
    /// All objects of a class.
    pub const fn class(class: &'static str) -> Self {
        Self::from(Scope::Class(class))
    }

    /// The object with this distinguished name. If there is none, that is no error: nothing is read.
    pub fn of(dn: impl Into<String>) -> Self {
        Self::from(Scope::Object(dn.into()))
    }

    const fn from(scope: Scope) -> Self {
        Self {
            scope,
            whole: false,
            subtree: &[],
            children: &[],
            filter: None,
            page_size: None,
            within: WITHIN,
        }
    }

    /// Instead of the object, all of these classes at and below it, in one flat list. The most numerous one
    /// stands last.
    #[must_use]
    pub const fn subtree(mut self, classes: &'static [&'static str]) -> Self {
        self.subtree = classes;
        self
    }

    /// Instead of the object, all objects at and below it, in one flat list: for what is known to contain few, as
    /// objects of several classes have no order that pages could follow.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// With the children of these classes in each object.
    #[must_use]
    pub const fn children(mut self, classes: &'static [&'static str]) -> Self {
        self.children = classes;
        self
    }

    /// Only those for which this holds.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// With this many objects a page.
    #[must_use]
    pub const fn page_size(mut self, objects: usize) -> Self {
        self.page_size = Some(objects);
        self
    }

    /// To be answered within this time, whatever has to be repeated. Five minutes, unless told.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    pub(super) const fn patience(&self) -> Duration {
        self.within
    }

    pub(super) fn objects_a_page(&self, default: usize) -> usize {
        self.page_size.unwrap_or(default).max(1)
    }

    /// Where page `page` is.
    pub(super) fn target(&self, page: usize, size: usize) -> Result<Target, Error> {
        let mut query = Vec::new();
        if self.whole {
            query.push("query-target=subtree".to_owned());
        } else if !self.subtree.is_empty() {
            query.push(format!("query-target=subtree&target-subtree-class={}", self.subtree.join(",")));
        }
        if let Some(filter) = &self.filter {
            query.push(format!("query-target-filter={}", filter.checked()?));
        }
        if !self.children.is_empty() {
            query.push(format!("rsp-subtree=children&rsp-subtree-class={}", self.children.join(",")));
        }
        if let Some(class) = self.ordered_by() {
            query.push(format!("order-by={class}.dn|asc"));
        }
        query.push(format!("page={page}&page-size={size}"));
        let path = match &self.scope {
            Scope::Class(class) => format!("/api/class/{class}.json"),
            Scope::Object(dn) => format!("/api/mo/{dn}.json"),
        };
        Ok(Target::of(path, Some(query.join("&"))))
    }

    /// The class whose names give the order; a single object needs none.
    fn ordered_by(&self) -> Option<&str> {
        match (self.subtree.last(), &self.scope) {
            _ if self.whole => None,
            (Some(class), _) | (None, Scope::Class(class)) => Some(class),
            (None, Scope::Object(_)) => None,
        }
    }

    /// What an object that was not asked for is, in words.
    pub(super) fn stranger(&self, mo: &Mo) -> Option<String> {
        let dn = mo.dn();
        let class = &*mo.class;
        let asked = match (&self.scope, self.subtree) {
            _ if self.whole => true,
            (Scope::Class(asked), []) => class == *asked,
            (Scope::Object(_), []) => true,
            (_, classes) => classes.contains(&class),
        };
        if !asked {
            return Some(format!("it holds an object of class {:?}, which was not asked for", clean(class)));
        }
        let inside = match &self.scope {
            Scope::Class(_) => !dn.is_empty(),
            Scope::Object(top) if self.subtree.is_empty() && !self.whole => dn == top,
            Scope::Object(top) => {
                dn.strip_prefix(&**top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        };
        if !inside {
            return Some(format!("it holds {:?}, which was not asked for", clean(dn)));
        }
        let child = mo.children.iter().find(|child| !self.children.contains(&&*child.class))?;
        Some(format!("{} holds a {:?}, which was not asked for", clean(dn), clean(&child.class)))
    }

    /// The same as questions for one class each.
    pub(super) fn by_class(&self) -> Vec<Self> {
        if self.subtree.is_empty() {
            return vec![self.clone()];
        }
        self.subtree.chunks(1).map(|class| self.clone().subtree(class)).collect()
    }

    /// What it asks for, for people.
    pub(super) fn subject(&self) -> &str {
        match &self.scope {
            Scope::Class(class) => class,
            Scope::Object(dn) => dn,
        }
    }
}

/// A condition (`query-target-filter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    usable: bool,
}

impl Filter {
    /// As the APIC writes it: values in it are known to hold nothing that would end them.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let usable = !text.contains(|letter: char| letter == '\\' || letter.is_control());
        Self { text, usable }
    }

    /// The attribute has this value.
    pub fn eq(class: &str, attribute: &str, value: &str) -> Self {
        Self::compare("eq", class, attribute, value)
    }

    /// The attribute has another value.
    pub fn ne(class: &str, attribute: &str, value: &str) -> Self {
        Self::compare("ne", class, attribute, value)
    }

    /// The attribute contains this text, in which `.*` stands for any.
    pub fn wcard(class: &str, attribute: &str, value: &str) -> Self {
        Self::compare("wcard", class, attribute, value)
    }

    /// One of these flags, with commas between them, is set.
    pub fn any_bit(class: &str, attribute: &str, flags: &str) -> Self {
        Self::compare("anybit", class, attribute, flags)
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.joined("and", other)
    }

    /// One of the two holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.joined("or", other)
    }

    fn compare(operator: &str, class: &str, attribute: &str, value: &str) -> Self {
        let usable = !value.contains(|letter: char| matches!(letter, '"' | '\\') || letter.is_control());
        Self { text: format!("{operator}({class}.{attribute},\"{value}\")"), usable }
    }

    fn joined(self, operator: &str, other: Self) -> Self {
        let Self { text, usable } = other;
        Self { text: format!("{operator}({},{text})", self.text), usable: self.usable && usable }
    }

    /// A quote in a value would end it.
    fn checked(&self) -> Result<&str, Error> {
        if self.usable { Ok(&self.text) } else { Err(Error::Target { dn: clean(&self.text) }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_pages_in_an_order() {
        let query = Query::of("uni/tn-T/out-O")
            .subtree(&["l3extInstP", "l3extSubnet"])
            .children(&["tagAnnotation"])
            .filter(Filter::ne("l3extSubnet", "ip", "0.0.0.0/0").and(Filter::wcard(
                "l3extSubnet",
                "dn",
                "x",
            )));
        let target = query.target(3, 100).unwrap();
        assert_eq!(
            target.text(),
            "/api/mo/uni/tn-T/out-O.json?query-target=subtree&target-subtree-class=l3extInstP,l3extSubnet\
             &query-target-filter=and(ne(l3extSubnet.ip,\"0.0.0.0/0\"),wcard(l3extSubnet.dn,\"x\"))\
             &rsp-subtree=children&rsp-subtree-class=tagAnnotation&order-by=l3extSubnet.dn|asc&page=3&page-size=100"
        );
        let class = Query::class("fvCtx").target(0, 10).unwrap();
        assert_eq!(class.text(), "/api/class/fvCtx.json?order-by=fvCtx.dn|asc&page=0&page-size=10");
    }

    #[test]
    fn asks_for_all_that_an_object_contains() {
        let query = Query::of("uni/tn-T/out-O/instP-E").whole();
        let target = query.target(0, 100).unwrap();
        assert_eq!(
            target.text(),
            "/api/mo/uni/tn-T/out-O/instP-E.json?query-target=subtree&page=0&page-size=100"
        );
        assert_eq!(query.stranger(&Mo::new("fvRsCons").with("dn", "uni/tn-T/out-O/instP-E/rscons-c")), None);
        assert!(query.stranger(&Mo::new("fvRsCons").with("dn", "uni/tn-T/out-O/instP-F/rscons-c")).is_some());
    }

    #[test]
    fn a_condition_may_be_given_as_text() {
        let target = Query::class("fvCtx").filter(Filter::text("eq(fvCtx.name,\"c\")")).target(0, 1).unwrap();
        let wanted = "/api/class/fvCtx.json?query-target-filter=eq(fvCtx.name,\"c\")&order-by=fvCtx.dn|asc";
        assert!(target.text().starts_with(wanted), "{}", target.text());
        for text in ["eq(a.b,\"\\\")", "eq(a.b,\"\n\")"] {
            assert!(Query::class("fvCtx").filter(Filter::text(text)).target(0, 1).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_value_cannot_end_its_quotes() {
        for value in ["a\"),eq(x.y,\"b", "a\\", "a\nb"] {
            let filter = Filter::eq("a", "b", "c").or(Filter::eq("a", "b", value));
            assert!(
                matches!(Query::class("a").filter(filter).target(0, 1), Err(Error::Target { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn tells_what_was_not_asked_for() {
        let query = Query::of("uni/tn-T/out-O").subtree(&["l3extSubnet"]).children(&["tagAnnotation"]);
        let subnet = |dn: &str| Mo::new("l3extSubnet").with("dn", dn);
        assert_eq!(query.stranger(&subnet("uni/tn-T/out-O/instP-E/extsubnet-[10.0.0.0/8]")), None);
        assert_eq!(query.stranger(&subnet("uni/tn-T/out-O").holding(Mo::new("tagAnnotation"))), None);
        for stranger in [
            subnet("uni/tn-T/out-Other/instP-E"),
            subnet(""),
            Mo::new("l3extInstP").with("dn", "uni/tn-T/out-O"),
            subnet("uni/tn-T/out-O").holding(Mo::new("faultInst")),
        ] {
            assert!(query.stranger(&stranger).is_some(), "{stranger}");
        }
        assert!(Query::of("uni/tn-T").stranger(&Mo::new("fvTenant").with("dn", "uni/tn-T/ctx-c")).is_some());
        assert!(Query::class("fvCtx").stranger(&Mo::new("fvCtx")).is_some());
    }
}
