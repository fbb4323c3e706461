//! Split: the gate closes, the writes under way end, and from that instant the mirror stays as it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::collect::Stirred;
use super::{Leg, Side, Volume};
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
    /// on writes go to the source, and to the mirrors that still follow it.
    pub fn take_point(
        &self,
        leg: &Leg,
        refuse: impl FnOnce(&Taken) -> Result<()>,
    ) -> Result<Taken> {
        // What is asked of the catalog is asked before: a commit may keep it for as long as its storage takes.
        let known = leg.catalog().record().length;
        let begun = Instant::now();
        let (mut gate, stirred) = self.close_gate_at_rest()?;
        let source = gate.source.clone().ok_or_else(|| self.source_missing())?;
        let side = gate.side(leg).clone();
        let (Side::Synchronized(mirror) | Side::Paused(mirror)) = &side else {
            return Err(Error::MirrorFailed {
                path: leg.mirror_path().to_path_buf(),
                problem: "it is not being written".into(),
            });
        };
        // A mirror that stands still lacks what was written since.
        let unfollowed = if leg.is_recovered() { Reason::UncleanClose } else { Reason::Compare };
        let behind = matches!(side, Side::Paused(_)) && !leg.dirty().is_empty();
        let doubt = leg.belief().doubt_at_rest(source.tracker()).or(behind.then_some(unfollowed));
        let consistency = match (doubt, stirred, self.is_flushed()) {
            (Some(_), ..) | (_, Stirred::Still, _) => Consistency::Fuzzy,
            (None, Stirred::Before, _) | (None, _, false) => Consistency::Crash,
            (None, Stirred::No, true) => Consistency::Flushed,
        };
        let length = length_of(leg, &mirror.reader(), known)?;
        let mut taken = Taken {
            at_ns: self.host.now_ns(),
            length,
            doubt,
            consistency,
            writers_waited: Duration::ZERO,
        };
        refuse(&taken)?;
        gate.put(leg, Side::Paused(Arc::clone(mirror)));
        drop(gate);
        taken.writers_waited = begun.elapsed();
        Ok(taken)
    }

    /// Bytes of the source that a mirror which follows it holds; others may have cut or lengthened the source.
    pub fn content_length(&self, leg: &Leg, mirror: &Reader) -> Result<u64> {
        let known = leg.catalog().record().length;
        length_of(leg, mirror, known)
    }

    /// Makes the mirror durable, and gives up every writable handle on it: what stays is a reader.
    pub fn freeze_mirror(&self, leg: &Leg) -> Result<Reader> {
        if self.host.keeps(Order::MirrorSyncedBeforeSplit) {
            // Outside the gate: nothing is written to it any more, and the source's writers need not wait.
            self.sync_mirror(leg)?;
        }
        // Whoever syncs it at this moment has a handle too.
        let _handles = leg.own_handles();
        let mut gate = self.close_gate();
        let writer = match gate.put(leg, Side::Absent) {
            Side::Paused(writer) => writer,
            other => {
                gate.put(leg, other);
                return Err(Error::Closed);
            }
        };
        // The last handle: nobody else can have one, for the gate is closed and the copiers have ended.
        let reader = Arc::into_inner(writer).ok_or(Error::Closed)?.freeze()?;
        gate.put(leg, Side::Frozen(reader.clone()));
        Ok(reader)
    }
}

fn length_of(leg: &Leg, mirror: &Reader, known: u64) -> Result<u64> {
    match mirror.kind() {
        Kind::File => mirror.length(),
        // It may be larger than what it holds.
        Kind::Device => Ok(known.max(leg.written_end.load(Ordering::Acquire))),
    }
}
