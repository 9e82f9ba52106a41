//! AS_PATH (RFC 4271, 4.3 and 5.1.2), with four-octet numbers.

use std::fmt;

use super::wire::u8;

/// A validated AS_PATH: segments of four-octet AS numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsPath<'a>(&'a [u8]);

/// What the numbers of a segment are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// 1: in no order (AS_SET).
    Set,
    /// 2: one after the other (AS_SEQUENCE).
    Sequence,
    /// 3: AS_CONFED_SEQUENCE (RFC 5065).
    ConfedSequence,
    /// 4: AS_CONFED_SET (RFC 5065).
    ConfedSet,
}

impl SegmentKind {
    /// The kind with this code.
    #[inline]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Set),
            2 => Some(Self::Sequence),
            3 => Some(Self::ConfedSequence),
            4 => Some(Self::ConfedSet),
            _ => None,
        }
    }

    /// Its code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Sequence => 2,
            Self::ConfedSequence => 3,
            Self::ConfedSet => 4,
        }
    }
}

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its kind.
    pub kind: SegmentKind,
    numbers: &'a [[u8; 4]],
}

impl<'a> Segment<'a> {
    /// Its AS numbers.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + use<'a> {
        self.numbers.iter().map(|octets| u32::from_be_bytes(*octets))
    }
}

impl<'a> AsPath<'a> {
    /// A path from octets that were validated before; given others, it ends where they make no sense.
    pub(crate) const fn validated(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Its segments.
    pub const fn segments(&self) -> Segments<'a> {
        Segments::over(self.0)
    }

    /// All AS numbers, from the left.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.segments().flat_map(|segment| segment.numbers())
    }

    /// How long it is to route selection: a set counts 1, confederation segments 0 (RFC 4271, 9.1.2.2;
    /// RFC 5065, 5.3).
    pub fn length(&self) -> usize {
        let count = |segment: Segment<'_>| match segment.kind {
            SegmentKind::Set => 1,
            SegmentKind::Sequence => segment.numbers.len(),
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.segments().map(count).fold(0, usize::saturating_add)
    }

    /// The leftmost AS, which is the peer's; none if the path is empty or starts with a set.
    pub fn first(&self) -> Option<u32> {
        let segment = self.segments().next()?;
        if segment.kind == SegmentKind::Sequence { segment.numbers().next() } else { None }
    }

    /// The AS that the route comes from: the rightmost; none if the path is empty or ends with a set.
    pub fn origin(&self) -> Option<u32> {
        let segment = self.segments().last()?;
        if segment.kind == SegmentKind::Sequence { segment.numbers().next_back() } else { None }
    }

    /// Whether `asn` is anywhere in it.
    pub fn contains(&self, asn: u32) -> bool {
        self.numbers().any(|number| number == asn)
    }

    /// Whether any segment is an AS_SET.
    pub fn has_set(&self) -> bool {
        self.segments().any(|segment| matches!(segment.kind, SegmentKind::Set | SegmentKind::ConfedSet))
    }

    /// Whether there is no AS.
    pub fn is_empty(&self) -> bool {
        self.segments().next().is_none()
    }
}

/// Walks an [`AsPath`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) const fn over(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        let (rest, kind) = u8(self.rest).ok()?;
        let (rest, count) = u8(rest).ok()?;
        let (numbers, rest) = rest.split_at_checked(usize::from(count).checked_mul(4)?)?;
        self.rest = rest;
        Some(Segment { kind: SegmentKind::from_code(kind)?, numbers: numbers.as_chunks().0 })
    }
}

/// Numbers with spaces between them, sets in braces: `65102 65101 {1 2}`.
impl fmt::Display for AsPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for segment in self.segments() {
            let (open, close) = match segment.kind {
                SegmentKind::Sequence => ("", ""),
                SegmentKind::Set => ("{", "}"),
                SegmentKind::ConfedSequence => ("(", ")"),
                SegmentKind::ConfedSet => ("[", "]"),
            };
            write!(f, "{gap}{open}")?;
            for (index, asn) in segment.numbers().enumerate() {
                write!(f, "{}{asn}", if index == 0 { "" } else { " " })?;
            }
            f.write_str(close)?;
            gap = " ";
        }
        Ok(())
    }
}
