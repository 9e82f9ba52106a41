//! Messages made from the choices of a fuzzer: nearly right, so that what is behind the first check is
//! reached too.

use thirdleaf::bgp::{Family, Negotiated};

use super::input::Input;

/// Attributes that a recipe knows: type and the flags it should have.
const ATTRIBUTES: [(u8, u8); 20] = [
    (2, 0x40),
    (14, 0x80),
    (15, 0x80),
    (8, 0xc0),
    (3, 0x40),
    (1, 0x40),
    (4, 0x80),
    (5, 0x40),
    (6, 0x40),
    (7, 0xc0),
    (9, 0x80),
    (10, 0x80),
    (16, 0xc0),
    (17, 0xc0),
    (18, 0xc0),
    (25, 0xc0),
    (32, 0xc0),
    (35, 0xc0),
    (99, 0xc0),
    (100, 0x80),
];

/// The body of an UPDATE to be read under `terms`.
pub fn update(input: &mut Input<'_>, terms: &Negotiated) -> Vec<u8> {
    let mut body = counted(|out| prefixes(input, Family::Ipv4, terms, out));
    body.extend(counted(|out| {
        if input.below(8) != 7 {
            out.extend([0x40, 1, 1, 0]);
            out.extend([0x40, 2]);
            out.extend(if terms.four_octet_as {
                &[6, 2, 1, 0, 0, 0xfe, 0x4e][..]
            } else {
                &[4, 2, 1, 0xfe, 0x4e]
            });
            out.extend([0x40, 3, 4, 172, 16, 10, 1]);
        }
        for _ in 0..input.below(8) {
            attribute(input, terms, out);
        }
    }));
    prefixes(input, Family::Ipv4, terms, &mut body);
    body
}

/// A message of this type around `body`.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 19).unwrap_or(u16::MAX);
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// The body of an OPEN of `asn`.
pub fn open(input: &mut Input<'_>, asn: u32) -> Vec<u8> {
    let my_as = u16::try_from(asn).unwrap_or(23456);
    let mut body = vec![4];
    body.extend(my_as.to_be_bytes());
    body.extend(input.one_of(&[3_u16, 240, 0, 9, 90, 1, 65535]).to_be_bytes());
    body.extend([172, 16, 10, input.below(4)]);
    let extended = input.below(4) == 3;
    let mut parameters = Vec::new();
    for _ in 0..input.below(3) {
        let mut capabilities = Vec::new();
        for _ in 0..input.below(8) {
            capability(input, asn, &mut capabilities);
        }
        parameters.push(if input.below(32) == 31 { input.u8() } else { 2 });
        put_length(capabilities.len(), extended, &mut parameters);
        parameters.extend(capabilities);
    }
    if extended {
        body.extend([255, 255]);
    }
    put_length(parameters.len(), extended, &mut body);
    body.extend(parameters);
    body
}

fn capability(input: &mut Input<'_>, asn: u32, out: &mut Vec<u8>) {
    let code = input.one_of(&[1_u8, 65, 64, 69, 2, 70, 6, 71, 5, 9, 73, 75, 128]);
    let mut value = Vec::new();
    match code {
        1 => value.extend([0, 1 + input.below(3), 0, 1 + input.below(2)]),
        65 => value.extend(asn.to_be_bytes()),
        64 => {
            value.extend(input.u16().to_be_bytes());
            for _ in 0..input.below(4) {
                value.extend([0, 1 + input.below(2), 1, input.u8()]);
            }
        }
        69 => {
            for _ in 0..input.below(4) {
                value.extend([0, 1 + input.below(2), 1, input.below(5)]);
            }
        }
        71 => {
            for _ in 0..input.below(4) {
                value.extend([0, 1 + input.below(2), 1, input.u8(), 0, 0, input.u8()]);
            }
        }
        2 | 6 | 70 => {}
        73 | 75 => {
            for _ in 0..if code == 73 { 2 } else { 1 } {
                let length = input.below(16);
                let text = input.take(usize::from(length));
                value.push(length);
                value.extend(text);
            }
        }
        _ => {
            let length = input.below(16);
            value.extend(input.take(usize::from(length)));
        }
    }
    lie(input, &mut value);
    out.extend([code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
    out.extend(value);
}

/// Now and then, what is to be well-formed is cut, or is longer than it should be.
fn lie(input: &mut Input<'_>, value: &mut Vec<u8>) {
    match input.below(32) {
        31 => drop(value.pop()),
        30 => value.push(input.u8()),
        _ => {}
    }
}

fn put_length(length: usize, wide: bool, out: &mut Vec<u8>) {
    if wide {
        out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    } else {
        out.push(u8::try_from(length).unwrap_or(u8::MAX));
    }
}

fn counted(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = vec![0, 0];
    write(&mut octets);
    let length = u16::try_from(octets.len() - 2).unwrap_or(u16::MAX);
    octets[..2].copy_from_slice(&length.to_be_bytes());
    octets
}

fn attribute(input: &mut Input<'_>, terms: &Negotiated, out: &mut Vec<u8>) {
    let (code, mut flags) = input.one_of(&ATTRIBUTES);
    let mut value = Vec::new();
    attribute_value(code, input, terms, &mut value);
    lie(input, &mut value);
    let twist = input.u8();
    flags ^= match twist {
        240..=247 => 0x10,
        248.. => input.u8(),
        _ => 0,
    };
    let wide = flags & 0x10 != 0 || value.len() > 255;
    out.extend([flags | u8::from(wide) << 4, code]);
    let short = usize::from(twist == 239);
    put_length(value.len() + short, wide, out);
    out.extend(value);
}

fn attribute_value(code: u8, input: &mut Input<'_>, terms: &Negotiated, out: &mut Vec<u8>) {
    let mut several = |size: usize, out: &mut Vec<u8>| {
        let count = usize::from(input.below(4));
        out.extend(input.take(count * size));
    };
    match code {
        8 | 10 => several(4, out),
        16 => several(8, out),
        25 => several(20, out),
        32 => several(12, out),
        1 => out.push(input.below(4)),
        2 => path(input, terms.four_octet_as, out),
        17 => path(input, true, out),
        3 => out.extend([input.one_of(&[10, 172, 0, 127, 224, 255]), 0, 0, input.u8()]),
        7 => {
            number(input, terms.four_octet_as, out);
            out.extend([10, 0, 0, input.u8()]);
        }
        18 => {
            number(input, true, out);
            out.extend([10, 0, 0, input.u8()]);
        }
        14 => {
            let family = family(input, out);
            let length = input.one_of(&[if family == Family::Ipv4 { 4 } else { 16 }, 32, 4, 16, 5]);
            let mut next_hop = [0; 32];
            next_hop[0] = input.one_of(&[0xfd, 10, 0, 0xff]);
            next_hop[length - 1] = input.u8();
            out.push(u8::try_from(length).unwrap_or_default());
            out.extend(&next_hop[..length]);
            out.push(0);
            prefixes(input, family, terms, out);
        }
        15 => {
            let family = family(input, out);
            prefixes(input, family, terms, out);
        }
        6 => {}
        4 | 5 | 9 | 35 => out.extend(input.u32().to_be_bytes()),
        _ => {
            let length = input.u8();
            out.extend(input.take(usize::from(length)));
        }
    }
}

/// AFI and SAFI, now and then those of no family of ours.
fn family(input: &mut Input<'_>, out: &mut Vec<u8>) -> Family {
    let (afi, safi, family) = input.one_of(&[
        (2, 1, Family::Ipv6),
        (1, 1, Family::Ipv4),
        (2, 1, Family::Ipv6),
        (1, 128, Family::Ipv4),
        (25, 70, Family::Ipv6),
    ]);
    out.extend([0, afi, safi]);
    family
}

fn path(input: &mut Input<'_>, wide: bool, out: &mut Vec<u8>) {
    for _ in 0..input.below(4) {
        let count = input.below(6);
        out.extend([input.one_of(&[2, 2, 2, 1, 1, 2, 2, 1, 2, 3, 4, 5]), count]);
        for _ in 0..count {
            number(input, wide, out);
        }
    }
}

/// An AS number.
fn number(input: &mut Input<'_>, wide: bool, out: &mut Vec<u8>) {
    let choice = input.u8();
    if wide {
        let high = if choice < 32 { 0xfa57 } else { 0_u16 };
        out.extend(high.to_be_bytes());
    }
    let low = match choice {
        255 => 0,
        250..=254 => 23456,
        _ => 65000 + u16::from(choice),
    };
    out.extend(low.to_be_bytes());
}

fn prefixes(input: &mut Input<'_>, family: Family, terms: &Negotiated, out: &mut Vec<u8>) {
    let (max, usual) = match family {
        Family::Ipv4 => (32, [32, 26, 24, 12, 0]),
        Family::Ipv6 => (128, [128, 122, 64, 112, 0]),
    };
    for _ in 0..input.below(6) {
        if terms.add_path.contains(family) {
            out.extend([0, 0, 0, input.u8()]);
        }
        let choice = input.u8();
        let length = if choice < 192 { usual[usize::from(choice) % usual.len()] } else { choice % (max + 2) };
        let octets = usize::from(length).div_ceil(8);
        let taken = input.take(octets);
        out.push(length);
        out.extend(taken);
        out.extend(std::iter::repeat_n(0x0a, octets - taken.len()));
    }
}
