//! Flush: what was written before is on stable storage when it returns.

use std::sync::atomic::Ordering;

use super::{Side, Volume};
use crate::error::Result;

impl Volume {
    /// Syncs the source, and the mirror while it is synchronized. A mirror that fails never fails a flush: it is
    /// given up instead (I8). During a restore, blocks that were written and are now durable leave the pending set
    /// on disk, so that no crash brings the mirror's bytes back over them.
    pub fn flush(&self) -> Result<()> {
        self.take_lost_sync()?;
        let mirror_fault = {
            let phase = self.gate();
            let source = phase.source.as_ref().ok_or_else(|| self.source_missing())?;
            self.unflushed.store(false, Ordering::Release);
            let landed = phase.restore.as_ref().map(|restore| (restore, restore.take_landed()));
            if let Err(error) = source.writer()?.sync() {
                if let Some((restore, landed)) = landed {
                    restore.return_landed(&landed);
                }
                self.unflushed.store(true, Ordering::Release);
                drop(phase);
                return Err(self.source_sync_failed(error, false));
            }
            if let Some((restore, landed)) = landed {
                restore
                    .commit_landed(&mut self.catalog(), &landed)
                    .inspect_err(|_| restore.return_landed(&landed))?;
            }
            match &phase.side {
                Side::Synchronized(mirror) => mirror.sync().err(),
                _ => None,
            }
        };
        mirror_fault.map_or(Ok(()), |error| self.mirror_failed(error))
    }

    /// Whether everything that was written through this volume has been flushed.
    pub fn is_flushed(&self) -> bool {
        !self.unflushed.load(Ordering::Acquire)
    }
}
