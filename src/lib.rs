//! Mirror a file or device, split the mirror, and restore the source from it while it stays split.
pub mod area;
pub mod error;
pub mod units;
pub mod bitmap;
pub mod state;
