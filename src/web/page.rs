//! Pages of lists that a snapshot holds. A cursor is the key of the last item shown: it stays good while
//! items come and go.

use crate::observer::view::Page;

use super::problem::Problem;

/// What orders a list and names a place in it.
pub(super) trait Key: Ord + Sized {
    /// As a cursor.
    fn write(&self) -> String;
    /// From a cursor.
    fn read(text: &str) -> Option<Self>;
}

impl Key for u64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Two words, the first without `~`.
impl Key for (String, String) {
    fn write(&self) -> String {
        format!("{}~{}", self.0, self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let (first, second) = text.split_once('~')?;
        Some((first.to_owned(), second.to_owned()))
    }
}

/// The place that `cursor` names.
pub(super) fn read<K: Key>(cursor: Option<String>) -> Result<Option<K>, Problem> {
    let Some(text) = cursor else { return Ok(None) };
    let key = K::read(&text);
    key.map(Some).ok_or_else(|| Problem::bad_request("parameter \"cursor\" is not one of an earlier page"))
}

/// The `limit` items after `after` in the order of their keys, of all `items`.
pub(super) fn page<T, K: Key>(
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
    after: Option<&K>,
    limit: usize,
) -> Page<T> {
    let mut keyed: Vec<(K, T)> = items.map(|item| (key(&item), item)).collect();
    let total = keyed.len() as u64;
    keyed.retain(|(key, _)| after.is_none_or(|after| key > after));
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let more = keyed.len() > limit;
    keyed.truncate(limit);
    let next_cursor = keyed.last().filter(|_| more).map(|(key, _)| key.write());
    Page { items: keyed.into_iter().map(|(_, item)| item).collect(), next_cursor, total: Some(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_item_once() {
        let items = [5_u64, 3, 9, 1, 7];
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = page(items.into_iter(), |item| *item, after.as_ref(), 2);
            assert_eq!(page.total, Some(5));
            seen.extend(page.items);
            if page.next_cursor.is_none() {
                break;
            }
            after = read(page.next_cursor).unwrap();
        }
        assert_eq!(seen, [1, 3, 5, 7, 9]);
    }

    #[test]
    fn a_cursor_outlives_its_item() {
        let page = page([1_u64, 9].into_iter(), |item| *item, Some(&5), 2);
        assert_eq!(page.items, [9]);
        assert!(read::<u64>(Some("x".into())).is_err());
    }
}
