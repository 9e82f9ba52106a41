//! The signature by which a webhook knows who speaks, and digests by which texts are known.

use std::fmt::Write;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// `sha256=HEX` of `TIMESTAMP.BODY`: with the time in it, what was heard once is of no use later.
pub(super) fn signature(secret: &str, timestamp: u64, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    let mut text = format!("{timestamp}.").into_bytes();
    text.extend_from_slice(body);
    let tag = sign(&key, &text);
    format!("sha256={}", hex(tag.as_ref()))
}

/// The first `octets` of what SHA-256 makes of `text`.
pub(super) fn digest(text: &str, octets: usize) -> String {
    hex(digest::digest(&SHA256, text.as_bytes()).as_ref().get(..octets).unwrap_or_default())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        // A string takes everything.
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key` prints it.
    #[test]
    fn is_what_other_tools_compute() {
        assert_eq!(
            signature("key", 1_700_000_000, b"{\"a\":1}"),
            "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
