//! Mirror a file or device, split the mirror, and restore the source from it while it stays split.
pub mod area;
pub mod bitmap;
pub mod catalog;
pub mod engine;
pub mod error;
pub mod pair;
#[cfg(feature = "testing")]
pub mod sim;
pub mod state;
pub mod tracker;
pub mod units;
pub mod volume;
