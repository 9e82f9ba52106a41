//! The table alone at a million paths: time to learn, octets a path, questions.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ipnet::{IpNet, Ipv4Net};
use thirdleaf::bgp::Family;
use thirdleaf::bgp::attribute::Builder;
use thirdleaf::policy::{Class, Judgement, Reason};
use thirdleaf::rib::{Counters, Key, PeerIndex, Rib};
use thirdleaf::time::Timestamp;

criterion_group!(benches, learn, change, ask);
criterion_main!(benches);

#[global_allocator]
static COUNTING: Counting = Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Counts what is allocated, with the overhead of the usual allocator.
struct Counting;

#[expect(unsafe_code, reason = "an allocator that counts; it passes everything on as it is")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(chunk(layout), Ordering::Relaxed) + chunk(layout);
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(chunk(layout), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = Layout::from_size_align(size, layout.align()).unwrap_or(layout);
        LIVE.fetch_add(chunk(grown), Ordering::Relaxed);
        let live = LIVE.fetch_sub(chunk(layout), Ordering::Relaxed) - chunk(layout);
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn chunk(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

/// A table's input: UPDATEs of 50 prefixes that share a set of attributes, in the order of arrival.
struct Workload {
    name: &'static str,
    updates: Vec<Update>,
}

struct Update {
    peer: PeerIndex,
    attributes: Builder,
    prefixes: Vec<IpNet>,
}

impl Workload {
    /// 10 sessions, 100,000 disjoint /26 each, 2,000 sets of attributes a session.
    fn million() -> Self {
        Self::new("W2 million", 10, |session| session * 100_000..(session + 1) * 100_000)
    }

    /// 20 sessions, the same 50,000 /26 from all, 1,000 sets of attributes a session.
    fn overlap() -> Self {
        Self::new("W3 overlap", 20, |_| 0..50_000)
    }

    /// The dearest prefixes that 10 peers can send within their limits: none near another.
    fn scattered() -> Self {
        Self::new("scattered", 10, |session| (session * 10_000..(session + 1) * 10_000).map(|near| near * 32))
    }

    fn new<I: Iterator<Item = u32>>(name: &'static str, sessions: u32, blocks: impl Fn(u32) -> I) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut updates = Vec::new();
        for session in 0..sessions {
            let mut prefixes: Vec<IpNet> = blocks(session).map(block).collect();
            random.shuffle(&mut prefixes);
            for (turn, prefixes) in (0..).zip(prefixes.chunks(50)) {
                let next_hop = IpAddr::from(Ipv4Addr::from_bits(0xac10_0000 + session));
                let attributes = Builder::new(&[64_512 + session, 4_200_000_000 + turn], next_hop);
                let update = Update { peer: PeerIndex(session), attributes, prefixes: prefixes.to_vec() };
                updates.push((turn, update));
            }
        }
        // All sessions send at once.
        updates.sort_by_key(|(turn, _)| *turn);
        Self { name, updates: updates.into_iter().map(|(_, update)| update).collect() }
    }

    fn learn(&self) -> Rib {
        let mut rib = Rib::new();
        self.announce(&mut rib);
        rib
    }

    fn announce(&self, rib: &mut Rib) {
        let judgement = Judgement::rejected(Class::PodBlock, Reason::NotAllowed);
        for update in &self.updates {
            let attributes = update.attributes.with_set(|set| rib.intern(set));
            let keys = update.prefixes.iter().map(|prefix| (0, *prefix));
            rib.prefetch(update.peer, Family::Ipv4, keys);
            for prefix in &update.prefixes {
                rib.announce(update.peer, *prefix, 0, attributes, judgement, Timestamp::default());
            }
            rib.release(attributes);
        }
    }

    fn report(&self) {
        let before = LIVE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let rib = self.learn();
        let Counters { prefixes, paths } = rib.counters(Family::Ipv4);
        let [live, peak] = [&LIVE, &PEAK].map(|count| count.load(Ordering::Relaxed) - before);
        let each = |octets: u64| format!("{}.{}", octets / paths, octets * 10 / paths % 10);
        println!(
            "{}: {paths} paths, {prefixes} prefixes, {} sets; octets a path: {}, at the peak {}, by its own estimate {}",
            self.name,
            rib.attribute_sets(),
            each(live as u64),
            each(peak as u64),
            each(rib.bytes()),
        );
    }
}

fn learn(criterion: &mut Criterion) {
    Workload::scattered().report();
    let mut group = criterion.benchmark_group("learn");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(4))
        .throughput(Throughput::Elements(1_000_000));
    for workload in [Workload::million(), Workload::overlap()] {
        workload.report();
        group.bench_function(workload.name, |bencher| bencher.iter_with_large_drop(|| workload.learn()));
        let mut rib = workload.learn();
        group.bench_function(format!("{} again", workload.name), |bencher| {
            bencher.iter(|| workload.announce(&mut rib));
        });
    }
}

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change");
    let (workload, mut random) = (Workload::overlap(), Random(1));
    let mut rib = workload.learn();
    group.bench_function("withdraw and announce", |bencher| {
        bencher.iter(|| {
            let (peer, prefix) = (PeerIndex(random.below(20)), block(random.below(50_000)));
            if let Some(path) = rib.withdraw(peer, prefix, 0) {
                let id = workload.updates[0].attributes.with_set(|set| rib.intern(set));
                rib.announce(peer, prefix, 0, id, path.judgement, path.since);
                rib.release(id);
            }
        });
    });
    group.sample_size(10);
    group.bench_function("sweep 50,000 of a million", |bencher| {
        bencher.iter_batched(
            || workload.learn(),
            |mut rib| {
                rib.outdate(PeerIndex(7), Family::Ipv4);
                while !rib.sweep(PeerIndex(7), Family::Ipv4, 1_000, |_, _| {}) {}
                rib
            },
            BatchSize::PerIteration,
        );
    });
}

fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask a million prefixes");
    let (rib, mut random) = (Workload::million().learn(), Random(2));
    group.bench_function("exact", |bencher| {
        bencher.iter(|| rib.exact(block(random.below(1_000_000))).count());
    });
    group.bench_function("longest", |bencher| {
        bencher.iter(|| rib.longest(IpNet::from(address(random.below(64_000_000)))));
    });
    group.bench_function("covering", |bencher| {
        bencher.iter(|| rib.covering(IpNet::from(address(random.below(64_000_000))), None).count());
    });
    group.bench_function("longer, a page of 100", |bencher| {
        bencher.iter(|| {
            let prefix = block(random.below(1_000_000));
            let after = Key { prefix, peer: PeerIndex(0), path_id: 0 };
            let page = rib.longer(IpNet::from(Ipv4Net::default()), Some(after)).take(100);
            page.fold(0, |sum, (_, path)| sum ^ black_box(path.peer.0))
        });
    });
}

fn block(number: u32) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + (number << 6)), 26).expect("a length").into()
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

/// xorshift: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(limit)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for (last, limit) in (1..items.len()).zip(2..) {
            items.swap(last, self.below(limit) as usize);
        }
    }
}
