//! The application takes blocks over from a restore: what it writes stays, and what it leaves of a pending block is the
//! mirror's content (R11).

use super::Restoring;
use super::write::Change;
use crate::area::Writer;
use crate::catalog::Scope;
use crate::error::Result;
use crate::units::{BlockRun, Extent, subtracted};

impl Restoring {
    /// An application's change of a piece; the caller holds its stripe and has marked it dirty.
    pub(super) fn change(&self, source: &Writer, piece: Extent, change: Change<'_>) -> Result<()> {
        let touched = self.block_size.touching(piece);
        let pending = self.pending.runs_within(touched);
        if let Err(error) = self.change_taking_over(source, &pending, piece, change) {
            // What they hold is not the mirror's content, and not the application's: still to be restored.
            pending.into_iter().for_each(|run| self.pending.set(run));
            return Err(error);
        }
        // Blocks beyond the mirror's length were never to be restored; the sets have no room for them.
        self.app_written().set(touched);
        self.landed.publish(touched);
        Ok(())
    }

    fn change_taking_over(
        &self,
        source: &Writer,
        pending: &[BlockRun],
        piece: Extent,
        change: Change<'_>,
    ) -> Result<()> {
        let mut rest = vec![piece];
        for block in pending.iter().flat_map(|run| run.indexes()) {
            let made = self.take_over(source, block, piece, change)?;
            rest = subtracted(&rest, made.as_slice());
        }
        rest.into_iter().try_for_each(|part| change.part(piece, part).make(source, part))
    }

    /// A pending block that the application is about to write: what the write leaves is put in place first (R11). The part
    /// of the write that was made with it.
    fn take_over(
        &self,
        source: &Writer,
        block: u64,
        piece: Extent,
        change: Change<'_>,
    ) -> Result<Option<Extent>> {
        let run = BlockRun { first: block, count: 1 };
        let extent = self.block_size.extent(run, self.length());
        let own = extent.intersect(piece);
        let left = subtracted(&self.within_ranges(&[extent]), &[piece]);
        let mut made = None;
        if !left.is_empty() {
            let mut content = self.checked(extent)?;
            let place = |part: Extent| {
                let start = (part.offset - extent.offset) as usize;
                start..start + part.length as usize
            };
            if let (Change::Write(bytes), Scope::Whole | Scope::Blocks) =
                (change.part(piece, own), &self.scope)
            {
                // One call for all of the block, and one turn at the file.
                if let Some(within) = content.get_mut(place(own)) {
                    within.copy_from_slice(bytes);
                }
                source.write_at(&content, extent.offset)?;
                made = Some(own);
            } else {
                for part in left {
                    let bytes = content.get(place(part)).unwrap_or_default();
                    source.write_at(bytes, part.offset)?;
                }
            }
        }
        self.pending.clear(run);
        Ok(made)
    }
}
