//! What a full store gives up, so that no principal can push out what belongs to another.

use std::cmp::Reverse;
use std::collections::HashMap;

/// One entry of a store: its key, whose it is, and when it was last used, in microseconds.
pub(crate) struct Held<'a> {
    pub(crate) key: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) last_us: i64,
}

/// The key to give up: the longest idle of whoever holds most. Whoever fills a store pays for it alone.
pub(crate) fn victim<'a>(entries: impl Iterator<Item = Held<'a>>) -> Option<String> {
    let mut owners: HashMap<&str, (usize, i64, &str)> = HashMap::new();
    for Held { key, owner, last_us } in entries {
        let (count, oldest, found) = owners.entry(owner).or_insert((0, last_us, key));
        *count += 1;
        // Of two that are equally old the one with the smaller key: a store's own order is chance.
        if (last_us, key) < (*oldest, *found) {
            (*oldest, *found) = (last_us, key);
        }
    }
    let most = owners.into_values().max_by_key(|(count, oldest, key)| (*count, Reverse(*oldest), Reverse(*key)));
    most.map(|(_, _, key)| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str, i64)]) -> Option<String> {
        victim(entries.iter().map(|(key, owner, last_us)| Held { key, owner, last_us: *last_us }))
    }

    #[test]
    fn the_longest_idle_of_whoever_holds_most_goes() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("a", "x", 5), ("b", "y", 1)]).as_deref(), Some("b"));
        assert_eq!(of(&[("a", "x", 0), ("b", "y", 7), ("c", "y", 6)]).as_deref(), Some("c"));
        assert_eq!(of(&[("b", "x", 3), ("a", "x", 3)]).as_deref(), Some("a"));
    }
}
