//! Files: unpacked by what they hold, not by what they are called, with a sign of life on a terminal.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read, Write};
use std::path::Path;

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;

/// Octets that tell how a file is packed.
const MAGIC: u64 = 10;

/// A file, as it is read.
pub(super) struct Input {
    /// What is in it, unpacked.
    pub(super) octets: Box<dyn Read>,
    pub(super) is_packed: bool,
}

/// Opens `path`; `-` is standard input.
pub(super) fn open(path: &Path) -> io::Result<Input> {
    if path.as_os_str() == "-" {
        return unpacked(Progress::new(io::stdin(), None));
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    unpacked(Progress::new(file, Some(size)))
}

/// Unpacks what gzip and bzip2 packed, in however many pieces.
fn unpacked(mut input: impl Read + 'static) -> io::Result<Input> {
    let mut head = Vec::new();
    input.by_ref().take(MAGIC).read_to_end(&mut head)?;
    let packed = Packed::of(&head);
    let whole = BufReader::new(Cursor::new(head).chain(input));
    let octets: Box<dyn Read> = match packed {
        Packed::Not => Box::new(whole),
        Packed::Gzip => Box::new(Pieces::new(whole, GzDecoder::new, GzDecoder::into_inner)),
        Packed::Bzip2 => Box::new(Pieces::new(whole, BzDecoder::new, BzDecoder::into_inner)),
        Packed::Otherwise(name) => {
            let text = format!("packed with {name}, which is not understood: unpack it first");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    };
    Ok(Input { octets, is_packed: packed != Packed::Not })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Not,
    Gzip,
    Bzip2,
    Otherwise(&'static str),
}

impl Packed {
    /// By the octets at the start. An MRT file starts with its time: three letters would not do for bzip2.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Otherwise("xz"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Otherwise("zstd"),
            _ => Self::Not,
        }
    }
}

/// Unpacks one packed piece after the other. Zeros behind the last are padding, and are handed on as they
/// are: the reader of records knows padding.
struct Pieces<R, D> {
    piece: Option<D>,
    unpack: fn(R) -> D,
    packed: fn(D) -> R,
    padding: u64,
}

impl<R: BufRead, D: Read> Pieces<R, D> {
    fn new(input: R, unpack: fn(R) -> D, packed: fn(D) -> R) -> Self {
        Self { piece: Some(unpack(input)), unpack, packed, padding: 0 }
    }

    /// Goes on to the next piece, if there is anything but zeros.
    fn turn(&mut self, piece: D) -> io::Result<()> {
        let mut input = (self.packed)(piece);
        loop {
            let octets = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                octets => octets?,
            };
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let (is_end, is_piece) = (octets.is_empty(), zeros < octets.len());
            input.consume(zeros);
            self.padding += zeros as u64;
            if is_piece {
                self.padding = 0;
                self.piece = Some((self.unpack)(input));
                return Ok(());
            }
            if is_end {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead, D: Read> Read for Pieces<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty()
            && let Some(mut piece) = self.piece.take()
        {
            let count = piece.read(buffer);
            if matches!(count, Ok(0)) {
                self.turn(piece)?;
            } else {
                self.piece = Some(piece);
                return count;
            }
        }
        let count = io::repeat(0).take(self.padding).read(buffer)?;
        self.padding -= count as u64;
        Ok(count)
    }
}

/// Counts what is read, and tells on standard error how far it has come if that is a terminal.
struct Progress<R> {
    input: R,
    size: Option<u64>,
    read: u64,
    shown: Option<u64>,
    on_terminal: bool,
}

impl<R> Progress<R> {
    /// Width of the bar.
    const WIDTH: usize = 40;

    fn new(input: R, size: Option<u64>) -> Self {
        Self { input, size, read: 0, shown: None, on_terminal: io::stderr().is_terminal() }
    }

    /// Draws only what changes: a hundred times a file, or once in 4 MB where the size is not known.
    fn draw(&mut self) {
        let step = match self.size {
            Some(size) => (self.read * 100).checked_div(size).unwrap_or(100).min(100),
            None => self.read >> 22,
        };
        if self.shown.replace(step) == Some(step) {
            return;
        }
        // A terminal that is gone takes nothing from the answer.
        let mut terminal = io::stderr().lock();
        let _ = match self.size {
            Some(_) => {
                let done = usize::try_from(step).unwrap_or(100) * Self::WIDTH / 100;
                let (done, left) = ("#".repeat(done), ".".repeat(Self::WIDTH - done));
                write!(terminal, "\r{done}{left} {step:>3} %")
            }
            None => write!(terminal, "\r{} MB", self.read / 1_000_000),
        };
        let _ = terminal.flush();
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read += count as u64;
        if self.on_terminal {
            self.draw();
        }
        Ok(count)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_told_by_content() {
        for (head, packed) in [
            (&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], Packed::Gzip),
            (b"BZh91AY&SY", Packed::Bzip2),
            (b"BZh9\x17\x72\x45\x38\x50\x90", Packed::Bzip2),
            // 11 April 2005: a time.
            (b"BZh9\0\x0d\0\x02\0\0", Packed::Not),
            (b"\xfd7zXZ\0\0\x04\xe6\xd6", Packed::Otherwise("xz")),
            (b"\x28\xb5\x2f\xfd\x04\x58\0\0\0\0", Packed::Otherwise("zstd")),
            (b"\x1f", Packed::Not),
            (b"", Packed::Not),
        ] {
            assert_eq!(Packed::of(head), packed, "{head:?}");
        }
    }
}
