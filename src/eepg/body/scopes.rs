//! The flags of `l3extSubnet.scope`, which the APIC takes and gives as a whole.

use std::fmt;

use crate::config::model::SubnetScope;

/// A set of flags of `l3extSubnet.scope`: a bit for each, in the order in which the APIC names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(pub u8);

impl Scopes {
    /// The set of these.
    pub fn of(flags: &[SubnetScope]) -> Self {
        flags.iter().fold(Self::default(), |set, flag| set.union(Self::only(*flag)))
    }

    /// The set of `flag` alone.
    fn only(flag: SubnetScope) -> Self {
        let bit = SubnetScope::ALL.iter().position(|known| *known == flag);
        Self(bit.map_or(0, |bit| 1 << bit))
    }

    /// What the APIC says, and whether that was understood: flags that there were none of are left out.
    pub fn read(text: &str) -> (Self, bool) {
        let names = text.split(',').filter(|name| !name.is_empty());
        names.fold((Self::default(), true), |(set, known), name| match SubnetScope::from_name(name) {
            Some(flag) => (set.union(Self::only(flag)), known),
            None => (set, false),
        })
    }

    /// Whether `flag` is among them.
    pub fn contains(self, flag: SubnetScope) -> bool {
        self.0 & Self::only(flag).0 != 0
    }

    /// What either set holds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What `other` does not hold.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// As the APIC writes it: comma-joined, in its order.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = SubnetScope::ALL.into_iter().filter(|flag| self.contains(*flag));
        for (place, flag) in flags.enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}", flag.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_in_the_order_of_the_apic() {
        for (text, shown, known) in [
            ("", "", true),
            ("import-security", "import-security", true),
            ("shared-security,import-security", "import-security,shared-security", true),
            (
                "shared-security,shared-rtctrl,import-security,import-rtctrl,export-rtctrl",
                "export-rtctrl,import-rtctrl,import-security,shared-rtctrl,shared-security",
                true,
            ),
            ("import-security,import-security,", "import-security", true),
            ("import-security,sideways", "import-security", false),
            ("IMPORT-SECURITY", "", false),
        ] {
            let (set, understood) = Scopes::read(text);
            assert_eq!((set.to_string().as_str(), understood), (shown, known), "{text}");
        }
    }

    #[test]
    fn every_set_leads_there_and_back() {
        for bits in 0..32 {
            let set = Scopes(bits);
            assert_eq!(Scopes::read(&set.to_string()), (set, true));
            let flags: Vec<_> = SubnetScope::ALL.into_iter().filter(|flag| set.contains(*flag)).collect();
            assert_eq!(Scopes::of(&flags), set);
        }
        let (one, other) = (Scopes(0b01101), Scopes(0b00100));
        assert_eq!((one.union(other), one.without(other)), (one, Scopes(0b01001)));
    }
}
