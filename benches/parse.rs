//! What a message costs: framing, parsing, visiting every prefix and attribute; and what it costs at least.
//! `benches/rivals` does the same with other parsers.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "parse/cursor.rs"]
mod cursor;
#[path = "parse/work.rs"]
mod work;

use work::{messages, ours};

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for case in messages::cases() {
        assert_eq!(ours::parsed(&case.octets), cursor::walked(&case.octets), "{}", case.name);
        group.throughput(Throughput::Elements(u64::from(case.messages)));
        let parsers = [
            ("ours", ours::parsed as fn(&[u8]) -> u64),
            ("cursor", cursor::walked),
            ("lengths", cursor::lengths),
        ];
        for (parser, sum) in parsers {
            group.bench_function(format!("{}: {parser}", case.name), |b| {
                b.iter(|| sum(black_box(&case.octets)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
