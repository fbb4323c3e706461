//! Split: the gate closes, the writes under way end, and from that instant the mirror stays as it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Phase, Side, Volume};
use crate::area::{Kind, Order, Reader};
use crate::error::{Error, Result};
use crate::state::{Consistency, Reason};

/// A point that was taken and is not durable yet.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When, nanoseconds since the epoch.
    pub at_ns: i128,
    /// Bytes of the source that the mirror holds.
    pub length: u64,
    /// Why the mirror may not equal the source; `None`: it does.
    pub doubt: Option<Reason>,
    /// What the point promises.
    pub consistency: Consistency,
    /// How long writers had to wait.
    pub writers_waited: Duration,
}

impl Volume {
    /// Takes the point in time, unless `refuse` says that it is not good enough: then nothing has changed. From here
    /// on writes go to the source alone.
    pub fn take_point(&self, refuse: impl FnOnce(&Taken) -> Result<()>) -> Result<Taken> {
        let begun = Instant::now();
        let mut gate = self.close_gate();
        let source = gate.source.clone().ok_or_else(|| self.source_missing())?;
        let (Side::Synchronized(mirror) | Side::Paused(mirror)) = &gate.side else {
            return Err(Error::MirrorFailed {
                path: self.catalog().record().mirror.path.0.clone(),
                problem: "it is not being written".into(),
            });
        };
        // A mirror that stands still lacks what was written since.
        let behind = matches!(gate.side, Side::Paused(_)) && !self.dirty.is_empty();
        let doubt = source.tracker().doubt_at_rest().or(behind.then_some(Reason::Compare));
        let consistency = match (doubt, self.is_flushed()) {
            (Some(_), _) => Consistency::Fuzzy,
            (None, false) => Consistency::Crash,
            (None, true) => Consistency::Flushed,
        };
        let length = self.content_length(&mirror.reader())?;
        let mut taken = Taken {
            at_ns: self.host.now_ns(),
            length,
            doubt,
            consistency,
            writers_waited: Duration::ZERO,
        };
        refuse(&taken)?;
        let side = Side::Paused(Arc::clone(mirror));
        *gate = Arc::new(Phase { source: Some(source), side, restore: None });
        taken.writers_waited = begun.elapsed();
        Ok(taken)
    }

    /// Bytes of the source that a mirror which follows it holds; others may have cut or lengthened the source.
    pub fn content_length(&self, mirror: &Reader) -> Result<u64> {
        match mirror.kind() {
            Kind::File => mirror.length(),
            // It may be larger than what it holds.
            Kind::Device => {
                Ok(self.catalog().record().length.max(self.written_end.load(Ordering::Acquire)))
            }
        }
    }

    /// Makes the mirror durable, and gives up every writable handle on it: what stays is a reader.
    pub fn freeze_mirror(&self) -> Result<Reader> {
        if self.host.keeps(Order::MirrorSyncedBeforeSplit) {
            // Outside the gate: nothing is written to it any more, and the source's writers need not wait.
            let mirror = self.look(|phase| phase.side.writer().cloned()).ok_or(Error::Closed)?;
            mirror.sync_all()?;
        }
        let mut gate = self.close_gate();
        let side = std::mem::replace(
            &mut *gate,
            Arc::new(Phase { source: None, side: Side::Absent, restore: None }),
        );
        let source = side.source.clone();
        let Some(writer) = side.side.writer().cloned() else {
            *gate = side;
            return Err(Error::Closed);
        };
        drop(side);
        let frozen = Self::freeze(writer);
        let side = frozen.as_ref().map_or(Side::Absent, |reader| Side::Frozen(reader.clone()));
        *gate = Arc::new(Phase { source, side, restore: None });
        frozen
    }

    fn freeze(writer: Arc<crate::area::Writer>) -> Result<Reader> {
        // The last handle: nobody else can have one, for the gate is closed and the copiers have ended.
        let writer = Arc::into_inner(writer).ok_or(Error::Closed)?;
        writer.freeze()
    }
}
