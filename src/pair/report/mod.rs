//! What verbs return: plain data with a schema version, one JSON document each. Bytes are exact, times are seconds.

mod copying;
mod looking;

pub(in crate::pair) use copying::outside_writes;
pub use copying::*;
pub use looking::*;

use serde::Serialize;

use crate::area::Stamp;
use crate::catalog::Record;

/// Version of all documents below.
pub const SCHEMA: u32 = 1;
/// A report lists at most so many extents; the counts beside the list are exact.
pub const EXTENTS_MAX: usize = 10_000;

/// Seconds since the epoch, or of a duration.
pub(in crate::pair) fn seconds(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e9
}

/// A stamp as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of stat(2)")]
pub struct StampReport {
    pub device: u64,
    pub inode: u64,
    pub length: u64,
    pub modified: f64,
    pub changed: f64,
}

impl From<Stamp> for StampReport {
    fn from(stamp: Stamp) -> Self {
        Self {
            device: stamp.device,
            inode: stamp.inode,
            length: stamp.length,
            modified: seconds(stamp.modified_ns),
            changed: seconds(stamp.changed_ns),
        }
    }
}

/// What every report says of the pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairNow {
    /// Version of the document.
    pub schema: u32,
    /// Which document it is.
    pub kind: &'static str,
    /// Identity of the pair.
    pub pair_id: String,
    /// The state after the verb.
    pub state: &'static str,
    /// The conditions after the verb.
    pub conditions: Vec<&'static str>,
}

impl PairNow {
    pub(in crate::pair) fn of(kind: &'static str, record: &Record) -> Self {
        Self {
            schema: SCHEMA,
            kind,
            pair_id: record.pair_id.to_string(),
            state: record.state.name(),
            conditions: record.conditions.names(),
        }
    }
}
