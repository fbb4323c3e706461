//! A simulated host for crash tests: a machine whose power can be cut after any operation.
//!
//! All files of the machine (source, its tag, mirror, catalog, folders) share one ordered log of operations,
//! as a real machine has one order in which they happened. [`SimHost::crash_point`] takes a position in it and
//! [`CrashPoint::image`] makes any number of machines that may be found after a power cut there.
//!
//! # The fault model
//! - *Kept*: all operations on a file before its last successful sync; all names of a folder before its last
//!   sync.
//! - *Each on its own kept or dropped*: every later write, change of length, discard and attribute, whatever
//!   the order they were made in. A surviving write may be torn: each of its 512-byte sectors is kept or
//!   dropped, and with [`Damage::garbage`] may also hold random bytes.
//! - *Names*: creation, renaming and removal likewise, until the folder is synced; syncing a file does not
//!   save its name. A name whose creation was dropped is gone though the data of its file was synced; whatever
//!   lies in a folder that is gone is gone.
//! - `sync` (fdatasync) keeps data and length; the tag and the times need `sync_all` (fsync), so new data can
//!   stand under an old time stamp.
//! - A sync that failed loses the writes it should have saved: they are still read back, a later sync succeeds,
//!   and a power cut shows that they never reached the medium.
//! - A new boot id and a new device number after a power cut; [`SimHost::kill`] models a killed process: all
//!   operations kept, same boot, locks free.
//!
//! Kernels and file systems keep more order than this, so what survives here survives there. Not modelled: a
//! medium that lies about syncs, and bytes that change long after they were synced (bit rot), for which
//! tests damage files directly with [`SimHost::native_write`].
//!
//! Times are coarse (4 ms), as those of a kernel, so that two changes can share one stamp.

mod content;
mod control;
mod crash;
mod disk;
mod failure;
mod file;
mod host;
mod machine;
mod mapping;
mod random;
#[cfg(test)]
mod tests;
mod watch;

pub use crash::{CrashPoint, Damage, Survival};
pub use disk::Change;
pub use failure::{Calls, Failure};
pub use host::SimHost;
pub use random::Random;
