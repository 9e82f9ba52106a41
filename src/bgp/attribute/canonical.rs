//! The canonical form of what an UPDATE carries.

use super::section::{Codes, Encoding, Section};
use super::set::{Attribute, Iter};
use super::table::Definition;
use super::{code, flag};
use crate::bgp::as_path::{SegmentKind, Segments};
use crate::bgp::open::AS_TRANS;

/// Flags that say something about the attribute and not about its encoding.
const MEANINGFUL: u8 = flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL;

/// Appends one attribute, with the shortest length field. Only a path of two-octet numbers that fills a
/// long message (RFC 8654) can be too long for any, once its numbers are wide: it is cut.
pub(super) fn put(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    let flags = flags & MEANINGFUL;
    if let Ok(length) = u8::try_from(value.len()) {
        out.extend_from_slice(&[flags, code, length]);
    } else {
        let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
        out.extend_from_slice(&[flags | flag::EXTENDED, code, high, low]);
    }
    out.extend_from_slice(value);
}

/// Whether flags, as received, are those that [`put`] would write.
#[inline]
pub(super) const fn is_canonical(attribute: &Attribute<'_>) -> bool {
    let extended = if attribute.value.len() > 255 { flag::EXTENDED } else { 0 };
    attribute.flags & !MEANINGFUL == extended
}

impl<'a> Section<'a> {
    /// The octets, if they are the canonical form of the attributes of prefixes outside of MP_REACH.
    #[inline]
    pub(in crate::bgp) const fn canonical(&self) -> Option<&'a [u8]> {
        match self.encoding {
            Encoding::Canonical => Some(self.octets),
            Encoding::Prefixes | Encoding::Other | Encoding::TwoOctetAs => None,
        }
    }

    /// Appends the canonical form, with the next hop of MP_REACH if there is one.
    pub(in crate::bgp) fn write(&self, next_hop: Option<&[u8]>, out: &mut Vec<u8>) {
        if let (None, Some(octets)) = (next_hop, self.canonical()) {
            out.extend_from_slice(octets);
            return;
        }
        if self.encoding == Encoding::Prefixes {
            return self.write_without_prefixes(next_hop, out);
        }
        self.write_in_order(next_hop, out);
    }

    /// What is in order already, but for the attributes with prefixes and the next hop that is in there.
    fn write_without_prefixes(&self, next_hop: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut next_hop = next_hop;
        let replaced = next_hop.is_some();
        for attribute in Iter::over(self.octets) {
            match attribute.code {
                code::MP_REACH | code::MP_UNREACH => continue,
                code::NEXT_HOP if replaced => continue,
                code::ORIGIN..=code::NEXT_HOP => {}
                _ => {
                    if let Some(next_hop) = next_hop.take() {
                        put(flag::TRANSITIVE, code::NEXT_HOP, next_hop, out);
                    }
                }
            }
            attribute.put(out);
        }
        if let Some(next_hop) = next_hop {
            put(flag::TRANSITIVE, code::NEXT_HOP, next_hop, out);
        }
    }

    fn write_in_order(&self, next_hop: Option<&[u8]>, out: &mut Vec<u8>) {
        let first = First::of(self);
        let narrow = self.encoding == Encoding::TwoOctetAs;
        let mut codes = first.kept;
        if next_hop.is_some() {
            codes.insert(code::NEXT_HOP);
        }
        for code in codes.iter() {
            match (code, next_hop) {
                (code::NEXT_HOP, Some(next_hop)) => put(flag::TRANSITIVE, code, next_hop, out),
                (code::AS_PATH, _) if narrow => put_wide_path(&first, out),
                (code::AGGREGATOR, _) if narrow => put_wide_aggregator(&first, out),
                (code::AS4_PATH | code::AS4_AGGREGATOR, _) => {}
                _ => {
                    if let Some(attribute) = first.get(code) {
                        put(attribute.flags, code, attribute.value, out);
                    }
                }
            }
        }
    }
}

/// AS_PATH of a peer with two-octet numbers, merged with AS4_PATH (RFC 6793, 4.2.3).
#[cold]
fn put_wide_path(first: &First<'_>, out: &mut Vec<u8>) {
    let Some(path) = first.get(code::AS_PATH) else { return };
    let mut wide = Vec::new();
    let narrow = Narrow { rest: path.value };
    let new = first.get(code::AS4_PATH).filter(|_| believes_as4(first));
    let new = new.map_or(Vec::new(), |attribute| without_confederations(attribute.value));
    let old_length = narrow.clone().map(|(kind, numbers)| count(kind, numbers.len())).sum::<usize>();
    let new_length = Segments::over(&new).map(|segment| count(segment.kind, segment.numbers().len())).sum();
    let (mut lead, new) = match old_length.checked_sub(new_length) {
        Some(lead) if new_length > 0 => (lead, &new[..]),
        _ => (usize::MAX, &[][..]),
    };
    for (kind, numbers) in narrow {
        if lead == 0 {
            break;
        }
        let taken = if kind == SegmentKind::Sequence { numbers.len().min(lead) } else { numbers.len() };
        lead = lead.saturating_sub(count(kind, taken));
        wide.extend([kind.code(), u8::try_from(taken).unwrap_or(u8::MAX)]);
        wide.extend(numbers.iter().take(taken).flat_map(|[high, low]| [0, 0, *high, *low]));
    }
    wide.extend_from_slice(new);
    put(path.flags, code::AS_PATH, &wide, out);
}

/// The segments that AS4_PATH may have (RFC 6793, 6).
fn without_confederations(path: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for segment in Segments::over(path) {
        if matches!(segment.kind, SegmentKind::Sequence | SegmentKind::Set) {
            let numbers = segment.numbers();
            kept.extend([segment.kind.code(), u8::try_from(numbers.len()).unwrap_or(u8::MAX)]);
            kept.extend(numbers.flat_map(u32::to_be_bytes));
        }
    }
    kept
}

#[cold]
fn put_wide_aggregator(first: &First<'_>, out: &mut Vec<u8>) {
    let Some(old) = first.get(code::AGGREGATOR) else { return };
    if let Some(new) = first.get(code::AS4_AGGREGATOR).filter(|_| believes_as4(first)) {
        put(old.flags, code::AGGREGATOR, new.value, out);
    } else {
        put(old.flags, code::AGGREGATOR, &[&[0, 0], old.value].concat(), out);
    }
}

/// Whether AS4_PATH and AS4_AGGREGATOR count: not if someone behind the peer, who does not know them,
/// aggregated after they were written (RFC 6793, 4.2.3).
fn believes_as4(first: &First<'_>) -> bool {
    match (first.get(code::AGGREGATOR), first.get(code::AS4_AGGREGATOR)) {
        (Some(old), Some(_)) => old.value.starts_with(&AS_TRANS.to_be_bytes()),
        _ => true,
    }
}

/// What a segment adds to the length of a path.
const fn count(kind: SegmentKind, numbers: usize) -> usize {
    match kind {
        SegmentKind::Sequence => numbers,
        SegmentKind::Set => 1,
        SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
    }
}

/// Walks a validated AS_PATH of two-octet numbers.
#[derive(Clone)]
struct Narrow<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Narrow<'a> {
    type Item = (SegmentKind, &'a [[u8; 2]]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, count, rest @ ..] = self.rest else { return None };
        let (numbers, rest) = rest.split_at_checked(usize::from(*count).checked_mul(2)?)?;
        self.rest = rest;
        Some((SegmentKind::from_code(*kind)?, numbers.as_chunks().0))
    }
}

/// Where the first attribute of each type is, of those that belong into the canonical form.
struct First<'a> {
    octets: &'a [u8],
    kept: Codes,
    starts: [u16; 256],
}

impl<'a> First<'a> {
    fn of(section: &Section<'a>) -> Self {
        let octets = section.octets;
        let mut first = Self { octets, kept: Codes::default(), starts: [0; 256] };
        let mut seen = Codes::default();
        let mut walk = Iter::over(octets);
        let mut start = 0;
        while let Some(Attribute { flags, code, .. }) = walk.next() {
            let travels = Definition::of(code).is_some() || flags & flag::TRANSITIVE != 0;
            let prefixes = matches!(code, code::MP_REACH | code::MP_UNREACH);
            if seen.insert(code) && travels && !prefixes && !section.dropped(code) {
                first.kept.insert(code);
                if let Some(place) = first.starts.get_mut(usize::from(code)) {
                    *place = start;
                }
            }
            start = u16::try_from(octets.len().saturating_sub(walk.rest().len())).unwrap_or(u16::MAX);
        }
        first
    }

    fn get(&self, code: u8) -> Option<Attribute<'a>> {
        if !self.kept.contains(code) {
            return None;
        }
        let start = *self.starts.get(usize::from(code))?;
        Iter::over(self.octets.get(usize::from(start)..)?).next()
    }
}
