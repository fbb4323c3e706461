//! A write: to the source always, to the mirror as its side says.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::{Phase, Side, Source, Volume, checked, unpoisoned};
use crate::area::{Kind, Order, Writer};
use crate::error::{Error, Result};
use crate::units::{BlockRun, Extent};

/// Marks for more blocks would cost more memory than a mistaken offset is worth: 16 TiB in blocks of 64 KiB, and with
/// blocks of 4 MiB a petabyte.
pub const BLOCKS_MAX: u64 = 1 << 28;

/// Why a write did not reach both sides.
enum Fault {
    /// It was not begun: the caller's error.
    Refused(Error),
    /// The source failed: the caller's error.
    Source(Error),
    /// The mirror: ours to deal with.
    Mirror(Error),
}

impl Volume {
    /// Writes all of `data` at `offset`; a file grows when that lies past its end. The bytes must not change
    /// meanwhile: both sides are written from them.
    pub fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        let extent = checked(offset, data.len())?;
        if extent.is_empty() {
            return Ok(());
        }
        self.apply_resize()?;
        let gate = self.gate();
        let written = if self.host.keeps(Order::DrainBeforeSplit) {
            // The gate stays held through the write: whoever closes it waits for this write.
            let written = self.write_through(&gate, data, extent);
            drop(gate);
            written
        } else {
            let phase = std::sync::Arc::clone(&gate);
            drop(gate);
            self.write_through(&phase, data, extent)
        };
        match written {
            Ok(()) => Ok(()),
            Err(Fault::Mirror(error)) => self.write_without_mirror(data, offset, error),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Source(error)) => Err(self.source_failed(extent, error)),
        }
    }

    fn write_through(&self, phase: &Phase, data: &[u8], extent: Extent) -> Result<(), Fault> {
        let source = phase.source.as_ref().ok_or_else(|| Fault::Refused(self.source_missing()))?;
        self.begin_session(phase).map_err(Fault::Refused)?;
        self.unflushed.store(true, Ordering::Release);
        source.tracker().before_own_write();
        self.make_room(phase, source, extent).map_err(Fault::Refused)?;
        let _growing = self.clear_gap(phase, source, extent)?;
        self.stripes.pieces(extent).try_for_each(|piece| {
            let start = (piece.offset - extent.offset) as usize;
            let bytes = data.get(start..start + piece.length as usize).unwrap_or_default();
            self.write_piece(phase, source, piece, bytes)
        })?;
        // Again: a flush may have begun and ended since.
        self.unflushed.store(true, Ordering::Release);
        source.tracker().after_own_write(extent.end());
        self.written_end.fetch_max(extent.end(), Ordering::AcqRel);
        Ok(())
    }

    /// The mirror failed in the middle of a write: it is given up, and the write is made to the source as a whole.
    fn write_without_mirror(&self, data: &[u8], offset: u64, error: Error) -> Result<()> {
        self.mirror_failed(error)?;
        self.write(data, offset)
    }

    /// A file that grows: the new tail, and the gap that is zeros, is marked unless both sides grow alike.
    fn make_room(&self, phase: &Phase, source: &Source, extent: Extent) -> Result<()> {
        let room = self.dirty.blocks();
        let needed = self.block_size.count(extent.end());
        if needed < room {
            return Ok(());
        }
        let length = source.reader().length()?;
        if source.reader().kind() == Kind::Device && extent.end() > length {
            return Err(Error::Range {
                offset: extent.offset,
                length: extent.length,
                limit: length,
            });
        }
        if needed <= room {
            return Ok(());
        }
        if needed > BLOCKS_MAX {
            let limit = BLOCKS_MAX * self.block_size.bytes();
            return Err(Error::Range { offset: extent.offset, length: extent.length, limit });
        }
        self.dirty.make_room(needed);
        if !matches!(phase.side, Side::Synchronized(_) | Side::Synchronizing(_)) {
            self.dirty.set(BlockRun::between(length / self.block_size.bytes(), needed));
        }
        Ok(())
    }

    /// A file that grows past its end has zeros in the gap; a device that mirrors it still has what was there before.
    /// Writes that make the file longer take turns then, or one would clear what another has just written.
    fn clear_gap(
        &self,
        phase: &Phase,
        source: &Source,
        extent: Extent,
    ) -> Result<Option<MutexGuard<'_, ()>>, Fault> {
        let (Side::Synchronized(mirror) | Side::Synchronizing(mirror)) = &phase.side else {
            return Ok(None);
        };
        let length = || source.reader().length().map_err(Fault::Refused);
        let kinds = (source.reader().kind(), mirror.reader().kind());
        if kinds != (Kind::File, Kind::Device) || extent.end() <= length()? {
            return Ok(None);
        }
        let growing = unpoisoned(&self.growing);
        let length = length()?;
        if extent.offset > length {
            mirror.discard(Extent::between(length, extent.offset)).map_err(Fault::Mirror)?;
        }
        Ok(Some(growing))
    }

    fn write_piece(
        &self,
        phase: &Phase,
        source: &Source,
        piece: Extent,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let blocks = self.block_size.touching(piece);
        let _lock = self.stripes.lock(piece);
        let writer = source.writer().map_err(Fault::Source)?;
        match &phase.side {
            Side::Synchronized(mirror) => write_both(writer, mirror, bytes, piece.offset),
            Side::Synchronizing(mirror) => self.write_forward(writer, mirror, piece, bytes),
            Side::Absent | Side::Paused(_) | Side::Frozen(_) => {
                if self.host.keeps(Order::MarkBeforeWrite) {
                    self.dirty.set(blocks);
                }
                match &phase.restore {
                    Some(restore) => restore.write(writer, piece, bytes).map_err(Fault::Source),
                    None => writer.write_at(bytes, piece.offset).map_err(Fault::Source),
                }
            }
        }
    }

    /// While an establish copies: blocks that it has still to copy are left to it, the others go to both.
    fn write_forward(
        &self,
        source: &Writer,
        mirror: &Writer,
        piece: Extent,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        for part in piece.pieces(self.block_size.bytes()) {
            let start = (part.offset - piece.offset) as usize;
            let bytes = bytes.get(start..start + part.length as usize).unwrap_or_default();
            if self.dirty.any(self.block_size.touching(part)) {
                source.write_at(bytes, part.offset).map_err(Fault::Source)?;
            } else {
                write_both(source, mirror, bytes, part.offset)?;
            }
        }
        Ok(())
    }
}

fn write_both(source: &Writer, mirror: &Writer, bytes: &[u8], offset: u64) -> Result<(), Fault> {
    source.write_at(bytes, offset).map_err(Fault::Source)?;
    mirror.write_at(bytes, offset).map_err(Fault::Mirror)
}
