//! Whose error (I8): a mirror or catalog that fails must not stop the application; a source that fails must not be
//! mirrored any further.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Phase, Side, Volume};
use crate::error::{Error, Result};
use crate::state::{Condition, Reason, State};
use crate::tracker::Tag;
use crate::units::{Extent, OFFSET_MAX};

impl Volume {
    /// Gives the mirror up: from here writes go to the source alone and are marked. When the catalog cannot record
    /// that, the source's epoch is raised past what the catalog knows, so that it cannot believe itself up to date.
    pub(super) fn mirror_failed(&self, error: Error) -> Result<()> {
        let mut gate = self.close_gate();
        if gate.side.writer().is_none() {
            return Ok(());
        }
        log::error!(target: "splitmirror.volume", "the mirror failed and is given up: {error}");
        *gate = Arc::new(Phase { source: gate.source.clone(), side: Side::Absent, restore: None });
        let mut catalog = self.catalog();
        let committed = catalog.commit(|record| {
            record.state = State::Unsynchronized;
            record.conditions.set(Condition::MirrorFailed);
        });
        let Some(source) = &gate.source else { return Ok(()) };
        // What the mirror got of the writes since its last sync is unknown.
        source.tracker().lose(Reason::Compare);
        if let Err(second) = committed {
            log::error!(target: "splitmirror.volume", "the catalog failed too: {second}");
            let epoch = catalog.record().epoch;
            let beyond = epoch.next.unwrap_or(epoch.current) + 1;
            source
                .set_tag(Tag::Source { volume: catalog.record().volume_id, epoch: beyond }, true)?;
        }
        catalog.note("mirror-failed", serde_json::json!({"error": error.to_string()}));
        Ok(())
    }

    /// A write of the source failed. Where the storage only has no room for it, the two sides are made equal again and
    /// all goes on; anything else makes the source suspect.
    pub(super) fn source_failed(&self, extent: Extent, error: Error) -> Error {
        let path = self
            .look(|phase| phase.source.as_ref().map(|source| source.reader().path().to_path_buf()));
        let no_room = match &error {
            Error::NoSpace { .. } => true,
            // Beyond what the file system, or a limit of the process, allows.
            Error::Io { errno: libc::EFBIG | libc::EINVAL, .. } => true,
            Error::Io { path: failed, .. } if path.as_ref() == Some(failed) => false,
            // Not an error of the source: a block of the mirror that was needed first, say.
            _ => return error,
        };
        let gate = self.close_gate();
        let Some(source) = gate.source.clone() else { return error };
        self.dirty.set(self.block_size.touching(extent.intersect(Extent::new(0, OFFSET_MAX))));
        // What arrived before the failure may have made it longer.
        source.tracker().after_own_write(source.reader().length().unwrap_or(0));
        let equal = match &gate.side {
            Side::Synchronized(mirror) if no_room => copy_back(&source, mirror, extent).is_ok(),
            _ => false,
        };
        if equal {
            self.dirty.clear(self.block_size.touching(extent));
        }
        let marked = no_room && !matches!(gate.side, Side::Synchronized(_));
        drop(gate);
        if equal || marked { error } else { self.suspect(error) }
    }

    /// What the source holds is unknown: mirroring freezes at this instant, for the mirror holds the last good bytes.
    fn suspect(&self, error: Error) -> Error {
        let mut gate = self.close_gate();
        let side = match &gate.side {
            Side::Synchronized(mirror) => Side::Paused(Arc::clone(mirror)),
            other => other.clone(),
        };
        *gate =
            Arc::new(Phase { source: gate.source.clone(), side, restore: gate.restore.clone() });
        let mut catalog = self.catalog();
        if let Err(second) = catalog.commit(|record| {
            record.conditions.set(Condition::SourceSuspect);
        }) {
            log::error!(target: "splitmirror.volume", "the catalog failed too: {second}");
        }
        catalog.note("source-suspect", serde_json::json!({"error": error.to_string()}));
        error
    }

    /// Puts what the source holds on stable storage; `all`: its times too. The kernel reports a failure once, so
    /// whoever meets it records it for all: the pair is suspect, and the application's next flush fails.
    pub fn sync_source(&self, all: bool) -> Result<()> {
        let source = self.source()?;
        let writer = source.writer()?;
        let synced = if all { writer.sync_all() } else { writer.sync() };
        synced.map_err(|error| self.source_sync_failed(error, true))
    }

    /// A sync of the source failed. `silent`: the application has not been told.
    pub fn source_sync_failed(&self, error: Error, silent: bool) -> Error {
        if silent {
            self.sync_lost.store(true, Ordering::Release);
        }
        self.suspect(error)
    }

    /// The error of an earlier sync that the application has not been told, once.
    pub(super) fn take_lost_sync(&self) -> Result<()> {
        if !self.sync_lost.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let path = self.catalog().record().source.path.0.clone();
        Err(Error::Io { path, operation: "an earlier sync", errno: libc::EIO })
    }
}

/// Brings what the source holds in an extent to the mirror, so that both are equal whatever a failed write left.
fn copy_back(source: &super::Source, mirror: &crate::area::Writer, extent: Extent) -> Result<()> {
    let mut buffer = vec![0u8; extent.length.min(1 << 20) as usize];
    for piece in extent.pieces(1 << 20) {
        let bytes = buffer.get_mut(..piece.length as usize).unwrap_or_default();
        let read = source.reader().read_at(bytes, piece.offset)?;
        mirror.write_at(bytes.get(..read).unwrap_or_default(), piece.offset)?;
    }
    mirror.set_length(source.reader().length()?)
}
