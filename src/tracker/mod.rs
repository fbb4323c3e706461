//! Who else wrote the source? The question that decides whether recorded changes are believed.
//!
//! - [`Tracker`] watches an open source; a mirror's [`Belief`] says whether nobody else wrote since its anchor, or why
//!   that is not proven.
//! - [`closed`] answers for the time between a close and the next open, from times and identities.
//! - [`Tag`] is the mark that the source itself carries: whose source it is and how many write sessions it saw.
//!
//! An answer is a [`Reason`] not to believe, or none. "Not proven" is never taken for "nothing happened".

pub mod closed;
mod open;
mod tag;

pub use open::{Belief, Tracker};
pub use tag::{SourceSeen, Tag};
