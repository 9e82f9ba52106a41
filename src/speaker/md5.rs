//! What the kernel drops for its TCP-MD5 signature (RFC 2385), and tells nobody of: it counts.

#![expect(clippy::disallowed_methods, reason = "looks at the kernel's counters now and then")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::shared::Shared;
use super::terms::Table;
use super::{Event, Unsigned};

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Those of our network namespace; no such file on systems other than Linux.
pub(super) const NETSTAT: &str = "/proc/self/net/netstat";

/// What is wrong with the signature of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Signature {
    /// There is none, where a password is configured.
    Missing,
    /// There is one, where no password is configured.
    Unexpected,
    /// It was made with another password.
    Wrong,
}

impl Signature {
    /// All.
    pub const ALL: [Self; 3] = [Self::Missing, Self::Unexpected, Self::Wrong];

    /// The `kind` label of `thirdleaf_tcp_md5_failures_total`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Wrong => "wrong",
        }
    }

    /// The kernel's name of its counter.
    pub const fn counter(self) -> &'static str {
        match self {
            Self::Missing => "TCPMD5NotFound",
            Self::Unexpected => "TCPMD5Unexpected",
            Self::Wrong => "TCPMD5Failure",
        }
    }
}

/// Counts by [`Signature`].
type Counts = [u64; Signature::ALL.len()];

/// As they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Counters {
    known: AtomicBool,
    counts: [AtomicU64; Signature::ALL.len()],
}

impl Counters {
    /// None if the kernel has none, or nobody looked.
    pub(super) fn read(&self) -> Option<Counts> {
        self.known.load(Relaxed).then(|| self.counts.each_ref().map(|count| count.load(Relaxed)))
    }

    /// Takes over new counts; answers how much there is more of each.
    fn update(&self, counts: Counts) -> Counts {
        let former = self.read();
        self.counts.iter().zip(counts).for_each(|(counter, count)| counter.store(count, Relaxed));
        self.known.store(true, Relaxed);
        let mut more = [0; Signature::ALL.len()];
        for ((more, new), old) in more.iter_mut().zip(counts).zip(former.unwrap_or(counts)) {
            *more = new.saturating_sub(old);
        }
        more
    }
}

/// Looks at the counters of this file until nobody listens any more, and tells of what is new. A look may fail:
/// there may be no descriptor for a moment.
pub(super) async fn watch(shared: Weak<Shared>, netstat: &Path) {
    while let Some(listening) = shared.upgrade() {
        // The kernel makes up the text as it is read: no disk is waited for.
        if let Some(counts) = std::fs::read_to_string(netstat).ok().and_then(|text| parse(&text)) {
            tell(&listening, counts);
        }
        drop(listening);
        sleep(EVERY).await;
    }
}

fn tell(listening: &Shared, counts: Counts) {
    let more = listening.signatures.update(counts);
    for (signature, segments) in Signature::ALL.into_iter().zip(more).filter(|(_, more)| *more > 0) {
        let at = listening.clock.now();
        let meant = whose(listening.registry().table(), signature);
        if let Some(leaf) = meant {
            listening.herald.tell(Event::Unsigned(Unsigned { leaf, at, signature, segments }));
        }
    }
}

/// The leaf that may be meant, or none of several; nothing if no leaf may be.
#[expect(clippy::option_option, reason = "both are known: that it is ours, and whose")]
fn whose(table: &Table, signature: Signature) -> Option<Option<Arc<str>>> {
    let may_be = |leaf: &Arc<str>| match signature {
        Signature::Missing | Signature::Wrong => table.has_passwords(leaf),
        // It may have come from anywhere.
        Signature::Unexpected => true,
    };
    let mut leaves = table.leaves().map(|leaf| &leaf.name).filter(|leaf| may_be(leaf));
    let first = leaves.next()?;
    Some(leaves.next().is_none().then(|| Arc::clone(first)))
}

/// Reads them from `/proc/net/netstat`: of each group a line of names, then one of values.
fn parse(netstat: &str) -> Option<Counts> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let values = values.split_ascii_whitespace().map(str::parse::<u64>);
    let counters: Vec<_> = names.split_ascii_whitespace().zip(values).collect();
    let find = |signature: Signature| {
        let (_, value) = counters.iter().find(|(name, _)| *name == signature.counter())?;
        value.as_ref().ok().copied()
    };
    let found = Signature::ALL.map(find);
    // Older kernels have fewer of them.
    found.iter().any(Option::is_some).then(|| found.map(Option::unwrap_or_default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Secret;
    use crate::speaker::tests::{config, leaf, neighbors};

    #[test]
    fn counters_are_read_by_name_whatever_stands_around_them() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted\n\
                    TcpExt: 9 1 2 3 4\nIpExt: InNoRoutes TCPMD5Failure\nIpExt: 5 6\n";
        assert_eq!(parse(text), Some([1, 2, 3]));
        assert_eq!(parse(&text.replace("TCPMD5Failure ", "Other ")), Some([1, 2, 0]), "before Linux 4.13");
        let reversed = "IpExt: A\nIpExt: 1\nTcpExt: TCPMD5Failure A\nTcpExt: 18446744073709551615 -1";
        assert_eq!(parse(reversed), Some([0, 0, u64::MAX]));
        for none in [
            "",
            "TcpExt:",
            "TcpExt: TCPMD5Failure",
            "TcpExt: TCPMD5Failure\nTcpExt:",
            "TcpExt: TCPMD5Failure\nTcpExt: many",
            "TcpExt: TCPMD5Failure\nTcpExt: -1",
            "TcpExt: A B\nTcpExt: 1 2",
            "IpExt: TCPMD5Failure\nIpExt: 1",
        ] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_kernel_has_them() {
        assert!(parse(&std::fs::read_to_string(NETSTAT).unwrap()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_is_not_the_last() {
        let (events, mut received) = tokio::sync::mpsc::channel(4);
        let shared = Arc::new(Shared::new(crate::time::Clock::start(), events, None));
        shared.registry().reconfigure(Table::new(&config(vec![leaf("a", 65101)], vec![])));
        let path = std::env::temp_dir().join(format!("thirdleaf-netstat-{}", std::process::id()));
        let count = |segments: u64| {
            std::fs::write(&path, format!("TcpExt: TCPMD5Unexpected\nTcpExt: {segments}\n")).unwrap();
        };
        let watched = path.clone();
        let weak = Arc::downgrade(&shared);
        let watch = tokio::spawn(async move { watch(weak, &watched).await });
        sleep(EVERY * 2).await;
        assert_eq!(shared.signatures.read(), None);
        count(5);
        sleep(EVERY * 2).await;
        assert_eq!(shared.signatures.read(), Some([0, 5, 0]));
        std::fs::remove_file(&path).unwrap();
        sleep(EVERY * 2).await;
        count(7);
        sleep(EVERY * 2).await;
        std::fs::remove_file(&path).unwrap();
        let Event::Unsigned(told) = &received.try_recv().unwrap().event else { panic!() };
        assert_eq!((told.signature, told.segments), (Signature::Unexpected, 2));
        drop(shared);
        watch.await.unwrap();
    }

    #[test]
    fn what_was_counted_before_is_not_new() {
        let counters = Counters::default();
        assert_eq!(counters.read(), None);
        assert_eq!(counters.update([5, 6, 7]), [0; 3]);
        assert_eq!(counters.update([5, 8, 7]), [0, 2, 0]);
        assert_eq!(counters.update([0, 8, 9]), [0, 0, 2], "a counter that goes back is no growth");
        assert_eq!(counters.read(), Some([0, 8, 9]));
    }

    #[test]
    fn the_leaf_is_named_where_no_other_can_be_meant() {
        let keyed = |leaf: &str| {
            let mut entry = neighbors(leaf, "10.0.0.0/8", "65201");
            entry.password = Some(Secret::new("secret"));
            entry
        };
        let meant = |keys: &[&str], signature| {
            let leaves = vec![leaf("a", 65101), leaf("b", 65102)];
            let entries = keys.iter().map(|leaf| keyed(leaf)).collect();
            whose(&Table::new(&config(leaves, entries)), signature)
        };
        for signature in [Signature::Missing, Signature::Wrong] {
            assert_eq!(meant(&[], signature), None);
            assert_eq!(meant(&["b"], signature), Some(Some("b".into())));
            assert_eq!(meant(&["a", "b"], signature), Some(None));
        }
        assert_eq!(meant(&["b"], Signature::Unexpected), Some(None), "it may have come to any");
    }
}
