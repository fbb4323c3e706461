//! A discard: part of the source reads as zeros from then on, as a hole where it has holes.

use super::write::Change;
use super::{Volume, checked};
use crate::error::Result;
use crate::units::Extent;

impl Volume {
    /// Discards `length` bytes at `offset`. What lies past the end of the source is left alone: a discard never
    /// changes a length.
    pub fn discard(&self, offset: u64, length: u64) -> Result<()> {
        let asked = checked(offset, usize::try_from(length).unwrap_or(usize::MAX))?;
        let extent = asked.intersect(Extent::between(0, self.length()?));
        self.change(Change::Discard, extent)?;
        self.reserve_handed_out();
        Ok(())
    }
}
