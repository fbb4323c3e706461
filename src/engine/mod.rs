//! Copying: pure plans and their bounded, parallel execution. Knows neither states nor the catalog.
//!
//! A [`CopyPlan`] says which bytes and why. [`transfer`] carries one out in pieces of about a megabyte: each is
//! claimed from the caller ([`Steps`]), read, written, and reported once it is on stable storage. [`differences`]
//! compares, [`block_digests`] digests. All of them report to a [`Control`] and stop when it says so.

mod compare;
mod control;
mod copy;
mod differences;
mod digest;
mod piece;
mod plan;
mod pool;
mod transfer;

pub use control::{Cancel, Control};
pub use differences::differences;
pub use digest::block_digests;
pub use piece::{PIECE_BYTES, differing_pages, piece_bytes};
pub use plan::CopyPlan;
pub use pool::Pool;
pub use transfer::{BlockCheck, Claim, CopyStats, Held, Steps, Transfer, transfer};
