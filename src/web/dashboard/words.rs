//! How the page writes text of others, numbers and times.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use maud::{Markup, Render, html};

use crate::time::{Timestamp, age};

/// Characters of a text of others that are shown.
const LONGEST: usize = 400;
/// Characters of a name in a table.
const NAME: usize = 40;
/// ASes of a path in a table.
const ASES: usize = 6;
/// Digits that numbers in names are brought to.
const DIGITS: usize = 10;

/// Text that somebody else wrote: a peer, an APIC, whoever gave a reason.
///
/// The template escapes what would be markup. This isolates its direction from what stands beside it, makes
/// visible what would turn or hide text, and cuts what is longer than anybody reads.
pub(super) fn text(value: &str) -> Markup {
    html! { bdi { (visible(value)) } }
}

/// A name that somebody else gave, in a table: what is longer than a column is cut, and whole for who asks.
pub(super) fn name(value: &str) -> Markup {
    match value.char_indices().nth(NAME) {
        None => text(value),
        Some((end, _)) => html! { bdi title=(visible(value)) { (escaped(&value[..end])) "…" } },
    }
}

/// Prose of ours, in which what is to be typed stands between backticks.
pub(super) fn prose(value: &str) -> Markup {
    let parts: Vec<_> = value.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text(value);
    }
    html! {
        @for (at, part) in parts.into_iter().enumerate() {
            @if at % 2 == 1 { code { (text(part)) } } @else { (text(part)) }
        }
    }
}

/// An AS path; a long one is cut, for the way it was judged has it whole.
pub(super) fn path(value: &str) -> Markup {
    let ases = value.split_whitespace().count();
    html! {
        code {
            @if ases == 0 { "empty" }
            @else if ases <= ASES { (text(value)) }
            @else { (text(&value.split_whitespace().take(ASES).collect::<Vec<_>>().join(" "))) "… (" (count(ases)) " ASes)" }
        }
    }
}

/// The same as [`text`], where no markup may stand.
pub(super) fn visible(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(LONGEST) {
        None => escaped(value),
        Some((end, _)) => {
            Cow::Owned(format!("{}… ({} characters)", escaped(&value[..end]), value.chars().count()))
        }
    }
}

/// What is seen of a text, however long.
pub(super) fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(misleads) {
        return Cow::Borrowed(value);
    }
    let mut shown = String::with_capacity(value.len() * 2);
    for c in value.chars() {
        if misleads(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// What names are put in order by: numbers in them count as numbers, so that rack2 stands before rack10.
pub(super) fn natural(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 2 * DIGITS);
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (number, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        key.push_str(before);
        let number = number.trim_start_matches('0');
        key.extend(std::iter::repeat_n('0', DIGITS.saturating_sub(number.len())));
        key.push_str(number);
        rest = after;
    }
    key.push_str(rest);
    key
}

/// Control characters, and those of Unicode that are not seen or turn what is beside them.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A number, its digits in threes.
pub(super) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 route`, `2 routes`.
pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// How long ago; the script lets it grow.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(at) { (age(now, at)) } }
}

/// How long until then; the script lets it shrink.
pub(super) fn left(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(at) data-left { (age(at, now)) } }
}

/// The time of day, in UTC; with the day where it is another than now's.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    const DAY: u64 = 86_400;
    let written = at.to_string();
    let (day, time) = written.split_once('T').unwrap_or(("", &written));
    let time = time.get(..8).unwrap_or(time);
    let is_today = at.as_secs() / DAY == now.as_secs() / DAY;
    html! {
        time datetime=(at) title=(at) data-fixed {
            @if !is_today { (day) " " }
            (time)
        }
    }
}

/// `a`, or a dash.
pub(super) fn or_dash(value: Option<impl Render>) -> Markup {
    html! { @match value { Some(value) => (value), None => span.none { "-" } } }
}

/// A relative address with a query.
pub(super) fn link<V: Display>(path: &str, query: &[(&str, V)]) -> String {
    let mut link = path.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        link.push(if at == 0 { '?' } else { '&' });
        link.push_str(name);
        link.push('=');
        encode(&value.to_string(), &mut link);
    }
    link
}

/// Percent-encoded (RFC 3986, 2.1): everything but what is never anything else.
fn encode(text: &str, into: &mut String) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~/:".contains(&octet) {
            into.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn text_of_others_is_neither_markup_nor_misleading_nor_endless() {
        for (given, expected) in [
            ("plain é", "<bdi>plain é</bdi>"),
            ("<script>alert(1)</script>", "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"),
            ("\" onclick='x", "<bdi>&quot; onclick='x</bdi>"),
            ("a\u{202e}gpj.exe", "<bdi>a\\u{202e}gpj.exe</bdi>"),
            ("a\nb\0\u{1b}[31m", "<bdi>a\\nb\\u{0}\\u{1b}[31m</bdi>"),
            ("\u{feff}\u{200b}", "<bdi>\\u{feff}\\u{200b}</bdi>"),
        ] {
            assert_eq!(text(given).into_string(), expected);
        }
        let long = "x".repeat(10_000);
        let shown = visible(&long);
        assert!(shown.starts_with("xxx") && shown.ends_with("x… (10000 characters)"));
        assert_eq!(shown.chars().filter(|c| *c == 'x').count(), LONGEST);
        let just = "é".repeat(LONGEST);
        assert_eq!(visible(&just), just);
    }

    #[test]
    fn what_is_long_is_cut_where_it_stands_beside_others() {
        assert_eq!(name("node1").into_string(), "<bdi>node1</bdi>");
        let long = name(&"\u{202e}x".repeat(100)).into_string();
        assert!(long.starts_with("<bdi title=\"\\u{202e}x") && long.ends_with("x…</bdi>"), "{long}");
        assert_eq!(path("").into_string(), "<code>empty</code>");
        assert_eq!(path("1 2").into_string(), "<code><bdi>1 2</bdi></code>");
        let many = vec!["65000"; 981].join(" ");
        assert!(path(&many).into_string().ends_with("65000</bdi>… (981 ASes)</code>"));
    }

    #[test]
    fn what_is_to_be_typed_is_code() {
        let code = prose("see `a <b>`, or `c`").into_string();
        assert!(
            code.contains("<code><bdi>a &lt;b&gt;</bdi></code>")
                && code.ends_with("<code><bdi>c</bdi></code><bdi></bdi>")
        );
        assert_eq!(prose("one ` alone").into_string(), "<bdi>one ` alone</bdi>");
    }

    #[test]
    fn names_with_numbers_stand_in_the_order_of_numbers() {
        let mut names = ["rack10", "rack2", "rack1-b", "rack1", "a", "rack02", "10.0.0.9", "9.0.0.10"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["9.0.0.10", "10.0.0.9", "a", "rack1", "rack1-b", "rack2", "rack02", "rack10"]);
        assert_ne!(natural("99999999999999999999"), natural("99999999999999999998"));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [
            (0_u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (128_000, "128,000"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(counted(1, "node"), "1 node");
        assert_eq!(counted(1_234, "node"), "1,234 nodes");
    }

    #[test]
    fn times_say_when_they_were() {
        let then = Timestamp::from_micros(1_763_760_000_000_000);
        let now = then.after(Duration::from_secs(723));
        let time = "<time datetime=\"2025-11-21T21:20:00.000Z\" title=\"2025-11-21T21:20:00.000Z\"";
        assert_eq!(ago(then, now).into_string(), format!("{time}>00:12:03</time>"));
        assert_eq!(moment(then, now).into_string(), format!("{time} data-fixed>21:20:00</time>"));
        let later = then.after(Duration::from_hours(10));
        assert_eq!(
            moment(then, later).into_string(),
            format!("{time} data-fixed>2025-11-21 21:20:00</time>")
        );
    }

    #[test]
    fn what_stands_in_a_link_cannot_leave_its_place() {
        let link = link("routes", &[("node", "a&b=c#d \"é"), ("prefix", "10.0.0.0/8")]);
        assert_eq!(link, "routes?node=a%26b%3Dc%23d%20%22%C3%A9&prefix=10.0.0.0/8");
    }
}
