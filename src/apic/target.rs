//! What stands in a request line, and what is signed of it.
//!
//! Signatures cover the path and the query as the APIC reads them, decoded. So a target is kept as that text,
//! and is only used if what leaves for it decodes to the same again.

use std::fmt::Write as _;

use reqwest::Url;

use super::answer::clean;
use super::error::Error;

/// What leaves as it stands; all else is percent-encoded. `%` and `+` are not here, lest they be read as
/// something else.
const PLAIN: &[u8] = b"-._~/[]|(),:;=@!*$&";

/// A path and its query, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    path: String,
    query: Option<String>,
}

impl Target {
    /// Of an API method.
    pub(super) fn of(path: impl Into<String>, query: Option<String>) -> Self {
        Self { path: path.into(), query }
    }

    /// Of an object.
    pub(super) fn mo(dn: &str) -> Self {
        Self::of(format!("/api/mo/{dn}.json"), None)
    }

    /// What is signed.
    pub(super) fn text(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// Where it is at the controller at `base`, `https://host[:port]`.
    ///
    /// # Errors
    /// If a URL would say something else, as with `..` in a name.
    pub(super) fn url(&self, base: &str) -> Result<Url, Error> {
        let unusable = || Error::Target { dn: clean(&self.path) };
        let mut url = Url::parse(base).map_err(|_| unusable())?;
        url.set_path(&encoded(&self.path));
        url.set_query(self.query.as_deref().map(encoded).as_deref());
        let same = |sent: &str, meant: &str| decoded(sent).as_deref() == Some(meant.as_bytes());
        let as_meant = same(url.path(), &self.path)
            && same(url.query().unwrap_or_default(), self.query.as_deref().unwrap_or_default());
        if as_meant { Ok(url) } else { Err(unusable()) }
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || PLAIN.contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// What the far end reads.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut octets = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
        let (high, low) = (digit(octets.next())?, digit(octets.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_bars_leave_as_they_stand_and_quotes_encoded() {
        let filter = r#"query-target-filter=and(eq(a.b,"x y"),wcard(c.d,"e'f"))&order-by=a.dn|asc"#;
        let path = "/api/mo/uni/tn-a/out-b/instP-c/extsubnet-[10.0.0.1/32].json";
        let target = Target::of(path, Some(filter.into()));
        let url = target.url("https://[::1]:8443/").unwrap();
        assert_eq!(url.path(), path);
        assert_eq!(
            url.query(),
            Some("query-target-filter=and(eq(a.b,%22x%20y%22),wcard(c.d,%22e%27f%22))&order-by=a.dn|asc")
        );
    }

    #[test]
    fn whatever_leaves_reads_as_it_was_signed() {
        let odd =
            ["tn-a+b", "tn-100%", "tn-%41", "tn-\u{fc}", "tn-a#b", "tn-a\\b", "{x}", "tn-a?b=c", "tn-a\tb"];
        for dn in odd {
            let target = Target::mo(dn);
            let url = target.url("https://apic").unwrap();
            assert_eq!(url.query(), None, "{dn}");
            assert_eq!(url.fragment(), None, "{dn}");
            assert_eq!(decoded(url.path()).unwrap(), target.text().as_bytes(), "{dn}");
        }
    }

    #[test]
    fn what_a_url_would_say_differently_is_refused() {
        for dn in ["uni/../aaaLogin", "../../x", "uni/./tn-a", "uni/tn-a/..//b"] {
            assert!(matches!(Target::mo(dn).url("https://apic"), Err(Error::Target { .. })), "{dn}");
        }
    }
}
