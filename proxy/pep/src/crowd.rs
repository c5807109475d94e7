//! Who gives way when a store is full: the longest idle of whoever holds the most, so that one principal who opens more
//! and more pushes out its own and nobody else's.

use std::collections::HashMap;

/// One entry of a full store, as far as giving way is concerned.
pub(crate) struct Held<'a, K> {
    pub(crate) key: K,
    /// The key of the principal it belongs to.
    pub(crate) owner: &'a str,
    /// When it was last used, in microseconds since 1970-01-01T00:00Z.
    pub(crate) last_us: i64,
}

/// The entry that gives way; nothing in an empty store. Of owners who hold equally many, the longest idle entry decides.
pub(crate) fn gives_way<'a, K>(all: impl Iterator<Item = Held<'a, K>> + Clone) -> Option<K> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for held in all.clone() {
        *counts.entry(held.owner).or_default() += 1;
    }
    let most = counts.values().max().copied()?;
    let crowd = all.filter(|held| counts.get(held.owner) == Some(&most));
    crowd.min_by_key(|held| held.last_us).map(|held| held.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&'static str, i64)]) -> Option<usize> {
        let held = all.iter().enumerate().map(|(key, (owner, last_us))| Held { key, owner, last_us: *last_us });
        gives_way(held)
    }

    #[test]
    fn the_longest_idle_of_who_holds_the_most_gives_way() {
        assert_eq!(of(&[("quiet", 1), ("loud", 5), ("loud", 4), ("loud", 6)]), Some(2));
        assert_eq!(of(&[("a", 3), ("b", 2), ("c", 4)]), Some(1));
        assert_eq!(of(&[]), None);
    }
}
