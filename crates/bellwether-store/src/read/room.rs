//! Room that is used again, for parts of a file that are read one after the other.

use std::sync::{Arc, Mutex, PoisonError};

/// Room of pages or blocks, for others of the same file.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Mutex<Vec<Vec<u8>>>>);

/// Bytes in such room, which goes back when nobody reads them any more.
pub(super) struct InRoom {
    room: Room,
    bytes: Vec<u8>,
    n_bytes: usize,
}

impl Room {
    /// Pages whose room waits for another.
    const PAGES_MAX: usize = 8;

    /// Room is not given to a page more times smaller: a dictionary is much larger than the pages that name its values.
    const TIMES_MAX: usize = 4;

    /// Room for `n_bytes`, to be written; what stands there means nothing.
    pub(super) fn of(&self, n_bytes: usize) -> InRoom {
        let fits = |bytes: &Vec<u8>| (n_bytes..=n_bytes * Self::TIMES_MAX).contains(&bytes.len());
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last is still in the cache.
        let bytes = match spare.iter().rposition(fits) {
            Some(idx) => spare.remove(idx),
            None => vec![0; n_bytes],
        };
        InRoom {
            room: self.clone(),
            bytes,
            n_bytes,
        }
    }
}

impl AsRef<[u8]> for InRoom {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.n_bytes]
    }
}

impl AsMut<[u8]> for InRoom {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.n_bytes]
    }
}

impl Drop for InRoom {
    fn drop(&mut self) {
        let mut spare = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() == Room::PAGES_MAX {
            spare.remove(0);
        }
        spare.push(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_free_again_is_given_to_what_fills_it_well() {
        let room = Room::default();
        let place = |bytes: &InRoom| bytes.as_ref().as_ptr();
        let (mut first, second) = (room.of(400), room.of(400));
        first.as_mut().fill(7);
        assert_ne!(place(&first), place(&second));
        let was_at = place(&first);
        drop(first);
        // A quarter of it fills it well, less does not, and more does not fit.
        assert_ne!(place(&room.of(99)), was_at);
        assert_ne!(place(&room.of(401)), was_at);
        let again = room.of(100);
        assert_eq!((place(&again), again.as_ref()), (was_at, &[7; 100][..]));
    }

    #[test]
    fn not_all_that_is_free_again_is_kept() {
        let room = Room::default();
        let all: Vec<_> = (0..3 * Room::PAGES_MAX).map(|_| room.of(100)).collect();
        drop(all);
        assert_eq!(room.0.lock().unwrap().len(), Room::PAGES_MAX);
    }
}
