//! Frames: how records follow each other in a segment.

use serde::Serialize;

/// What a segment begins with; the rest of the line says who wrote it, as only they know what it holds.
const MAGIC: &[u8] = b"thirdleaf trace ";
/// The writer: this program, and a number that changes with what frames hold between two versions of it.
const WRITER: &str = concat!(env!("CARGO_PKG_VERSION"), " layout 5");
/// Longer than any writer's name.
const LONGEST_WRITER: usize = 64;

/// Appends the first line of a segment.
pub(super) fn put_head(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(WRITER.as_bytes());
    out.push(b'\n');
}

/// Length and check sum.
const HEADER: usize = 8;

/// Appends a frame.
pub(super) fn put(body: &impl Serialize, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    let mut written = postcard::to_extend(body, std::mem::take(out))?;
    std::mem::swap(out, &mut written);
    let (length, check) = match out.get(start + HEADER..) {
        Some(body) => (u32::try_from(body.len()).unwrap_or(u32::MAX), check_sum(body)),
        None => return Ok(()),
    };
    if let Some(header) = out.get_mut(start..start + HEADER) {
        let (first, second) = header.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        second.copy_from_slice(&check.to_le_bytes());
    }
    Ok(())
}

/// Reads frames.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    /// How far it came.
    pub(super) offset: usize,
}

/// A frame is not whole, or not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Torn;

/// Why a segment has no frames that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("is no segment of a trace")]
    Foreign,
    #[error("was written by {0}, this is {WRITER}; replay it with that version")]
    Version(String),
}

impl<'a> Frames<'a> {
    /// The frames of a segment.
    pub(super) fn new(segment: &'a [u8]) -> Result<Self, Unreadable> {
        let named = segment.strip_prefix(MAGIC).ok_or(Unreadable::Foreign)?;
        let end = named.iter().take(LONGEST_WRITER).position(|octet| *octet == b'\n');
        let (writer, rest) = named.split_at(end.ok_or(Unreadable::Foreign)?);
        if writer != WRITER.as_bytes() {
            return Err(Unreadable::Version(writer.escape_ascii().to_string()));
        }
        let rest = rest.get(1..).unwrap_or_default();
        Ok(Self { rest, offset: segment.len() - rest.len() })
    }

    /// The next body; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&'a [u8]>, Torn> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (length, after) = self.rest.split_first_chunk::<4>().ok_or(Torn)?;
        let (check, after) = after.split_first_chunk::<4>().ok_or(Torn)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Torn)?;
        let (body, after) = after.split_at_checked(length).ok_or(Torn)?;
        if check_sum(body) != u32::from_le_bytes(*check) {
            return Err(Torn);
        }
        self.offset += self.rest.len() - after.len();
        self.rest = after;
        Ok(Some(body))
    }
}

/// FNV-1a: against what a disk or a kill leaves, not against malice.
fn check_sum(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |sum, octet| (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_up_to_where_it_is_torn() {
        let mut segment = vec![];
        put_head(&mut segment);
        let head = segment.len();
        put(&"one", &mut segment).unwrap();
        let whole = segment.len();
        put(&(2_u32, "two"), &mut segment).unwrap();
        let read = |segment: &[u8]| {
            let mut frames = Frames::new(segment).unwrap();
            let mut bodies = 0;
            loop {
                match frames.next() {
                    Ok(Some(_)) => bodies += 1,
                    end => return (bodies, end.is_ok(), frames.offset),
                }
            }
        };
        assert_eq!(read(&segment), (2, true, segment.len()));
        for cut in whole + 1..segment.len() {
            assert_eq!(read(&segment[..cut]), (1, false, whole), "cut at {cut}");
        }
        for at in head..segment.len() {
            let mut damaged = segment.clone();
            damaged[at] ^= 1;
            assert!(!read(&damaged).1, "damaged at {at}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let why = |segment: &[u8]| Frames::new(segment).err().unwrap().to_string();
        assert_eq!(
            why(b"thirdleaf trace 0.0.9 layout 1\nrest"),
            format!("was written by 0.0.9 layout 1, this is {WRITER}; replay it with that version")
        );
        assert!(why(b"thirdleaf trace \x1b[2J\n").contains("by \\x1b[2J, "));
        for foreign in [&b""[..], b"something else\n", b"thirdleaf trace 0.1.0", &[b'x'; 200]] {
            assert_eq!(why(foreign), "is no segment of a trace");
        }
    }
}
