//! Reports of the verbs that look, and of those that only change the record.

use serde::Serialize;

use super::PairNow;
use crate::units::Extent;

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

/// Arrays of the source that are in use in this process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct ArraysInUse {
    pub views: u64,
    pub bytes: u64,
    pub tracking: &'static str,
    pub mirroring: &'static str,
    pub interval_seconds: Option<f64>,
    pub lag_seconds: Option<f64>,
}

/// Another mirror of the same source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are documented in the Python package's reports")]
pub struct SiblingStatus {
    pub pair_id: String,
    pub mirror: String,
    pub state: Option<&'static str>,
    pub conditions: Vec<&'static str>,
    pub open: bool,
    pub problem: Option<String>,
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
    pub mounted: Option<String>,
    pub tracking: Option<Tracking>,
    pub changed_blocks: Option<u64>,
    pub pending_blocks: u64,
    pub arrays: Option<ArraysInUse>,
    pub siblings: Vec<SiblingStatus>,
    pub next: Vec<&'static str>,
    pub advice: Vec<&'static str>,
}
