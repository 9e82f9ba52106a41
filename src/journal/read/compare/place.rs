//! A place in a comparison.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::journal::view::Member;
use crate::observer::BadCursor;
use crate::time::Timestamp;

/// The last difference that was shown, and between which times. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) section: Section,
}

/// Where in which section, in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// Prefix, peer, path.
    Route((IpNet, i64, u32)),
    /// The same.
    Verdict((IpNet, i64, u32)),
    /// Kind and identity.
    Finding((String, String)),
    Member(Member),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~", self.from.as_micros(), self.to.as_micros())?;
        let net = |prefix: &IpNet| format!("{}~{}", prefix.addr(), prefix.prefix_len());
        match &self.section {
            Section::Route((prefix, peer, path_id)) => write!(f, "r~{}~{peer}~{path_id}", net(prefix)),
            Section::Verdict((prefix, peer, path_id)) => write!(f, "v~{}~{peer}~{path_id}", net(prefix)),
            Section::Finding((kind, id)) => write!(f, "f~{kind}~{id}"),
            Section::Member(Member { prefix, apic, container }) => {
                write!(f, "m~{}~{apic}~{container}", net(prefix))
            }
        }
    }
}

impl FromStr for Place {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.splitn(4, '~');
        let mut part = || parts.next().ok_or(BadCursor);
        let time = |text: &str| text.parse().map(Timestamp::from_micros).map_err(|_| BadCursor);
        let (from, to) = (time(part()?)?, time(part()?)?);
        let (section, rest) = (part()?, part()?);
        let section = match section {
            "r" => Section::Route(route(rest)?),
            "v" => Section::Verdict(route(rest)?),
            "f" => {
                let (kind, id) = rest.split_once('~').ok_or(BadCursor)?;
                Section::Finding((kind.to_owned(), id.to_owned()))
            }
            "m" => {
                let parts: Vec<_> = rest.splitn(4, '~').collect();
                let [address, length, apic, container] = parts[..] else { return Err(BadCursor) };
                let (apic, container) = (apic.to_owned(), container.to_owned());
                Section::Member(Member { prefix: net(address, length)?, apic, container })
            }
            _ => return Err(BadCursor),
        };
        Ok(Self { from, to, section })
    }
}

fn route(text: &str) -> Result<(IpNet, i64, u32), BadCursor> {
    let parts: Vec<_> = text.split('~').collect();
    let [address, length, peer, path_id] = parts[..] else { return Err(BadCursor) };
    let peer = peer.parse().map_err(|_| BadCursor)?;
    Ok((net(address, length)?, peer, path_id.parse().map_err(|_| BadCursor)?))
}

fn net(address: &str, length: &str) -> Result<IpNet, BadCursor> {
    let address: IpAddr = address.parse().map_err(|_| BadCursor)?;
    IpNet::new(address, length.parse().map_err(|_| BadCursor)?).map_err(|_| BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_printing_and_nonsense_does_not_parse() {
        let prefix = "fd00:10:244::40/122".parse().unwrap();
        let member = Member { prefix, apic: "fabric1".into(), container: "uni/tn-a/out-~b/instP-c".into() };
        let sections = [
            Section::Route((prefix, 17, u32::MAX)),
            Section::Verdict((prefix, 1, 0)),
            Section::Finding(("rogue_route".into(), "f~17".into())),
            Section::Member(member),
        ];
        for section in sections {
            let place = Place { from: Timestamp::from_micros(5), to: Timestamp::from_micros(9), section };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in [
            "",
            "5",
            "5~9~r",
            "5~9~x~1",
            "5~9~r~10.0.0.0~33~1~1",
            "5~9~f~x",
            "5~9~m~10.0.0.0~8~a",
            "a~9~f~x~y",
        ] {
            assert_eq!(text.parse::<Place>(), Err(BadCursor), "{text}");
        }
    }
}
