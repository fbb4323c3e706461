//! A read: from the source, except for what a restore has still to bring back.

use super::{Leg, Origin, Restoring, Side, Source, Volume, checked};
use crate::area::Reader;
use crate::error::Result;
use crate::units::Extent;

impl Volume {
    /// Reads up to `buffer.len()` bytes of the source; fewer only at its end.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let extent = checked(offset, buffer.len())?;
        let phase = self.gate();
        let source = phase.source.as_ref().ok_or_else(|| self.source_missing())?;
        match phase.restore.as_ref().map(|running| &running.restore) {
            None => source.reader().read_at(buffer, offset),
            Some(restore) => self.read_restoring(source, restore, buffer, extent),
        }
    }

    /// Where a byte is, is decided under the lock of its stripe: the copier clears a mark before it copies.
    fn read_restoring(
        &self,
        source: &Source,
        restore: &Restoring,
        buffer: &mut [u8],
        extent: Extent,
    ) -> Result<usize> {
        let resize = restore.resize();
        let extent = extent.intersect(Extent::new(0, resize.unwrap_or(u64::MAX)));
        let _busy = self.traffic.enter();
        let mut total = 0;
        for piece in self.stripes.pieces(extent) {
            let _lock = self.stripes.lock(piece);
            for (part, origin) in restore.origins(piece) {
                let start = (part.offset - extent.offset) as usize;
                let bytes = buffer.get_mut(start..start + part.length as usize).unwrap_or_default();
                let mut read = match origin {
                    Origin::Source => source.reader().read_at(bytes, part.offset)?,
                    Origin::Mirror => restore.read_mirror(bytes, part.offset)?,
                };
                if resize.is_some() {
                    // The source has not got its length yet; what it lacks is a hole.
                    bytes.get_mut(read..).unwrap_or_default().fill(0);
                    read = bytes.len();
                }
                total += read;
                if read < bytes.len() {
                    return Ok(total);
                }
            }
        }
        Ok(total)
    }

    /// Reads a split mirror that was looked up by [`Volume::frozen_mirror`]; `None` when it has been let go since, even if
    /// it holds another point by now. The gate is held meanwhile: nothing is written to it before the read has ended.
    pub fn read_frozen(
        &self,
        leg: &Leg,
        mirror: &Reader,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<Option<usize>> {
        self.look_at(leg, |side| match side {
            Side::Frozen(now) if now.is(mirror) => mirror.read_at(buffer, offset).map(Some),
            _ => Ok(None),
        })
    }

    /// The parts of the source that may hold data, within an extent; what lies between them reads as zeros.
    pub fn data_extents(&self, within: Extent) -> Result<Vec<Extent>> {
        let phase = self.gate();
        let source = phase.source.as_ref().ok_or_else(|| self.source_missing())?;
        match &phase.restore {
            None => source.reader().data_extents(within),
            // Some of it is still in the mirror.
            Some(_) => Ok(vec![within]),
        }
    }

    /// The length of the source as a reader sees it: the restored one as soon as a restore has begun.
    pub fn length(&self) -> Result<u64> {
        let phase = self.gate();
        match phase.restore.as_ref().and_then(|running| running.restore.resize()) {
            Some(length) => Ok(length),
            None => phase.source.as_ref().ok_or_else(|| self.source_missing())?.reader().length(),
        }
    }
}
