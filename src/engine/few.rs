//! A list whose room is taken once: a lane has several, most of them empty, and keeps only where they lie.

use std::ops::{Deref, DerefMut};

/// A bounded list.
#[derive(Debug)]
pub(crate) struct Few<T> {
    items: Vec<T>,
    max: usize,
}

impl<T> Few<T> {
    /// An empty one, with room for `max`.
    pub fn with_room(max: usize) -> Few<T> {
        Few { items: Vec::with_capacity(max), max }
    }

    /// Takes one in.
    ///
    /// # Errors
    /// The one that there is no room for.
    #[inline]
    pub fn try_push(&mut self, item: T) -> Result<(), T> {
        if self.items.len() == self.max {
            return Err(item);
        }
        self.items.push(item);
        Ok(())
    }

    /// Takes in as many as there is room for.
    pub fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        let room = self.max - self.items.len();
        self.items.extend(items.into_iter().take(room));
    }

    /// Takes one out.
    pub fn remove(&mut self, at: usize) -> T {
        self.items.remove(at)
    }

    /// Keeps those that `keeps` says.
    pub fn retain(&mut self, keeps: impl FnMut(&T) -> bool) {
        self.items.retain(keeps);
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}
