//! Who else wrote the source? The question that decides whether recorded changes are believed.
//!
//! - [`Tracker`] answers while the pair is open: nobody else wrote since the anchor, or why that is not proven.
//! - [`closed`] answers for the time between a close and the next open, from times and identities.
//! - [`Tag`] is the mark that the source itself carries: whose source it is and how many write sessions it saw.
//!
//! An answer is a [`Reason`] not to believe, or none. "Not proven" is never taken for "nothing happened".

pub mod closed;
mod open;
mod tag;

pub use open::Tracker;
pub use tag::{SourceSeen, Tag};
