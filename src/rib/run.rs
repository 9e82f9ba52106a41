//! Items by number, as a vector has them, in chunks.
//!
//! A vector moves all that it has when it grows, and makes room for what may never come. Here nothing moves but
//! within the first chunk, and the room that is made is one chunk's.

use std::mem;

/// Items of a chunk.
const CHUNK: usize = if cfg!(test) { 8 } else { 512 };

/// Items by number, from zero.
#[derive(Debug)]
pub(super) struct Run<T> {
    full: Vec<Box<[T; CHUNK]>>,
    /// The chunk after these; full too until one more item comes, empty until one more goes.
    last: Vec<T>,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Self { full: Vec::new(), last: Vec::new() }
    }
}

impl<T> Run<T> {
    pub(super) const fn len(&self) -> usize {
        self.full.len().saturating_mul(CHUNK).saturating_add(self.last.len())
    }

    /// Memory held.
    pub(super) const fn bytes(&self) -> usize {
        let items = self.full.len().saturating_mul(CHUNK).saturating_add(self.last.capacity());
        let chunks = self.full.capacity().saturating_mul(size_of::<Box<[T; CHUNK]>>());
        items.saturating_mul(size_of::<T>()).saturating_add(chunks)
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.chunk(at / CHUNK).get(at % CHUNK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (number, last) = (at / CHUNK, self.full.len());
        let chunk: &mut [T] = match self.full.get_mut(number) {
            Some(chunk) => chunk.as_mut_slice(),
            None if number == last => &mut self.last,
            None => &mut [],
        };
        chunk.get_mut(at % CHUNK)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.full.iter_mut().flat_map(|chunk| chunk.iter_mut()).chain(&mut self.last)
    }

    /// The items from `start` up to `end` with their numbers, from the end down.
    pub(super) fn down(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, &T)> {
        (start / CHUNK..end.min(self.len()).div_ceil(CHUNK)).rev().flat_map(move |number| {
            let (chunk, first) = (self.chunk(number), number.saturating_mul(CHUNK));
            let first_wanted = start.saturating_sub(first);
            let wanted = chunk.get(first_wanted..end.saturating_sub(first).min(chunk.len()));
            let first = first.saturating_add(first_wanted);
            let numbered = wanted.unwrap_or_default().iter().enumerate().rev();
            numbered.map(move |(at, item)| (first.saturating_add(at), item))
        })
    }

    /// Puts an item at the end.
    pub(super) fn push(&mut self, item: T) {
        if self.last.len() == CHUNK
            && let Ok(full) = mem::take(&mut self.last).try_into()
        {
            self.full.push(full);
        }
        if self.last.len() == self.last.capacity() {
            let grown = (self.last.len() / 8).max(4);
            let most = CHUNK.saturating_sub(self.last.len());
            self.last.reserve_exact(if self.full.is_empty() { grown.min(most) } else { CHUNK });
        }
        self.last.push(item);
    }

    /// Takes an item out; the last one moves to its place.
    pub(super) fn swap_remove(&mut self, at: usize) -> Option<T> {
        if at >= self.len() {
            return None;
        }
        if self.last.is_empty()
            && let Some(full) = self.full.pop()
        {
            let full: Box<[T]> = full;
            self.last = full.into_vec();
        }
        let item = self.last.pop()?;
        self.shrink();
        Some(match self.get_mut(at) {
            Some(place) => mem::replace(place, item),
            None => item,
        })
    }

    /// Gives back much room that is not used.
    fn shrink(&mut self) {
        if self.full.len() < self.full.capacity() / 4 {
            self.full.shrink_to(self.full.len().saturating_mul(2));
        }
        if self.full.is_empty() && (self.last.is_empty() || self.last.len() < self.last.capacity() / 4) {
            self.last.shrink_to(self.last.len().saturating_mul(2));
        }
    }

    #[inline]
    fn chunk(&self, number: usize) -> &[T] {
        match self.full.get(number) {
            Some(chunk) => chunk.as_slice(),
            None if number == self.full.len() => &self.last,
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn does_what_a_vector_does(steps in vec((0_usize..9, 0_usize..60), 1..200), pulls in 1_usize..8) {
            let (mut run, mut model) = (Run::default(), Vec::new());
            for (number, (step, at)) in steps.into_iter().enumerate() {
                if step < pulls {
                    run.push(number);
                    model.push(number);
                } else {
                    let removed = (at < model.len()).then(|| model.swap_remove(at));
                    prop_assert_eq!(run.swap_remove(at), removed);
                }
                run.iter_mut().zip(&mut model).for_each(|(one, other)| {
                    *one += 1;
                    *other += 1;
                });
                prop_assert_eq!(run.len(), model.len());
                let (start, end) = (at / 2, at);
                let expected = model.iter().copied().enumerate().skip(start).take(end - start);
                let mut expected: Vec<_> = expected.collect();
                expected.reverse();
                let down: Vec<_> = run.down(start, end).map(|(at, item)| (at, *item)).collect();
                prop_assert_eq!(down, expected);
                prop_assert_eq!(run.get_mut(at).copied(), model.get(at).copied());
                prop_assert_eq!((0..70).map(|at| run.get(at)).collect::<Vec<_>>(),
                    (0..70).map(|at| model.get(at)).collect::<Vec<_>>());
            }
        }
    }

    /// Room that is made is one chunk's, of few items less, and none is kept for what went.
    #[test]
    fn makes_little_room() {
        let mut run = Run::default();
        let room = |run: &Run<u64>| run.full.len() * CHUNK + run.last.capacity();
        for number in 0..100 {
            run.push(number);
            let few = run.len() <= CHUNK;
            let most = if few { (run.len() + 3) & !3 } else { run.len().next_multiple_of(CHUNK) };
            assert!(room(&run) <= most, "{} for {}", room(&run), run.len());
        }
        while run.swap_remove(0).is_some() {
            assert!(room(&run) <= run.len() + CHUNK, "{} for {}", room(&run), run.len());
            assert!(run.full.capacity() <= (4 * run.full.len() + 4), "{:?}", run.full.capacity());
        }
        assert_eq!(run.bytes(), 0);
    }
}
