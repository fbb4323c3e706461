//! Where each mirror stands for a write.

use std::sync::Arc;

use super::{Leg, Restoring, Source};
use crate::area::{Reader, Writer};

/// How the volume holds a mirror. A writable handle exists in three of the five, and never while split (I1).
#[derive(Debug, Clone)]
pub enum Side {
    /// Not written: nothing was copied yet, an establish was interrupted, or the mirror failed.
    Absent,
    /// An establish copies.
    Synchronizing(Arc<Writer>),
    /// Every write is made to both.
    Synchronized(Arc<Writer>),
    /// A point was taken, or the source became suspect: the mirror stays as it is, its state is not yet `split`.
    Paused(Arc<Writer>),
    /// Split: the mirror can be read alone.
    Frozen(Reader),
}

impl Side {
    /// The writable mirror, where there is one.
    pub fn writer(&self) -> Option<&Arc<Writer>> {
        match self {
            Self::Synchronizing(writer) | Self::Synchronized(writer) | Self::Paused(writer) => {
                Some(writer)
            }
            Self::Absent | Self::Frozen(_) => None,
        }
    }

    /// The mirror that writes go to, all or some of them.
    pub fn followed(&self) -> Option<&Arc<Writer>> {
        match self {
            Self::Synchronizing(writer) | Self::Synchronized(writer) => Some(writer),
            Self::Absent | Self::Paused(_) | Self::Frozen(_) => None,
        }
    }

    /// The mirror for reading, whatever it is.
    pub fn reader(&self) -> Option<Reader> {
        match self {
            Self::Frozen(reader) => Some(reader.clone()),
            _ => self.writer().map(|writer| writer.reader()),
        }
    }
}

/// A mirror of the volume, with the side that it is on.
#[derive(Debug, Clone)]
pub struct Attached {
    /// What is known of it.
    pub leg: Arc<Leg>,
    /// How it is held.
    pub side: Side,
}

/// A restore that reads and writes are redirected by, with the mirror that it is from.
#[derive(Debug, Clone)]
pub struct Running {
    /// Whose restore it is.
    pub leg: Arc<Leg>,
    /// What is still to be brought back.
    pub restore: Arc<Restoring>,
}

/// What every operation looks at first.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    /// The source; none while its file is missing.
    pub source: Option<Arc<Source>>,
    /// The mirrors.
    pub legs: Vec<Attached>,
    /// A restore that has not ended: one a source at a time.
    pub restore: Option<Running>,
}

impl Phase {
    /// The side that a mirror is on; one that is not attached is not written.
    pub fn side(&self, leg: &Leg) -> &Side {
        let found = self.legs.iter().find(|attached| attached.leg.is(leg));
        found.map_or(&Side::Absent, |attached| &attached.side)
    }

    /// Puts a mirror on another side.
    pub(super) fn put(&mut self, leg: &Leg, side: Side) -> Side {
        match self.legs.iter_mut().find(|attached| attached.leg.is(leg)) {
            Some(attached) => std::mem::replace(&mut attached.side, side),
            None => Side::Absent,
        }
    }

    /// The restore from this mirror, if one has not ended.
    pub fn restore_of(&self, leg: &Leg) -> Option<&Arc<Restoring>> {
        self.restore.as_ref().filter(|running| running.leg.is(leg)).map(|running| &running.restore)
    }
}
