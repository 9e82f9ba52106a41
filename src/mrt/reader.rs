//! Framing: where a record ends, and what kind it is.

use std::io::{self, BufRead, BufReader, Read};

use super::record::{Body, Kind, Record};
use super::table::Peer;
use super::{Error, Problem, message, table};
use crate::time::Timestamp;

/// Octets of the header that all records have (RFC 6396, 2).
const HEADER: usize = 12;
/// The longest body that is believed. A prefix with a thousand peers takes some hundred kilobytes.
const MAX: u32 = 16 << 20;
/// Octets asked for at a time.
const READ: usize = 128 << 10;
/// What the buffer keeps from one record to the next.
const KEPT: usize = 256 << 10;

/// Reads records one after the other.
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    buffer: Vec<u8>,
    /// The header of the next record, fewer octets at the end; read ahead, for it tells of this one's time.
    header: Vec<u8>,
    /// Why it could not be read.
    failed: Option<io::Error>,
    begun: bool,
    /// The latest index of peers; none before the first.
    peers: Option<Vec<Peer>>,
    /// Where the next record starts.
    offset: u64,
    padding: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of what `input` gives, unpacked already.
    pub fn new(input: R) -> Self {
        let input = BufReader::with_capacity(READ, input);
        Self {
            input,
            buffer: Vec::new(),
            header: Vec::new(),
            failed: None,
            begun: false,
            peers: None,
            offset: 0,
            padding: 0,
            ended: false,
        }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// What is wrong with it. Unless the error [is final](Error::is_final), the next call goes on behind it;
    /// if it is, there is nothing more.
    #[expect(clippy::should_implement_trait, reason = "a record borrows the reader's buffer")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let offset = self.offset;
        match self.frame() {
            Ok(Some(header)) => {
                let error = |problem| Error { offset, problem };
                let next = self.header.first_chunk().map(|octets| Header::parse(octets).at(0));
                let record = header.read(&self.buffer, &mut self.peers);
                record.map(|(at, body)| Some(Record { offset, at, next, body })).map_err(error)
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(problem) => {
                self.ended = true;
                Err(Error { offset, problem })
            }
        }
    }

    /// Octets of padding so far: headers that are all zeros, as what fills up a block is, say nothing.
    pub const fn padding(&self) -> u64 {
        self.padding
    }

    #[cfg(test)]
    pub(super) fn buffer_capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Fills the buffer with the body of the next record.
    fn frame(&mut self) -> Result<Option<Header>, Problem> {
        if self.ended {
            return Ok(None);
        }
        if !self.begun {
            self.begun = true;
            self.look_ahead();
        }
        if let Some(error) = self.failed.take() {
            return Err(Problem::Read(error));
        }
        let Some(header) = self.header.first_chunk() else {
            let have = self.header.len();
            return if have == 0 { Ok(None) } else { Err(Problem::Torn { want: HEADER, have }) };
        };
        let header = Header::parse(header);
        let want = match usize::try_from(header.length) {
            Ok(want) if header.length <= MAX => want,
            _ if self.offset == 0 => return Err(Problem::NoMrt(header.length)),
            _ => return Err(Problem::TooLong(header.length)),
        };
        let have = self.fill(want).map_err(Problem::Read)?;
        if have < want {
            return Err(Problem::Torn {
                want: want.saturating_add(HEADER),
                have: have.saturating_add(HEADER),
            });
        }
        let length = u64::from(header.length).saturating_add(HEADER as u64);
        self.offset = self.offset.saturating_add(length);
        self.look_ahead();
        Ok(Some(header))
    }

    /// Reads the header of the next record, past padding.
    fn look_ahead(&mut self) {
        loop {
            self.header.clear();
            if let Err(error) = read(&mut self.input, HEADER, &mut self.header) {
                self.failed = Some(error);
            }
            if self.header.is_empty() || self.failed.is_some() || self.header.iter().any(|octet| *octet != 0)
            {
                return;
            }
            let padding = self.header.len() as u64;
            self.padding = self.padding.saturating_add(padding);
            self.offset = self.offset.saturating_add(padding);
        }
    }

    /// Reads `count` octets, fewer at the end; how many.
    fn fill(&mut self, count: usize) -> io::Result<usize> {
        self.buffer.clear();
        if count < KEPT {
            self.buffer.shrink_to(KEPT);
        }
        read(&mut self.input, count, &mut self.buffer)?;
        Ok(self.buffer.len())
    }
}

/// Appends `count` octets, fewer at the end.
fn read(input: &mut BufReader<impl Read>, count: usize, out: &mut Vec<u8>) -> io::Result<()> {
    // Most records are short, and there already.
    if let Some(octets) = input.buffer().get(..count) {
        out.extend_from_slice(octets);
        input.consume(count);
        return Ok(());
    }
    input.take(count as u64).read_to_end(out).map(drop)
}

/// The header that all records have.
struct Header {
    seconds: u32,
    kind: Kind,
    length: u32,
}

impl Header {
    const fn parse(octets: &[u8; HEADER]) -> Self {
        let [s0, s1, s2, s3, t0, t1, u0, u1, l0, l1, l2, l3] = *octets;
        let kind = Kind { code: u16::from_be_bytes([t0, t1]), subtype: u16::from_be_bytes([u0, u1]) };
        Self {
            seconds: u32::from_be_bytes([s0, s1, s2, s3]),
            kind,
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        }
    }

    /// When the record was written, this many microseconds into its second.
    fn at(&self, micros: u32) -> Timestamp {
        let at = u64::from(self.seconds).saturating_mul(1_000_000).saturating_add(micros.into());
        Timestamp::from_micros(at)
    }

    fn read<'a>(
        &self,
        octets: &'a [u8],
        peers: &'a mut Option<Vec<Peer>>,
    ) -> Result<(Timestamp, Body<'a>), Problem> {
        let mut micros = 0;
        let body = match self.kind.code {
            12 => table::old(self.kind, octets)?,
            13 if self.kind.subtype == 1 => {
                // An index that cannot be read must not leave its table to the one before.
                *peers = None;
                let (view, index) = table::peers(octets)?;
                Body::Peers { view, peers: peers.insert(index) }
            }
            13 => table::rib(self.kind, octets, peers.as_deref())?,
            16 => message::read(self.kind, octets)?,
            // RFC 6396, 3: microseconds come first, and are part of the length.
            17 => {
                let (rest, low) = crate::bgp::wire::u32(octets).map_err(|_| Problem::Short("time"))?;
                micros = low;
                message::read(self.kind, rest)?
            }
            _ => Body::Skipped(self.kind),
        };
        Ok((self.at(micros), body))
    }
}
