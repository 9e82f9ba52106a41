//! Answers that come smaller to whoever takes them so.

use std::io::{self, Write};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers that are packed at once: each takes a quarter of a megabyte meanwhile.
const MAX: usize = 8;

/// Hands out packers while there are any.
pub(super) struct Packers(Arc<Semaphore>);

impl Packers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX)))
    }

    /// One for whoever asks with these headers; none: the answer is sent as it is.
    pub(super) fn packer(&self, headers: &HeaderMap) -> Option<Packer> {
        let permit = is_accepted(headers).then(|| Arc::clone(&self.0).try_acquire_owned().ok())??;
        let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        Some(Packer { encoder, _permit: permit })
    }
}

/// Whether gzip may be sent: named, or meant by `*`, and not with a weight of zero (RFC 9110, 12.5.3).
fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if name.eq_ignore_ascii_case("gzip") {
            return is_wanted;
        }
        any |= name == "*" && is_wanted;
    }
    any
}

/// Packs a text piece by piece, and cheaply: what is packed here is read once.
pub(super) struct Packer {
    encoder: Option<GzEncoder<Vec<u8>>>,
    _permit: OwnedSemaphorePermit,
}

impl Packer {
    /// What has become of all pieces so far, this one included: nothing at times.
    ///
    /// # Errors
    /// None: memory takes everything.
    pub(super) fn pack(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let Some(encoder) = &mut self.encoder else { return Ok(Vec::new()) };
        encoder.write_all(piece)?;
        Ok(std::mem::take(encoder.get_mut()))
    }

    /// The rest; nothing, once it was given.
    ///
    /// # Errors
    /// None: memory takes everything.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.encoder.take().map_or(Ok(Vec::new()), GzEncoder::finish)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;
    use flate2::read::GzDecoder;

    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap())])
    }

    #[test]
    fn is_sent_to_those_who_take_it() {
        for (accepted, value) in [
            (true, "gzip"),
            (true, "deflate, GZIP;q=0.5"),
            (true, "br;q=1.0, *"),
            (true, "*;q=0.1"),
            (false, ""),
            (false, "identity"),
            (false, "br, deflate"),
            (false, "gzip;q=0"),
            (false, "gzip ; q=0.000, *"),
            (false, "*;q=0"),
            (false, "gzip;q=x"),
            (false, "xgzip"),
        ] {
            assert_eq!(is_accepted(&headers(value)), accepted, "{value}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }

    #[test]
    fn who_finds_no_room_gets_it_as_it_is() {
        let (packers, headers) = (Packers::new(), headers("gzip"));
        let mut all: Vec<_> = (0..MAX).map(|_| packers.packer(&headers).unwrap()).collect();
        assert!(packers.packer(&headers).is_none());
        all.pop();
        assert!(packers.packer(&headers).is_some());
    }

    #[test]
    fn what_comes_in_pieces_is_one_text() {
        let pieces: Vec<_> = (0..2_000).map(|at| format!("line {at} of many\n")).collect();
        let mut packer = Packers::new().packer(&headers("gzip")).unwrap();
        let mut octets = Vec::new();
        for piece in &pieces {
            octets.extend(packer.pack(piece.as_bytes()).unwrap());
        }
        octets.extend(packer.finish().unwrap());
        assert!(packer.finish().unwrap().is_empty());
        let whole = pieces.concat();
        assert!(octets.len() * 4 < whole.len(), "{}", octets.len());
        let mut text = String::new();
        GzDecoder::new(&octets[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, whole);
    }
}
