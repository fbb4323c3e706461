//! Conditions: flags beside the state. What each means and how one gets rid of it stands in [`Condition::advice`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Reason, State};

/// One flag. In the order in which they are to be dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// A restore was begun and has not ended: the source is partly restored.
    RestorePending,
    /// The mirror was changed since its split (SNIA Skewed).
    MirrorSkewed,
    /// Reading or writing the mirror failed (SNIA Broken).
    MirrorFailed,
    /// A write or sync of the source failed: what it holds there is unknown.
    SourceSuspect,
    /// A restore of the source from another mirror has not ended.
    SourceRestoring,
    /// The source is not the file that was mirrored.
    SourceReplaced,
    /// Somebody else may have written the source since it was last known to equal the mirror.
    OutsideWrites,
    /// What changed is not known any more.
    TrackerLost,
}

impl Condition {
    /// The word that users see and pass in `accept`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MirrorSkewed => "mirror-skewed",
            Self::MirrorFailed => "mirror-failed",
            Self::SourceSuspect => "source-suspect",
            Self::SourceRestoring => "source-restoring",
            Self::SourceReplaced => "source-replaced",
            Self::OutsideWrites => "outside-writes",
            Self::TrackerLost => "tracker-lost",
            Self::RestorePending => "restore-pending",
        }
    }

    /// One sentence: what happened and what to do, given the state of the pair.
    pub const fn advice(self, state: State) -> &'static str {
        match self {
            Self::MirrorSkewed => {
                "The mirror was changed since its split: scrub() tells whether its seal still holds and clears this; \
                 restore(accept={'mirror-skewed'}) uses it as it is."
            }
            Self::MirrorFailed => {
                "Reading or writing the mirror failed: repair its storage, then establish() copies what it missed."
            }
            Self::SourceSuspect => {
                "A write or sync of the source failed: restore() it, or verify(from_medium=True) to read it again."
            }
            Self::SourceRestoring => {
                "The source is partly restored from another mirror: open that one and resume_restore(); if it is lost, \
                 restore() from this one, or establish(accept={'source-restoring'}) takes the source as it is."
            }
            Self::SourceReplaced => {
                "The file at the source's path is not the one that was mirrored: restore() brings the mirrored \
                 content back, establish(accept={'source-replaced'}) takes the new file."
            }
            Self::OutsideWrites => match state {
                State::Synchronized => {
                    "Others may have written the source: refresh() takes it as it is now, \
                     split(as_of_last_establish=True) keeps the mirror as it is."
                }
                _ => "Others may have written the source: the next plan compares both sides.",
            },
            Self::TrackerLost => {
                "What changed is not known any more: the next plan compares both sides."
            }
            Self::RestorePending => {
                "The source is partly restored, read it through the pair: resume_restore() goes on, \
                 restore(restart=True) starts anew, abandon_restore() leaves it as it is."
            }
        }
    }
}

/// A set of conditions, in a stable order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions(BTreeSet<Condition>);

impl Conditions {
    /// Adds one; whether it was new.
    pub fn set(&mut self, condition: Condition) -> bool {
        self.0.insert(condition)
    }

    /// Removes one; whether it was there.
    pub fn clear(&mut self, condition: Condition) -> bool {
        self.0.remove(&condition)
    }

    /// What a doubt means for a pair, as a lasting condition.
    pub fn note(&mut self, state: State, doubt: Option<Reason>) {
        if state == State::Initialized {
            return;
        }
        match doubt {
            Some(Reason::SourceReplaced) => self.set(Condition::SourceReplaced),
            Some(Reason::OutsideWrites | Reason::MissedEpoch) => self.set(Condition::OutsideWrites),
            Some(Reason::UncleanClose | Reason::Rebooted | Reason::Compare) => {
                self.set(Condition::TrackerLost)
            }
            // Nobody can tell at the moment; that is shown as such, and is no lasting condition.
            _ => false,
        };
    }

    /// Whether it is set.
    pub fn has(&self, condition: Condition) -> bool {
        self.0.contains(&condition)
    }

    /// All that are set.
    pub fn iter(&self) -> impl Iterator<Item = Condition> {
        self.0.iter().copied()
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(Condition::name).collect()
    }
}
