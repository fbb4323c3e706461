//! Where the mirror stands for a write.

use std::sync::Arc;

use super::{Restoring, Source};
use crate::area::{Reader, Writer};

/// How the volume holds the mirror. A writable handle exists in three of the five, and never while split (I1).
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

    /// The mirror for reading, whatever it is.
    pub fn reader(&self) -> Option<Reader> {
        match self {
            Self::Frozen(reader) => Some(reader.clone()),
            _ => self.writer().map(|writer| writer.reader()),
        }
    }
}

/// What every operation looks at first.
#[derive(Debug)]
pub struct Phase {
    /// The source; none while its file is missing.
    pub source: Option<Arc<Source>>,
    /// The mirror.
    pub side: Side,
    /// A restore that has not ended.
    pub restore: Option<Arc<Restoring>>,
}
