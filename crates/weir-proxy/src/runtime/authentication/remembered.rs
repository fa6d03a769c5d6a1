//! What a worker remembers for a while, in a bounded place.
//!
//! Two generations: what is put in goes to the young one; when that is full it becomes the old one, and the old one is
//! forgotten. So putting in and looking up cost the same however much is there, what is used often stays, and a flood of
//! what is never asked for again pushes out the rest but takes no memory. A list in order of use would forget a little
//! more justly, with two pointers for each entry.

use std::collections::HashMap;

use weir_auth::mark::Mark;

/// Values by mark; at most twice as many as a generation has.
#[derive(Debug)]
pub struct Remembered<V> {
    young: HashMap<Mark, V>,
    old: HashMap<Mark, V>,
    generation_max: usize,
}

impl<V> Remembered<V> {
    /// Nothing yet; `generation_max` in each generation.
    pub fn new(generation_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max }
    }

    /// Puts in a value, in the place of one that was there.
    pub fn insert(&mut self, mark: Mark, value: V) {
        self.old.remove(&mark);
        if self.young.len() >= self.generation_max && !self.young.contains_key(&mark) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark, value);
    }

    /// The value of a mark, which stays for longer now.
    pub fn get(&mut self, mark: &Mark) -> Option<&V> {
        if let Some(value) = self.old.remove(mark) {
            self.insert(*mark, value);
        }
        self.young.get(mark)
    }

    /// Forgets a value.
    pub fn remove(&mut self, mark: &Mark) {
        self.young.remove(mark);
        self.old.remove(mark);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_auth::mark::Marker;

    use super::*;

    #[test]
    fn it_holds_twice_a_generation_and_keeps_what_is_used() {
        let marker = Marker::new().unwrap();
        let marks: Vec<Mark> = (0..100u8).map(|number| marker.mark(&[&[number]])).collect();
        let mut remembered = Remembered::new(10);
        for (number, mark) in marks.iter().enumerate() {
            remembered.insert(*mark, number);
            assert_eq!(remembered.get(&marks[0]), Some(&0), "it is used all the time");
            assert!(remembered.young.len() <= 10 && remembered.old.len() <= 10);
        }
        assert_eq!(remembered.get(&marks[99]), Some(&99));
        assert_eq!(remembered.get(&marks[50]), None, "it was not used");
        remembered.insert(marks[99], 7);
        assert_eq!(remembered.get(&marks[99]), Some(&7));
        remembered.remove(&marks[99]);
        assert_eq!(remembered.get(&marks[99]), None);
    }

    #[test]
    fn a_value_stands_in_one_generation_only() {
        let marker = Marker::new().unwrap();
        let marks: Vec<Mark> = (0..4u8).map(|number| marker.mark(&[&[number]])).collect();
        let mut remembered = Remembered::new(2);
        for mark in &marks[..3] {
            remembered.insert(*mark, "first");
        }
        // The first two are old now. What replaces one of them must not be found behind the new one later.
        remembered.insert(marks[0], "second");
        remembered.remove(&marks[0]);
        assert_eq!(remembered.get(&marks[0]), None);
    }
}
