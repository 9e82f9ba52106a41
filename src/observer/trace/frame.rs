//! Frames: how records follow each other in a segment.

use serde::Serialize;

/// What a segment begins with. Another version is another line.
pub(super) const MAGIC: &[u8] = b"thirdleaf trace 1\n";

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

impl<'a> Frames<'a> {
    /// The frames of a segment; `None` if it is none of this version.
    pub(super) fn new(segment: &'a [u8]) -> Option<Self> {
        Some(Self { rest: segment.strip_prefix(MAGIC)?, offset: MAGIC.len() })
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
        let mut segment = MAGIC.to_vec();
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
        for at in MAGIC.len()..segment.len() {
            let mut damaged = segment.clone();
            damaged[at] ^= 1;
            assert!(!read(&damaged).1, "damaged at {at}");
        }
        assert!(Frames::new(b"thirdleaf trace 2\n").is_none());
    }
}
