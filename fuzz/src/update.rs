//! UPDATE under every combination of terms: whatever is wrong with it, each of its prefixes is announced or
//! withdrawn, nothing else is, and attributes in canonical form are read as they are.

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::{Builder, Set};
use thirdleaf::bgp::batch::Item;
use thirdleaf::bgp::header::HEADER;
use thirdleaf::bgp::{Batch, Error, Families, Family, Negotiated, Nlri, Update, frame};

use super::input::Input;
use super::{recipe, terms};

/// One octet of terms; then, by its highest bit, a body or the recipe of one.
pub fn body(data: &[u8]) -> (Negotiated, Vec<u8>) {
    let mut input = Input::new(data);
    let bits = input.u8();
    let terms = terms::chosen(bits);
    let mut body = if bits & 0x80 == 0 { recipe::update(&mut input, &terms) } else { input.rest().to_vec() };
    body.truncate(65535 - HEADER);
    (terms, body)
}

/// As [`body`] reads it.
pub fn check(data: &[u8]) {
    let (terms, body) = body(data);
    match Update::parse(&body, &terms) {
        Ok(update) => {
            every_prefix_is_told(&body, &update, &terms);
            a_batch_tells_the_same(&update);
            for announced in update.announced() {
                let mut scratch = Vec::new();
                let set = update.attributes(announced, &mut scratch);
                is_canonical(&set);
                arrives_again(announced.nlri, &set, &terms);
            }
        }
        Err(error) => points_into(&body, &error),
    }
}

type Told = Vec<(Family, u32, IpNet)>;

fn points_into(body: &[u8], error: &Error) {
    let notification = error.notification();
    assert_eq!(notification.code, 3, "{error}");
    assert!(body[error.offset()..].starts_with(&notification.data), "{error}");
    assert!(!error.to_string().contains(char::is_control));
}

fn every_prefix_is_told(body: &[u8], update: &Update<'_>, terms: &Negotiated) {
    let (mut withdrawn, mut announced) = by_hand(body, terms).expect("what was accepted can be read");
    if update.faults().withdraw() {
        withdrawn.append(&mut announced);
    }
    assert_eq!(told(update.withdrawn()), sorted(withdrawn), "withdrawn");
    assert_eq!(told(update.announced().map(|announced| announced.nlri)), sorted(announced), "announced");
    assert_eq!(update.faults().count() == 0, update.faults().to_string().is_empty());
}

fn told<'a>(nlri: impl Iterator<Item = Nlri<'a>>) -> Told {
    let prefixes =
        nlri.flat_map(|nlri| nlri.into_iter().map(move |(id, prefix)| (nlri.family(), id, prefix)));
    sorted(prefixes.collect())
}

fn sorted(mut told: Told) -> Told {
    told.sort_unstable();
    told
}

/// The prefixes of negotiated families that a body withdraws and announces, by the simplest reading: lengths
/// are believed, attributes that cannot be read end the walk.
fn by_hand(body: &[u8], terms: &Negotiated) -> Option<(Told, Told)> {
    let (mut withdrawn, mut announced) = (Told::new(), Told::new());
    let (count, rest) = body.split_first_chunk::<2>()?;
    let (octets, rest) = rest.split_at_checked(u16::from_be_bytes(*count).into())?;
    prefixes(Family::Ipv4, octets, terms, &mut withdrawn)?;
    let (count, rest) = rest.split_first_chunk::<2>()?;
    let (mut attributes, octets) = rest.split_at_checked(u16::from_be_bytes(*count).into())?;
    prefixes(Family::Ipv4, octets, terms, &mut announced)?;
    while !attributes.is_empty() {
        let (code, value, after) = match attributes {
            [flags, code, high, low, rest @ ..] if flags & 0x10 != 0 => {
                (*code, rest.get(..u16::from_be_bytes([*high, *low]).into()), rest)
            }
            [flags, code, length, rest @ ..] if flags & 0x10 == 0 => {
                (*code, rest.get(..usize::from(*length)), rest)
            }
            _ => break,
        };
        let Some(value) = value else { break };
        attributes = &after[value.len()..];
        let (list, afi, rest) = match (code, value) {
            (14, [0, afi, 1, rest @ ..]) => (&mut announced, *afi, rest),
            (15, [0, afi, 1, rest @ ..]) => (&mut withdrawn, *afi, rest),
            _ => continue,
        };
        // What is said of other families is passed over.
        let family = Family::from_wire(afi.into(), 1).filter(|family| terms.families.contains(*family));
        let Some(family) = family else { continue };
        let next_hop = if code == 14 { usize::from(*rest.first()?) + 2 } else { 0 };
        prefixes(family, rest.get(next_hop..)?, terms, list)?;
    }
    Some((withdrawn, announced))
}

fn prefixes(family: Family, mut octets: &[u8], terms: &Negotiated, list: &mut Told) -> Option<()> {
    while !octets.is_empty() {
        let mut id = 0;
        if terms.add_path.contains(family) {
            let (first, rest) = octets.split_first_chunk::<4>()?;
            (id, octets) = (u32::from_be_bytes(*first), rest);
        }
        let (length, rest) = octets.split_first()?;
        let (address, rest) = rest.split_at_checked(usize::from(*length).div_ceil(8))?;
        let mut filled = [0; 16];
        filled.get_mut(..address.len())?.copy_from_slice(address);
        let prefix = match family {
            Family::Ipv4 => {
                let [a, b, c, d, ..] = filled;
                IpNet::from(Ipv4Net::new([a, b, c, d].into(), *length).ok()?)
            }
            Family::Ipv6 => IpNet::from(Ipv6Net::new(filled.into(), *length).ok()?),
        };
        if terms.families.contains(family) {
            list.push((family, id, prefix.trunc()));
        }
        octets = rest;
    }
    Some(())
}

fn a_batch_tells_the_same(update: &Update<'_>) {
    let mut batch = Batch::default();
    batch.push_update(update);
    let once = batch.octets_len();
    let (mut withdrawn, mut announced, mut ended) = (Vec::new(), Vec::new(), None);
    for item in batch.items() {
        match item {
            Item::Withdraw(nlri) => {
                assert!(announced.is_empty(), "withdrawals come first");
                withdrawn.push(nlri);
            }
            Item::Announce(nlri, set) => announced.push((nlri, set)),
            Item::EndOfRib(family) => ended = Some(family),
            other => panic!("{other:?} of an UPDATE"),
        }
    }
    assert!(update.withdrawn().eq(withdrawn.iter().copied()));
    assert_eq!(update.end_of_rib(), ended);
    assert!(ended.is_none() || batch.len() == 1, "End-of-RIB is alone");
    assert_eq!(update.announced().count(), announced.len());
    for (one, (nlri, set)) in update.announced().zip(&announced) {
        let mut scratch = Vec::new();
        assert_eq!((one.nlri, update.attributes(one, &mut scratch)), (*nlri, *set));
    }
    let single = announced.len() == 1;
    batch.push_update(update);
    assert!(!single || batch.octets_len() < 2 * once, "the same attributes are held once");
}

fn is_canonical(set: &Set<'_>) {
    let codes: Vec<_> = set.iter().map(|attribute| attribute.code).collect();
    assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
    for code in [14, 15, 17, 18, 5, 9, 10] {
        assert!(!codes.contains(&code), "attribute {code} is none of the canonical form");
    }
    assert!(set.origin().is_some() && set.next_hop().is_some() && codes.contains(&2));
    let path = set.as_path();
    assert!(path.numbers().all(|asn| asn != 0));
    assert!(path.length() <= path.numbers().count());
    assert_eq!(path.is_empty(), set.get(2) == Some(&[]));
    assert!(!path.to_string().contains(['(', '[']), "no confederations");
    for community in set.communities() {
        assert!(!community.to_string().is_empty());
    }
    let mut octets = Vec::new();
    set.iter().for_each(|attribute| attribute.put(&mut octets));
    assert_eq!(octets, set.octets());
}

/// What was taken in, written out again and sent, is taken in as the same.
fn arrives_again(nlri: Nlri<'_>, set: &Set<'_>, terms: &Negotiated) {
    let raw = |builder: Builder, attribute: thirdleaf::bgp::attribute::Attribute<'_>| {
        builder.raw(attribute.flags, attribute.code, attribute.value)
    };
    let builder = set.iter().fold(Builder::default(), raw);
    assert_eq!(builder.octets(), set.octets());
    // An announcer fills messages of 4,096 octets.
    if set.octets().len() > 3500 {
        return;
    }
    let mut out = BytesMut::new();
    let announcer = Announcer { add_path: terms.add_path };
    announcer.announce(nlri.family(), *set, nlri, &mut out);
    announcer.withdraw(nlri.family(), nlri, &mut out);
    let wide = Negotiated { four_octet_as: true, families: Families::ALL, ..terms.clone() };
    let mut prefixes = nlri.into_iter().chain(nlri);
    let mut rest = &out[..];
    while let Some(found) = frame(rest, false).unwrap() {
        let update = Update::parse(found.body, &wide).unwrap();
        assert!(update.faults().is_empty(), "{}", update.faults());
        for announced in update.announced() {
            let mut scratch = Vec::new();
            assert_eq!(update.attributes(announced, &mut scratch), *set);
            // Type 0, which is reserved, is in no order.
            let as_it_is = nlri.family() == Family::Ipv4 && set.get(0).is_none();
            assert!(scratch.is_empty() || !as_it_is, "rewritten");
            assert!(announced.nlri.into_iter().all(|prefix| prefixes.next() == Some(prefix)));
        }
        for withdrawn in update.withdrawn() {
            assert!(withdrawn.into_iter().all(|prefix| prefixes.next() == Some(prefix)));
        }
        rest = &rest[found.octets.len()..];
    }
    assert!(rest.is_empty() && prefixes.next().is_none());
}
