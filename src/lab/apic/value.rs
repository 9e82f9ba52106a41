//! What the properties of objects may be, and how the APIC writes it.

use std::net::IpAddr;

use super::refusal::Refusal;

/// The type of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// So many characters of a set.
    Text { letters: Letters, min: usize, max: usize },
    /// One of these words.
    Choice(Vec<&'static str>),
    /// Some of these words; replaced as a whole, and joined in this order.
    Flags(Vec<&'static str>),
    /// A number, or one of the words for numbers.
    Number { min: u64, max: u64, words: Vec<(&'static str, u64)> },
    /// An address without a length.
    Address,
    /// Anything that consists of what addresses and lengths consist of.
    Prefix,
    /// Six octets.
    Mac,
    /// The name of another object, there or not.
    Dn,
    /// The APIC alone writes it.
    Shown,
    /// The object that another property names: `(property, prefix of the relative name)`.
    Target(&'static str, &'static str),
}

/// A set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Name,
    Text,
    Any,
}

impl Letters {
    fn have(self, letter: char) -> bool {
        match self {
            Self::Name => letter.is_ascii_alphanumeric() || "_.:-".contains(letter),
            Self::Text => letter.is_ascii_alphanumeric() || "\\!#$%()*,-./:;@ _{|}~?&+[]".contains(letter),
            Self::Any => !"<>".contains(letter) && (!letter.is_control() || letter == '\n' || letter == '\r'),
        }
    }
}

impl Type {
    /// As `classes.txt` writes it.
    pub(super) fn read(text: &'static str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let text = |letters| {
            let (min, max) = range(rest)?;
            Some(Self::Text { letters, min: usize::try_from(min).ok()?, max: usize::try_from(max).ok()? })
        };
        match kind {
            "name" | "mark" => text(Letters::Name),
            "text" => text(Letters::Text),
            "any" => text(Letters::Any),
            "choice" => Some(Self::Choice(rest.split(',').collect())),
            "flags" => Some(Self::Flags(rest.split(',').collect())),
            "number" => {
                let mut words = rest.split(' ');
                let (min, max) = range(words.next()?)?;
                let words = words.map(|word| {
                    let (word, number) = word.split_once('=')?;
                    Some((word, number.parse().ok()?))
                });
                Some(Self::Number { min, max, words: words.collect::<Option<_>>()? })
            }
            "address" => Some(Self::Address),
            "prefix" => Some(Self::Prefix),
            "mac" => Some(Self::Mac),
            "dn" => Some(Self::Dn),
            "shown" => Some(Self::Shown),
            "target" => rest.split_once(' ').map(|(property, prefix)| Self::Target(property, prefix)),
            _ => None,
        }
    }

    /// Whether a client may set it.
    pub(super) const fn is_settable(&self) -> bool {
        !matches!(self, Self::Shown | Self::Target(..))
    }

    /// The value as the APIC keeps it.
    ///
    /// # Errors
    /// 120 for a word that it does not know, 801 for what has not the form.
    pub(super) fn check(
        &self,
        class: &str,
        dn: &str,
        property: &str,
        value: &str,
    ) -> Result<String, Refusal> {
        let invalid = || Refusal::validation(dn, property, value);
        let unknown = || Refusal::value(class, property, value);
        match self {
            Self::Text { letters, min, max } => {
                let length = value.chars().count();
                let fits =
                    (*min..=*max).contains(&length) && value.chars().all(|letter| letters.have(letter));
                fits.then(|| value.to_owned()).ok_or_else(invalid)
            }
            Self::Choice(words) => words.contains(&value).then(|| value.to_owned()).ok_or_else(unknown),
            Self::Flags(words) => {
                let given: Vec<_> = value.split(',').map(str::trim).filter(|flag| !flag.is_empty()).collect();
                if given.iter().any(|flag| !words.contains(flag)) {
                    return Err(unknown());
                }
                let kept: Vec<_> = words.iter().copied().filter(|word| given.contains(word)).collect();
                Ok(kept.join(","))
            }
            Self::Number { min, max, words } => {
                if words.iter().any(|(word, _)| *word == value) {
                    return Ok(value.to_owned());
                }
                let number: u64 = value.parse().map_err(|_| invalid())?;
                if !(*min..=*max).contains(&number) {
                    return Err(invalid());
                }
                let word = words.iter().find(|(_, meant)| *meant == number);
                Ok(word.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned()))
            }
            Self::Address => value.parse::<IpAddr>().map(|_| value.to_owned()).map_err(|_| invalid()),
            Self::Prefix => {
                let letters =
                    value.chars().all(|letter| letter.is_ascii_hexdigit() || ".:/".contains(letter));
                (letters && !value.is_empty() && value.len() <= 64)
                    .then(|| value.to_owned())
                    .ok_or_else(invalid)
            }
            Self::Mac => mac(value).ok_or_else(invalid),
            Self::Dn => {
                let length = value.len() <= 1024 && Letters::Any.clean(value);
                length.then(|| value.to_owned()).ok_or_else(invalid)
            }
            Self::Shown | Self::Target(..) => Ok(value.to_owned()),
        }
    }
}

impl Letters {
    fn clean(self, value: &str) -> bool {
        value.chars().all(|letter| self.have(letter))
    }
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (min, max) = text.split_once("..")?;
    Some((min.parse().ok()?, max.parse().ok()?))
}

/// In capitals.
fn mac(value: &str) -> Option<String> {
    let octets: Vec<_> = value.split(':').collect();
    let fine = octets.len() == 6
        && octets
            .iter()
            .all(|octet| octet.len() == 2 && octet.chars().all(|digit| digit.is_ascii_hexdigit()));
    fine.then(|| value.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &'static str, value: &str) -> Result<String, u16> {
        let kind = Type::read(kind).unwrap();
        kind.check("l3extSubnet", "uni/x", "p", value).map_err(|refusal| refusal.code)
    }

    #[test]
    fn values_are_kept_as_the_apic_writes_them() {
        let scope = "flags export-rtctrl,import-rtctrl,import-security,shared-rtctrl,shared-security";
        assert_eq!(
            check(scope, "shared-security,import-security").unwrap(),
            "import-security,shared-security"
        );
        assert_eq!(check(scope, "").unwrap(), "");
        assert_eq!(check("mac", "00:50:56:aa:bb:0c").unwrap(), "00:50:56:AA:BB:0C");
        assert_eq!(check("number 1..3600 default=300", "300").unwrap(), "default");
        assert_eq!(check("number 1..3600 default=300", "0301").unwrap(), "301");
        assert_eq!(check("prefix", "10.1.2.3/24").unwrap(), "10.1.2.3/24", "host bits stay");
        assert_eq!(check("address", "fd00::1").unwrap(), "fd00::1");
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_code_for_it() {
        for (kind, value, code) in [
            ("flags a,b", "a,c", 120),
            ("choice a,b", "c", 120),
            ("choice a,b", "", 120),
            ("name 1..4", "", 801),
            ("name 1..4", "abcde", 801),
            ("name 1..4", "a b", 801),
            ("text 0..128", "say \"so\"", 801),
            ("text 0..128", "a=b", 801),
            ("any 1..2048", "<b>", 801),
            ("number 1..10", "11", 801),
            ("number 1..10", "many", 801),
            ("address", "10.0.0.0/24", 801),
            ("prefix", "web", 801),
            ("mac", "00:50:56", 801),
        ] {
            assert_eq!(check(kind, value), Err(code), "{kind}: {value}");
        }
    }
}
