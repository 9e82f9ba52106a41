//! MRT: any octets, in whatever pieces they are read, give the same records and errors, each further on than
//! the one before; what an entry of a table is turned into announces its prefix and nothing else.

use std::io::Read;

use thirdleaf::bgp::{Families, Family, Frame, Message, Update};
use thirdleaf::mrt::{Body, Entry, Reader, Rib};

use super::input::Input;
use super::{recipe, terms};

/// One octet of choices; then, by its highest bit, the recipe of a file or a file.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.u8();
    let file = if bits & 0x80 == 0 { file(&mut input) } else { input.rest().to_vec() };
    let step = usize::from(bits & 0x3f) + 1;
    assert_eq!(records(&file[..], file.len()), records(Slow { rest: &file, step }, file.len()));
}

/// Gives a few octets at a time.
struct Slow<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.step.min(buffer.len());
        (&mut self.rest).take(count as u64).read(buffer)
    }
}

/// All that is in a file of `length` octets, as text.
fn records(input: impl Read, length: usize) -> Vec<String> {
    let mut reader = Reader::new(input);
    let mut found = Vec::new();
    let mut behind = 0;
    loop {
        let (offset, is_final) = match reader.next() {
            Ok(None) => break,
            Ok(Some(record)) => {
                found.push(format!("{record:?}"));
                body(&record.body);
                (record.offset, false)
            }
            Err(error) => {
                assert!(!error.to_string().contains(char::is_control));
                found.push(error.to_string());
                (error.offset, error.is_final())
            }
        };
        assert!(found.len() == 1 || offset >= behind, "back to {offset}");
        behind = offset + 12;
        assert!(offset <= length as u64);
        if is_final {
            break;
        }
    }
    assert!(matches!(reader.next(), Ok(None)), "nothing follows the end");
    found
}

fn body(body: &Body<'_>) {
    match body {
        Body::Message(message) => {
            let frame = Frame { kind: message.kind, body: message.body, octets: message.body };
            // What is wrong with it is the business of other targets; reading it must not fail here either.
            drop(Message::parse(&frame, &message.terms()));
        }
        Body::Rib(rib) => rib.entries().for_each(|entry| announces(rib, &entry)),
        Body::StateChange(_) | Body::Peers { .. } | Body::Skipped(_) => {}
    }
}

fn announces(rib: &Rib<'_>, entry: &Entry<'_>) {
    let mut octets = Vec::new();
    entry.write_update(rib.prefix, &mut octets);
    let terms = entry.terms();
    let Ok(update) = Update::parse(&octets, &terms) else { return };
    let route = (entry.path_id.unwrap_or_default(), rib.prefix);
    let announced = update.announced().flat_map(|announced| announced.nlri);
    let told: Vec<_> = announced.chain(update.withdrawn().flatten()).collect();
    assert_eq!(told, [route]);
    assert_eq!(update.end_of_rib(), None);
}

/// A few records, nearly right.
fn file(input: &mut Input<'_>) -> Vec<u8> {
    let mut file = Vec::new();
    while !input.is_empty() {
        let (code, subtype, body) = record(input);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        file.extend([0x69, 0x20, 0, input.u8(), 0, code, 0, subtype]);
        file.extend(length.to_be_bytes());
        file.extend(body);
    }
    file.truncate(file.len() - usize::from(input.below(4)).min(file.len()));
    file
}

fn record(input: &mut Input<'_>) -> (u8, u8, Vec<u8>) {
    let mut body = Vec::new();
    let (code, subtype) = input.one_of(&[
        (16, 4),
        (13, 1),
        (13, 2),
        (13, 4),
        (13, 8),
        (13, 10),
        (12, 1),
        (12, 2),
        (16, 0),
        (16, 1),
        (16, 5),
        (16, 8),
        (16, 9),
        (17, 4),
        (17, 1),
        (13, 6),
        (48, 0),
    ]);
    match code {
        12 => old(input, subtype, &mut body),
        13 if subtype == 1 => peers(input, &mut body),
        13 => rib(input, subtype, &mut body),
        16 | 17 => {
            if code == 17 {
                body.extend(input.u32().to_be_bytes());
            }
            message(input, subtype, &mut body);
        }
        _ => {}
    }
    if input.below(16) == 15 {
        let length = input.u8();
        body.extend(input.take(length.into()));
    }
    (code, subtype, body)
}

fn message(input: &mut Input<'_>, subtype: u8, out: &mut Vec<u8>) {
    let wide = matches!(subtype, 4 | 5 | 7 | 9 | 11);
    for _ in 0..2 {
        out.extend(if wide { &[0, 0][..] } else { &[] });
        out.extend([0xfe, input.u8()]);
    }
    let family = input.one_of(&[1, 2, 1, 2, 3]);
    out.extend([0, 0, 0, family]);
    out.extend(input.take(if family == 1 { 8 } else { 32 }));
    if matches!(subtype, 0 | 5) {
        return out.extend([0, input.below(7), 0, input.below(7)]);
    }
    let mut terms = terms::chosen(0);
    terms.four_octet_as = wide;
    if matches!(subtype, 8..=11) {
        terms.add_path = Families::ALL;
    }
    out.extend(recipe::message(2, &recipe::update(input, &terms)));
}

fn peers(input: &mut Input<'_>, out: &mut Vec<u8>) {
    out.extend([10, 0, 0, 1, 0, 2, b'v', b'w']);
    let count = input.below(4);
    out.extend([0, count]);
    for _ in 0..count {
        let flags = input.below(4);
        out.extend([flags, 10, 0, 0, input.u8()]);
        out.extend([0xfd; 16].iter().take(if flags & 1 == 0 { 4 } else { 16 }));
        out.extend([0, 0, 0xfe, 0x4e].iter().skip(if flags & 2 == 0 { 2 } else { 0 }));
    }
}

fn rib(input: &mut Input<'_>, subtype: u8, out: &mut Vec<u8>) {
    let family = if matches!(subtype, 2 | 8) { Family::Ipv4 } else { Family::Ipv6 };
    out.extend([0, 0, 0, input.u8()]);
    let length = input.u8() % if family == Family::Ipv4 { 34 } else { 130 };
    out.push(length);
    out.extend(input.take(usize::from(length).div_ceil(8)));
    let count = input.below(4);
    out.extend([0, count]);
    for _ in 0..count {
        out.extend([0, input.below(4), 0x69, 0x20, 0, 0]);
        if matches!(subtype, 8 | 10) {
            out.extend([0, 0, 0, input.u8()]);
        }
        attributes(input, family, true, out);
    }
}

fn old(input: &mut Input<'_>, subtype: u8, out: &mut Vec<u8>) {
    let (family, octets) = if subtype == 1 { (Family::Ipv4, 4) } else { (Family::Ipv6, 16) };
    out.extend([0, 0, 0, input.u8()]);
    out.extend([input.u8()].repeat(octets));
    out.extend([input.u8(), 1, 0x69, 0x20, 0, 0]);
    out.extend([input.u8()].repeat(octets));
    out.extend([0xfe, 0x4e]);
    attributes(input, family, false, out);
}

/// Those of an UPDATE, and the next hop as tables abbreviate it (RFC 6396, 4.3.4).
fn attributes(input: &mut Input<'_>, family: Family, wide: bool, out: &mut Vec<u8>) {
    let mut terms = terms::chosen(0);
    terms.four_octet_as = wide;
    let update = recipe::update(input, &terms);
    let withdrawn = usize::from(u16::from_be_bytes([update[0], update[1]]));
    let length = usize::from(u16::from_be_bytes([update[withdrawn + 2], update[withdrawn + 3]]));
    let mut attributes = update[withdrawn + 4..][..length].to_vec();
    if family == Family::Ipv6 {
        attributes.extend([0x80, 14, 17, 16]);
        attributes.extend([0xfd; 16]);
    }
    out.extend(u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(attributes);
}
