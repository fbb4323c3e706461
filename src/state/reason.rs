//! Words that explain: why a plan covers what it covers (I7), how it moves bytes, what a split promises.

use serde::{Deserialize, Serialize};

/// Why a plan is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing was copied before.
    First,
    /// The recorded changes are proven to be all there are.
    Bitmap,
    /// Both sides are compared because nothing better is known.
    Compare,
    /// The caller asked for everything.
    Forced,
    /// The source was written through another pair of it while this one was closed.
    MissedEpoch,
    /// The machine was started again since: a power cut can leave new data under old times.
    Rebooted,
    /// No proof can be had that nobody else wrote (no lease, another file system, a device).
    UncleanTracker,
    /// The pair was not closed: the process that had it open died.
    UncleanClose,
    /// The source was written, or may have been, by others.
    OutsideWrites,
    /// The source is another file than the one that was mirrored.
    SourceReplaced,
    /// What the application wrote during a restore is to be restored too.
    AppWritten,
}

impl Reason {
    /// The word that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Bitmap => "bitmap",
            Self::Compare => "compare",
            Self::Forced => "forced",
            Self::MissedEpoch => "missed-epoch",
            Self::Rebooted => "rebooted",
            Self::UncleanTracker => "unclean-tracker",
            Self::UncleanClose => "unclean-close",
            Self::OutsideWrites => "outside-writes",
            Self::SourceReplaced => "source-replaced",
            Self::AppWritten => "app-written",
        }
    }
}

/// How a plan moves bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Read one side, write the other.
    Copy,
    /// Read both sides, write what differs.
    Compare,
}

/// What a split mirror promises of the instant it holds, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Parts may be of different instants.
    Fuzzy,
    /// One instant, as a power cut would have left it.
    Crash,
    /// One instant at which everything written had been flushed and nobody had the source open.
    Flushed,
    /// One instant at which the application had been told to pause.
    Application,
}

impl Consistency {
    /// The word that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fuzzy => "fuzzy",
            Self::Crash => "crash",
            Self::Flushed => "flushed",
            Self::Application => "application",
        }
    }
}
