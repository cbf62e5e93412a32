//! A sorted map in two layers: a base that several states share, and what differs from it.
//!
//! The upper layer holds only what differs, so it is what has to be written to say how a state
//! came from its base, and copying a state does not copy the base.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

/// A map from names, in two layers.
#[derive(Clone)]
pub struct Layered<V> {
    base: Arc<BTreeMap<String, V>>,
    /// What differs from the base; `None` where something of the base is gone.
    changed: BTreeMap<String, Option<V>>,
    count: usize,
}

impl<V> Default for Layered<V> {
    fn default() -> Self {
        Self { base: Arc::default(), changed: BTreeMap::new(), count: 0 }
    }
}

impl<V: Clone + PartialEq> Layered<V> {
    /// This base, with these changes.
    pub(super) fn new(
        base: Arc<BTreeMap<String, V>>,
        changes: BTreeMap<String, Option<V>>,
    ) -> Self {
        let count = base.len();
        let mut map = Self { base, changed: BTreeMap::new(), count };
        for (name, value) in changes {
            match value {
                Some(value) => map.insert(name, value),
                None => map.remove(&name),
            }
        }
        map
    }

    /// Changes whose base is not known yet.
    pub(super) fn without_base(changed: BTreeMap<String, Option<V>>) -> Self {
        let count = changed.values().flatten().count();
        Self { base: Arc::default(), changed, count }
    }

    /// What stands under a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        match self.changed.get(name) {
            Some(value) => value.as_ref(),
            None => self.base.get(name),
        }
    }

    /// Whether something stands under a name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts a value under a name.
    pub fn insert(&mut self, name: String, value: V) {
        self.count += usize::from(!self.contains_key(&name));
        if self.base.get(&name) == Some(&value) {
            self.changed.remove(&name);
        } else {
            self.changed.insert(name, Some(value));
        }
    }

    /// Takes a name away.
    pub fn remove(&mut self, name: &str) {
        self.count -= usize::from(self.contains_key(name));
        if self.base.contains_key(name) {
            self.changed.insert(name.to_owned(), None);
        } else {
            self.changed.remove(name);
        }
    }

    /// All names and values, sorted.
    pub fn iter(&self) -> Iter<'_, V> {
        self.starting_at("")
    }

    /// All names from this one on and their values, sorted.
    pub fn starting_at(&self, name: &str) -> Iter<'_, V> {
        let range = (Bound::Included(name), Bound::Unbounded);
        Iter {
            base: self.base.range::<str, _>(range).peekable(),
            changed: self.changed.range::<str, _>(range).peekable(),
        }
    }

    /// All names, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(name, _)| name)
    }

    /// All values, by their names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// What differs from the base; `None` is gone.
    pub(super) fn changes(&self) -> &BTreeMap<String, Option<V>> {
        &self.changed
    }

    /// What is other than in an older map; `None` is gone.
    pub(super) fn since(&self, older: &Self) -> BTreeMap<String, Option<V>> {
        let differs = |name: &&String| self.get(name) != older.get(name);
        let with_value = |name: &String| (name.clone(), self.get(name).cloned());
        if Arc::ptr_eq(&self.base, &older.base) {
            let names = self.changed.keys().chain(older.changed.keys());
            return names.filter(differs).map(with_value).collect();
        }
        self.keys().chain(older.keys()).filter(differs).map(with_value).collect()
    }
}

impl<V: Clone + PartialEq> PartialEq for Layered<V> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl<V: Clone + Eq> Eq for Layered<V> {}

impl<V: Clone + PartialEq + fmt::Debug> fmt::Debug for Layered<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, V: Clone + PartialEq> IntoIterator for &'a Layered<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Iter<'a, V> {
        self.iter()
    }
}

/// Names and values of a [`Layered`], sorted.
#[derive(Debug)]
pub struct Iter<'a, V> {
    base: Peekable<btree_map::Range<'a, String, V>>,
    changed: Peekable<btree_map::Range<'a, String, Option<V>>>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a String, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.base.peek(), self.changed.peek()) {
                (_, None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((base, _)), Some((changed, _))) => base.cmp(changed),
            };
            if order == Ordering::Less {
                return self.base.next();
            }
            if order == Ordering::Equal {
                self.base.next();
            }
            if let Some((name, Some(value))) = self.changed.next() {
                return Some((name, value));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{Random, SeededRandom};

    #[test]
    fn two_layers_are_one_map_and_the_upper_has_only_what_differs() {
        let random = SeededRandom::new(1);
        for _ in 0..50 {
            let mut base = BTreeMap::new();
            let number = |limit: u8| random.four()[0] % limit;
            for _ in 0..number(20) {
                base.insert(number(30).to_string(), number(3));
            }
            let mut plain = base.clone();
            let mut layered = Layered::new(Arc::new(base.clone()), BTreeMap::new());
            let before = layered.clone();
            for _ in 0..number(60) {
                let name = number(30).to_string();
                if number(2) == 0 {
                    plain.insert(name.clone(), 7);
                    layered.insert(name, 7);
                } else if let Some(value) = base.get(&name) {
                    plain.insert(name.clone(), *value);
                    layered.insert(name, *value);
                } else {
                    plain.remove(&name);
                    layered.remove(&name);
                }
                let gone = number(30).to_string();
                plain.remove(&gone);
                layered.remove(&gone);
            }
            assert!(layered.iter().eq(plain.iter()));
            assert_eq!(layered.len(), plain.len());
            assert!(layered.starting_at("2").eq(plain.range("2".to_owned()..)));
            for name in 0..30 {
                let name = name.to_string();
                assert_eq!(layered.get(&name), plain.get(&name));
                let is_other = plain.get(&name) != base.get(&name);
                assert_eq!(layered.changes().contains_key(&name), is_other, "{name}");
            }
            assert_eq!(&layered.since(&before), layered.changes());
            let alone = Layered::new(Arc::new(plain), BTreeMap::new());
            assert_eq!(alone, layered);
            assert_eq!(alone.since(&before), layered.since(&before));
            assert!(alone.since(&layered).is_empty());
        }
    }
}
