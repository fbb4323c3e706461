//! What verbs return: plain data with a schema version, one JSON document each. Bytes are exact, times are seconds.

use serde::Serialize;

use crate::area::Stamp;
use crate::catalog::Record;
use crate::engine::{CopyPlan, CopyStats};
use crate::units::{BlockSize, Extent};

/// Version of all documents below.
pub const SCHEMA: u32 = 1;
/// A report lists at most so many extents; the counts beside the list are exact.
pub const EXTENTS_MAX: usize = 10_000;

/// Seconds since the epoch, or of a duration.
pub(super) fn seconds(nanoseconds: i128) -> f64 {
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
    pub(super) fn of(kind: &'static str, record: &Record) -> Self {
        Self {
            schema: SCHEMA,
            kind,
            pair_id: record.pair_id.to_string(),
            state: record.state.name(),
            conditions: record.conditions.names(),
        }
    }
}

/// What copying took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyReport {
    /// Why these blocks (I7).
    pub reason: &'static str,
    /// `copy` or `compare`.
    pub method: crate::state::Method,
    /// Blocks of the area.
    pub blocks_total: u64,
    /// Blocks that were looked at.
    pub blocks_examined: u64,
    /// Blocks of which at least one byte was written or punched.
    pub blocks_copied: u64,
    /// Blocks of the area that were left as they were.
    pub blocks_skipped: u64,
    /// Bytes written.
    pub bytes_copied: u64,
    /// Bytes turned into holes.
    pub bytes_punched: u64,
    /// Duration.
    pub seconds: f64,
}

impl CopyReport {
    pub(super) fn of(
        plan: &CopyPlan,
        stats: CopyStats,
        size: BlockSize,
        length: u64,
        seconds: f64,
    ) -> Self {
        let blocks_total = size.count(length);
        Self {
            reason: plan.reason.name(),
            method: plan.method,
            blocks_total,
            blocks_examined: stats.blocks_examined.min(blocks_total),
            blocks_copied: stats.blocks_copied.min(blocks_total),
            blocks_skipped: blocks_total.saturating_sub(stats.blocks_copied),
            bytes_copied: stats.bytes_copied,
            bytes_punched: stats.bytes_punched,
            seconds,
        }
    }
}

/// The source was, or was not, written by others meanwhile.
pub(super) fn outside_writes(suspected: bool) -> &'static str {
    if suspected { "suspected" } else { "none" }
}

/// Of `establish()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct EstablishReport {
    #[serde(flatten)]
    pub pair: PairNow,
    #[serde(flatten)]
    pub copy: CopyReport,
    pub source_length: u64,
    pub outside_writes: &'static str,
}

/// Of `split()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct SplitReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub label: Option<String>,
    pub taken_at: f64,
    pub consistency: &'static str,
    pub length: u64,
    pub writers_paused_seconds: f64,
    pub seconds: f64,
    pub mirror_stamp: StampReport,
}

/// Of `refresh()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct RefreshReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub establish: EstablishReport,
    pub split: SplitReport,
}

/// Of a restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct Receipt {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub label: Option<String>,
    pub source: String,
    pub to: Option<String>,
    #[serde(flatten)]
    pub copy: CopyReport,
    pub blocks_app_written: u64,
    pub length_before: Option<u64>,
    pub length_after: u64,
    pub mirror_stamp_before: StampReport,
    pub mirror_stamp_after: StampReport,
    pub root_before: Option<String>,
    pub root_after: Option<String>,
    pub mirror_unchanged: bool,
    pub outside_writes: &'static str,
    pub complete: bool,
    pub unrestored: Vec<Extent>,
    pub resumed: bool,
}

/// Of `abandon_restore()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct AbandonReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub unrestored: Vec<Extent>,
    pub blocks_unrestored: u64,
}

/// One run of blocks in which the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct DifferingRange {
    pub offset: u64,
    pub length: u64,
    pub wrong_side: &'static str,
}

/// Of `verify()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct VerifyReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub matches: bool,
    pub differing: Vec<DifferingRange>,
    pub ranges_total: u64,
    pub blocks_examined: u64,
    pub blocks_differing: u64,
    pub source_length: u64,
    pub mirror_length: u64,
    pub sealed: bool,
    pub seconds: f64,
}

/// Of `seal()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct SealReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub root: String,
    pub blocks: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// Of `scrub()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct ScrubReport {
    #[serde(flatten)]
    pub pair: PairNow,
    pub generation: u64,
    pub intact: bool,
    pub root: String,
    pub blocks_bad: u64,
    pub bad: Vec<Extent>,
    pub blocks: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// Of `detach()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct DetachReport {
    pub schema: u32,
    pub kind: &'static str,
    pub pair_id: String,
    pub mirror: String,
    pub source: String,
}

/// A plan, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct PlanReport {
    pub schema: u32,
    pub kind: &'static str,
    pub verb: &'static str,
    pub reason: &'static str,
    pub method: crate::state::Method,
    pub extents: Vec<Extent>,
    pub extents_total: u64,
    pub blocks: u64,
    pub bytes: u64,
    pub source_length: Option<u64>,
    pub target_length: u64,
    pub space_needed: u64,
    pub overwrites: String,
}

/// Whether the recorded changes are believed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct Tracking {
    pub believed: bool,
    pub reason: &'static str,
}

/// Of `status()`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct Status {
    #[serde(flatten)]
    pub pair: PairNow,
    pub volume_id: String,
    pub mirror: String,
    pub source: String,
    pub catalog: String,
    pub mode: &'static str,
    pub block_size: u64,
    pub activity: &'static str,
    pub generation: u64,
    pub label: Option<String>,
    pub split_at: Option<f64>,
    pub consistency: Option<&'static str>,
    pub established_at: Option<f64>,
    pub length: u64,
    pub sealed: bool,
    pub root: Option<String>,
    pub hold: Option<String>,
    pub owner_pid: Option<u32>,
    pub tracking: Option<Tracking>,
    pub changed_blocks: Option<u64>,
    pub pending_blocks: u64,
    pub next: Vec<&'static str>,
    pub advice: Vec<&'static str>,
}
