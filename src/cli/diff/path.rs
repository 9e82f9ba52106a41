//! An AS path as people read it, turned back into segments.

use crate::bgp::as_path::SegmentKind;

/// Segments with the numbers of each.
pub(super) type Segments = Vec<(SegmentKind, Vec<u32>)>;

/// What `text` shows, if it is as [`AsPath`](crate::bgp::as_path::AsPath) prints itself: `65102 {1 2} (3)`.
pub(super) fn read(text: &str) -> Option<Segments> {
    let mut segments = Segments::new();
    // The brackets that are open; none in a sequence.
    let mut closing: Option<char> = None;
    // What bare numbers are appended to.
    let mut in_sequence = false;
    for mut word in text.split_ascii_whitespace() {
        if closing.is_none()
            && let Some((kind, close, rest)) = opening(word)
        {
            segments.push((kind, Vec::new()));
            (closing, in_sequence, word) = (Some(close), false, rest);
        }
        let end = closing.and_then(|close| word.strip_suffix(close));
        let number = end.unwrap_or(word);
        if closing.is_none() && !in_sequence {
            segments.push((SegmentKind::Sequence, Vec::new()));
            in_sequence = true;
        }
        if !number.is_empty() {
            // What is no number, a sign among them, is no AS.
            let digits = number.bytes().all(|octet| octet.is_ascii_digit());
            segments.last_mut()?.1.push(number.parse().ok().filter(|_| digits)?);
        }
        if end.is_some() {
            closing = None;
        }
    }
    closing.is_none().then_some(segments)
}

fn opening(word: &str) -> Option<(SegmentKind, char, &str)> {
    let (kind, close) = match word.chars().next()? {
        '{' => (SegmentKind::Set, '}'),
        '(' => (SegmentKind::ConfedSequence, ')'),
        '[' => (SegmentKind::ConfedSet, ']'),
        _ => return None,
    };
    Some((kind, close, word.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bgp::attribute::Builder;

    fn shown(segments: &Segments) -> String {
        let segments: Vec<_> =
            segments.iter().map(|(kind, numbers)| (kind.code(), numbers.as_slice())).collect();
        Builder::default().as_path(&segments).with_set(|set| set.as_path().to_string())
    }

    #[test]
    fn reads_what_is_shown() {
        let sequence = |numbers: &[u32]| (SegmentKind::Sequence, numbers.to_vec());
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("65102 65101"), Some(vec![sequence(&[65102, 65101])]));
        assert_eq!(
            read("65102 {1 2} (3) [4] 5"),
            Some(vec![
                sequence(&[65102]),
                (SegmentKind::Set, vec![1, 2]),
                (SegmentKind::ConfedSequence, vec![3]),
                (SegmentKind::ConfedSet, vec![4]),
                sequence(&[5]),
            ])
        );
    }

    #[test]
    fn does_not_guess() {
        for text in ["x", "1 {2", "1 2}", "{1)", "-1", "+1", "4294967296", "1,2", "{{1}}", "{1}}", "(1 {2})"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    /// No two sequences in a row: shown, they are one.
    fn paths() -> impl Strategy<Value = Segments> {
        let kinds =
            [SegmentKind::Set, SegmentKind::Sequence, SegmentKind::ConfedSequence, SegmentKind::ConfedSet];
        let segment = (prop::sample::select(kinds.to_vec()), prop::collection::vec(any::<u32>(), 1..20));
        prop::collection::vec(segment, 0..6).prop_map(|mut segments| {
            segments
                .dedup_by(|one, other| one.0 == SegmentKind::Sequence && other.0 == SegmentKind::Sequence);
            segments
        })
    }

    proptest! {
        #[test]
        fn every_path_survives_being_shown(path in paths()) {
            prop_assert_eq!(read(&shown(&path)), Some(path));
        }

        #[test]
        fn nothing_is_too_strange(text in "[0-9{}()\\[\\] ]{0,20}") {
            if let Some(path) = read(&text) && path.iter().all(|(_, numbers)| !numbers.is_empty()) {
                prop_assert_eq!(read(&shown(&path)), Some(path));
            }
        }

        #[test]
        fn a_long_sequence_is_one(numbers in prop::collection::vec(any::<u32>(), 256..600)) {
            let path = vec![(SegmentKind::Sequence, numbers)];
            prop_assert_eq!(read(&shown(&path)), Some(path));
        }
    }
}
