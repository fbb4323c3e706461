//! Source and mirror compared, under load: each difference is read again under the stripe's lock.

use super::{Leg, Volume};
use crate::area::Reader;
use crate::engine::{Control, differences};
use crate::error::Result;
use crate::units::Extent;

impl Volume {
    /// Looks at both sides while no write is under way.
    pub fn between_writes<T>(&self, look: impl FnOnce() -> Result<T>) -> Result<T> {
        let _gate = self.close_gate();
        look()
    }

    /// The blocks in which the source and the mirror differ.
    pub fn differences(
        &self,
        leg: &Leg,
        mirror: &Reader,
        extents: &[Extent],
        control: &Control,
    ) -> Result<Vec<Extent>> {
        let source = self.source()?;
        let lock = |piece: Extent| self.stripes.lock(piece);
        differences(source.reader(), mirror, extents, leg.block_size(), &self.pool, control, &lock)
    }
}
