//! The journal: what happened, and who announced what at any time in the past.
//!
//! One `SQLite` file, `journal.db` below `global.state_dir`. Not files of lines, because what is asked of it is
//! "as of then": a route is a row from when it was announced until it went, so a moment of the past is one
//! question with an index, whatever happened since; a file that a crash leaves behind is whole, others may read it
//! while it is written (`sqlite3 -readonly`), and old rows can go one by one.
//!
//! | table | a row is |
//! |---|---|
//! | `event` | something that happened, in words: all that the stream tells, and every change of a route |
//! | `route` | a route from `since` to `until`, as it was announced and judged; `until` is null while it is there |
//! | `peer`, `announcer`, `attributes` | what many routes have in common, once |
//! | `finding` | an open finding from when it opened until it resolved |
//! | `member` | a member of an EEPG or redirect policy from when it was written until it was deleted |
//! | `run` | a run of thirdleaf: outside of all runs nobody listened |
//!
//! Times are microseconds since the Unix epoch. Prefixes are a key that sorts as prefixes do: see [`prefix`].
//! Nothing waits for the journal: what cannot be written is made good by looking at all routes again.

pub mod prefix;
pub mod schema;
