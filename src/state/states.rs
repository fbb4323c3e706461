//! The four states of a pair (SNIA SMI-S calls them CopyState) and its mode.

use serde::{Deserialize, Serialize};

/// Where a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Made, nothing copied yet.
    Initialized,
    /// The mirror is neither a copy of the source nor of any instant: an establish did not end.
    Unsynchronized,
    /// The mirror receives every update made to the source.
    Synchronized,
    /// The mirror is a point-in-time copy and is never written.
    Split,
}

impl State {
    /// The word that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Unsynchronized => "unsynchronized",
            Self::Synchronized => "synchronized",
            Self::Split => "split",
        }
    }
}

/// Who may write the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Other programs may write the source natively; tracking is believed only when proven.
    #[default]
    Shared,
    /// Every write goes through the volume.
    Exclusive,
}

impl Mode {
    /// The word that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}
