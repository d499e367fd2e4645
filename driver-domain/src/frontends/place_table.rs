//! Devices by small numbers: of their boards, of their event channels' ports.

use alloc::vec::Vec;

use crate::names::Place;

/// Which device has which number.
#[derive(Default)]
pub struct PlaceTable(Vec<Option<Place>>);

impl PlaceTable {
    /// The device of that number.
    pub fn get(&self, number: usize) -> Option<Place> {
        self.0.get(number).copied().flatten()
    }

    /// From now on that number is of this device, or of none.
    pub fn set(&mut self, number: usize, place: Option<Place>) {
        if self.0.len() <= number {
            self.0.resize(number + 1, None);
        }
        if let Some(known) = self.0.get_mut(number) {
            *known = place;
        }
    }
}
