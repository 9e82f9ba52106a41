//! Families about the journal; none without one.

use super::samples::{About, Samples};
use crate::journal::Status;

pub(super) fn write(status: &Status, text: &mut String) {
    let about = About::gauge(
        "journal_bytes",
        "Octets in use of the journal's file; it holds journal.max_bytes at most.",
    );
    Samples::new(about, text).add(&[], status.bytes);
    let about = About::gauge(
        "journal_last_write_timestamp_seconds",
        "When the journal was last written, since the Unix epoch: every 5 s at least while all is well.",
    );
    if let Some(at) = status.written {
        Samples::new(about, text).add(&[], at.as_secs_f64());
    }
    let about = About::counter("journal_write_failures_total", "How often the journal could not be written.");
    Samples::new(about, text).add(&[], status.failures);
}
