//! What an answer means, before anybody believes it.

use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Error;
use crate::config::model::Secret;
use crate::eepg::Mo;

/// Of a text from the APIC, this many characters go into an error: its longest useful ones name two DNs.
const TEXT: usize = 400;
/// Of the body of a failure, nobody needs more.
pub(super) const FAILURE: usize = 64 * 1024;
/// Nobody has to wait longer, whatever `Retry-After` says.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What stands in place of a secret.
const HIDDEN: &str = "********";

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
    /// What no text made of it may hold.
    pub(super) secrets: Vec<Secret>,
}

impl Answer {
    /// No error repeats this secret, should the far end write it back, be it escaped. Errors are short: a page of
    /// objects is not searched.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        self.secrets.push(Secret::new(secret));
        if self.body.len() > FAILURE {
            return;
        }
        let text = String::from_utf8_lossy(&self.body);
        if text.contains(secret) {
            self.body = text.replace(secret, HIDDEN).into_bytes();
        }
    }

    /// As it may be shown to anybody.
    fn shown(&self, text: &str) -> String {
        let bare = |text: String, secret: &Secret| text.replace(secret.expose(), HIDDEN);
        clean(&self.secrets.iter().fold(text.to_owned(), bare))
    }

    /// The body of a success, or what the failure is.
    ///
    /// 401 and 403 are [`Error::BadCredentials`] and [`Error::Denied`], for who knows the session to judge.
    pub(super) fn classified(self) -> Result<Vec<u8>, Error> {
        let text = || self.shown(&self.text());
        let throttled = |text| Error::Throttled { status: self.status, text, retry_after: self.retry_after };
        match self.status {
            401 => return Err(Error::BadCredentials { text: text(), again_in: Duration::ZERO }),
            403 => return Err(Error::Denied { text: text() }),
            413 | 414 => return Err(Error::TooLarge { text: text() }),
            _ => {}
        }
        if let Some(Fault { code, text }) = self.fault() {
            return Err(match (&*code, self.status) {
                _ if text.contains("result dataset is too big") => Error::TooLarge { text },
                (_, 405 | 429 | 500..=504) => throttled(text),
                ("102", _) => Error::NotFound { text },
                _ => Error::Refused { status: self.status, code, text },
            });
        }
        match self.status {
            404 => Err(Error::Refused { status: 404, code: String::new(), text: text() }),
            405 | 429 | 500..=504 => Err(throttled(text())),
            _ if self.is_html() => Err(throttled(text())),
            200..=299 => Ok(self.body),
            300..=399 => Err(Error::Nonsense {
                text: format!(
                    "it sends us to {:?}",
                    self.shown(self.location.as_deref().unwrap_or_default())
                ),
            }),
            status => Err(Error::Refused { status, code: String::new(), text: text() }),
        }
    }

    fn is_html(&self) -> bool {
        self.body.iter().find(|octet| !octet.is_ascii_whitespace() && octet.is_ascii()) == Some(&b'<')
    }

    /// The error that the APIC wrote, if it wrote one.
    fn fault(&self) -> Option<Fault> {
        if !looks_like_json(&self.body) {
            return None;
        }
        let mut found = None;
        let _ = Envelope::read(&self.body, |mo| {
            if mo.class == "error" && found.is_none() {
                found = Some(Fault { code: self.shown(mo.get("code")), text: self.shown(mo.get("text")) });
            }
            // Errors come alone: the first object of any other answer says that it is none.
            if found.is_some() { Ok(()) } else { Err(String::new()) }
        });
        found
    }

    /// What there is to say of it: the APIC's own text, the title of a page, or the begin of what came.
    fn text(&self) -> String {
        if let Some(fault) = self.fault() {
            return fault.text;
        }
        let body = String::from_utf8_lossy(self.body.get(..4096).unwrap_or(&self.body));
        let title = body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        match title {
            Some((title, _)) => title.to_owned(),
            None if self.is_html() => "a page of HTML".to_owned(),
            None if body.trim().is_empty() => format!("HTTP {} without a body", self.status),
            None => body.into_owned(),
        }
    }
}

struct Fault {
    code: String,
    text: String,
}

/// An object; anything else is not worth a parser.
pub(super) fn looks_like_json(body: &[u8]) -> bool {
    body.iter().find(|octet| !octet.is_ascii_whitespace()) == Some(&b'{')
}

/// On one line, printable, and not too long.
pub(super) fn clean(text: &str) -> String {
    let mut kept: String =
        text.chars().map(|letter| if is_unprintable(letter) { ' ' } else { letter }).take(TEXT).collect();
    if kept.len() < text.len() && text.chars().nth(TEXT).is_some() {
        kept.push_str("...");
    }
    kept.trim().to_owned()
}

/// Controls, and what turns the direction of a line or breaks it.
fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `Retry-After` in seconds; a date is not worth a calendar.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// `{"totalCount": "1", "imdata": [...]}`, of which no more than one object stands in memory.
pub(super) struct Envelope {
    /// `totalCount`.
    pub(super) total: usize,
    /// Objects of `imdata`.
    pub(super) count: usize,
}

impl Envelope {
    /// Gives each object of `body`, until `each` has something against one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn read(body: &[u8], each: impl FnMut(Mo) -> Result<(), String>) -> Result<Self, String> {
        if !looks_like_json(body) {
            return Err("it is no JSON".to_owned());
        }
        let mut reader = serde_json::Deserializer::from_slice(body);
        let mut refused = None;
        let read = Whole { each, refused: &mut refused }.deserialize(&mut reader);
        let (total, count) = match (refused, read) {
            (Some(reason), _) => return Err(reason),
            (None, Err(error)) => return Err(clean(&error.to_string())),
            (None, Ok(read)) => read,
        };
        reader.end().map_err(|_| "something follows it".to_owned())?;
        let total = total.ok_or("it has no totalCount")?;
        let count = count.ok_or("it has no imdata")?;
        Ok(Self { total, count })
    }
}

/// The whole answer.
struct Whole<'a, F> {
    each: F,
    refused: &'a mut Option<String>,
}

impl<'de, F: FnMut(Mo) -> Result<(), String>> DeserializeSeed<'de> for Whole<'_, F> {
    type Value = (Option<usize>, Option<usize>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Mo) -> Result<(), String>> Visitor<'de> for Whole<'_, F> {
    type Value = (Option<usize>, Option<usize>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with totalCount and imdata")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut total, mut count) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "totalCount" => {
                    let text = map.next_value::<String>()?;
                    let number =
                        text.parse().map_err(|_| serde::de::Error::custom("totalCount is no number"))?;
                    total = Some(number);
                }
                "imdata" if count.is_none() => {
                    count =
                        Some(map.next_value_seed(Objects { each: &mut self.each, refused: self.refused })?);
                }
                "imdata" => return Err(serde::de::Error::custom("imdata twice")),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((total, count))
    }
}

/// `imdata`.
struct Objects<'a, F> {
    each: &'a mut F,
    refused: &'a mut Option<String>,
}

impl<'de, F: FnMut(Mo) -> Result<(), String>> DeserializeSeed<'de> for Objects<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Mo) -> Result<(), String>> Visitor<'de> for Objects<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(mo) = list.next_element::<Mo>()? {
            if let Err(reason) = (self.each)(mo) {
                *self.refused = Some(reason);
                return Err(serde::de::Error::custom("refused"));
            }
            count += 1;
        }
        Ok(count)
    }
}
