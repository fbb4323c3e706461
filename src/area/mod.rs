//! Areas: anything byte-addressed that can be a source or a mirror, and the host they live on.
//!
//! - [`Medium`] is the one trait of positional calls; [`Reader`] and [`Writer`] are the two ways to hold one.
//!   Only a `Writer` can change bytes, so a function that takes a `Reader` of the mirror cannot hurt it (I1).
//! - [`Host`] is the machine: where paths are opened, locks taken, clocks and the boot id read.
//!   [`Linux`] is the real one; the crate's feature `testing` adds a simulated one.
//! - [`Mapping`] is memory of the program's that is an area's bytes; stores into it are found by scanning.
//! - [`Watch`] sees that others may have written an area; what that means is decided in `tracker`.
//!
//! This folder is the only place that calls the operating system.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this folder is the door to files and devices that the rest of the crate must use"
)]

mod access;
mod attributes;
mod device;
mod doctor;
mod file;
mod fork;
mod found;
mod holes;
mod host;
mod identity;
mod linux;
mod lock;
mod loops;
mod mapped;
mod mapping;
mod medium;
mod mountpoint;
mod mounts;
mod order;
mod pages;
mod same;
mod stamp;
mod usage;
mod users;
mod watch;

pub use access::{Reader, Writer};
pub use doctor::{Check, examine};
pub use fork::{descent, forks_seen};
pub use host::{Access, Found, Host, Kind, Lock, Ownership};
pub use linux::Linux;
pub use mapping::{Mapping, Scanned, StoreTracking};
pub use medium::{Medium, View};
pub use mountpoint::Mountpoint;
pub use order::Order;
pub use same::check_different;
pub use stamp::Stamp;
pub use usage::Usage;
pub use watch::{Disturbance, Watch};
