//! What the reader of a verdict must know of the files behind it.

use std::collections::BTreeMap;
use std::fmt;

use crate::mrt;
use crate::time::Timestamp;

/// How many examples a note gives.
const EXAMPLES: usize = 3;
/// How many damages are told one by one.
const TOLD: usize = 10;

/// Counts over all files.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) records: u64,
    pub(super) messages: u64,
    pub(super) routes: u64,
    pub(super) first: Option<Timestamp>,
    /// Records of types that are not judged.
    pub(super) skipped: BTreeMap<mrt::Kind, u64>,
    /// Messages that the writer of the file sent.
    pub(super) sent: u64,
    /// Routes of a table that the writer of the file made itself.
    pub(super) own: u64,
    /// Routes and messages of a second peer with the address of another.
    pub(super) doubled: Examples,
    /// Routes of a table whose attributes leave nothing to judge.
    pub(super) unreadable: u64,
    /// Octets of zeros that fill up files.
    pub(super) padding: u64,
    /// Ends of sessions that do not say whose.
    pub(super) nameless: u64,
    /// OPENs that cannot be read.
    pub(super) bad_opens: u64,
    /// Peers that no range holds, by leaf.
    pub(super) strangers: BTreeMap<String, Examples>,
    /// Peers whose AS their range does not permit.
    pub(super) not_permitted: Examples,
    /// Sessions that began before the file.
    pub(super) silent: Examples,
    /// What a live session would have ended for.
    pub(super) resets: Examples,
    /// Records whose time is too far ahead to be believed.
    pub(super) leaps: Examples,
    /// Records that are earlier than what came before them: the first.
    pub(super) earlier: Examples,
    damage: Examples,
}

/// A number, and the first few of what is counted.
#[derive(Default)]
pub(super) struct Examples {
    count: u64,
    first: Vec<String>,
    /// There are others.
    more: bool,
}

impl Examples {
    pub(super) fn add(&mut self, example: impl fmt::Display) {
        self.add_up_to(EXAMPLES, example);
    }

    pub(super) fn add_up_to(&mut self, most: usize, example: impl fmt::Display) {
        self.count += 1;
        if self.first.len() < most {
            self.first.push(example.to_string());
        } else {
            self.more = true;
        }
    }

    /// Counts it, and names it if it has not been named.
    pub(super) fn add_once(&mut self, example: impl fmt::Display) {
        let example = example.to_string();
        if self.first.contains(&example) {
            self.count += 1;
        } else {
            self.add(example);
        }
    }
}

impl fmt::Display for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.join(", "))?;
        if self.more {
            f.write_str(", ...")?;
        }
        Ok(())
    }
}

impl Notes {
    /// Something is wrong with a file.
    pub(super) fn damaged(&mut self, what: impl fmt::Display) {
        self.damage.add_up_to(TOLD, what);
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damage.count > 0
    }

    /// What is wrong with the files, at most some lines of it.
    pub(super) fn damage(&self) -> Vec<String> {
        let mut lines = self.damage.first.clone();
        let more = self.damage.count - lines.len() as u64;
        if more > 0 {
            lines.push(format!("and {more} more damaged records"));
        }
        lines
    }

    /// What is to be known, a sentence each; `last` is the end of the files' time.
    pub(super) fn lines(&self, last: Timestamp) -> Vec<String> {
        let mut lines = vec![self.read(last)];
        for (leaf, peers) in &self.strangers {
            let (verb, as_what) = if peers.count == 1 { ("is", "a peer") } else { ("are", "peers") };
            lines.push(format!(
                "{} {verb} in no range of [[neighbors]]; judged as {as_what} of leaf {leaf}: {peers}",
                count(peers.count, "peer", "peers"),
            ));
        }
        let mut say = |examples: &Examples, one: &str, many: &str| {
            if examples.count > 0 {
                lines.push(format!("{}: {examples}", count(examples.count, one, many)));
            }
        };
        say(
            &self.not_permitted,
            "peer has an AS that its range does not permit, and is judged all the same",
            "peers have an AS that their range does not permit, and are judged all the same",
        );
        say(
            &self.silent,
            "session began before the file: what it announced earlier is not known, and nothing is missed of it",
            "sessions began before the file: what they announced earlier is not known, and nothing is missed of them",
        );
        say(
            &self.resets,
            "UPDATE is so malformed that the session would have ended: its peer's routes went, later messages count",
            "UPDATEs are so malformed that the session would have ended: their peers' routes went, later messages count",
        );
        say(
            &self.doubled,
            "record is of a second peer with the address of another, and skipped",
            "records are of a second peer with the address of another, and skipped",
        );
        say(
            &self.leaps,
            "record has a time far ahead of those around it, which is not believed",
            "records have a time far ahead of those around them, which is not believed",
        );
        if let Some(first) = self.earlier.first.first() {
            let (one, many) = ("record is earlier than what", "records are earlier than what");
            let number = count(self.earlier.count, one, many);
            lines.push(format!("{number} came before (first: {first}): are the files in order?"));
        }
        for (number, one, many) in [
            (
                self.own,
                "route is the writer's own, of no peer: skipped",
                "routes are the writer's own, of no peer: skipped",
            ),
            (
                self.sent,
                "message was sent, not received: skipped",
                "messages were sent, not received: skipped",
            ),
            (
                self.unreadable,
                "route of a table has attributes that cannot be read: skipped",
                "routes of a table have attributes that cannot be read: skipped",
            ),
            (
                self.nameless,
                "end of a session does not say whose: skipped",
                "ends of sessions do not say whose: skipped",
            ),
            (
                self.padding,
                "octet is padding: zeros where a record would begin",
                "octets are padding: zeros where a record would begin",
            ),
            (self.bad_opens, "OPEN cannot be read: skipped", "OPENs cannot be read: skipped"),
        ] {
            if number > 0 {
                lines.push(count(number, one, many));
            }
        }
        for (kind, number) in self.skipped.iter().take(TOLD) {
            lines.push(format!("{} of {kind}: skipped", count(*number, "record", "records")));
        }
        if self.skipped.len() > TOLD {
            lines.push(format!("records of {} more types: skipped", self.skipped.len() - TOLD));
        }
        lines
    }

    fn read(&self, last: Timestamp) -> String {
        let records = count(self.records, "record", "records");
        let Some(first) = self.first else { return format!("{records} read") };
        let messages = count(self.messages, "message", "messages");
        let routes = count(self.routes, "route of a table", "routes of tables");
        format!("{records} read, from {first} to {last}: {messages}, {routes}")
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
