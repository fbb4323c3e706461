//! Mirror a file or block device, split the mirror, and restore the source from it **while it stays split**.
//!
//! A *mirror* receives every update of its *source*. *Split*, it is a point-in-time copy. When the source is later
//! corrupted, it is restored from the mirror, and nothing is ever written to the mirror, during the restore or after:
//! the good copy can be used again.
//!
//! The modules, from the outside in; each uses only those below it (a test checks that):
//!
//! | module | what it is |
//! |---|---|
//! | `bindings` | the Python module `splitmirror._core` (feature `python`) |
//! | `export` | the volume as a mounted file, for programs that know nothing of it (feature `export`) |
//! | [`browse`] | looking into the file system on a split mirror |
//! | [`pair`] | the verbs: create, establish, split, restore, … |
//! | [`volume`] | the controller: where a read or a write goes |
//! | [`engine`], [`catalog`], [`tracker`] | copying; what is durable; who else wrote |
//! | [`state`], [`bitmap`] | what is legal when; sets of blocks |
//! | [`area`] | files, devices and the machine they are on |
//! | [`units`], [`error`] | bytes and blocks; what can go wrong |
//!
//! A write enters at [`volume::Volume::write`]; what it does to each mirror is decided by the side that the mirror is on
//! ([`volume::Side`]), and during a restore by the block table of [`volume::Restoring`]. Read on there.

pub mod area;
pub mod bitmap;
pub mod browse;
pub mod catalog;
pub mod engine;
pub mod error;
#[cfg(feature = "export")]
pub mod export;
pub mod pair;
#[cfg(feature = "testing")]
pub mod sim;
pub mod state;
pub mod tracker;
pub mod units;
pub mod volume;

#[cfg(feature = "python")]
mod bindings;

/// The Rust core of splitmirror; use the package `splitmirror`, not this module.
#[cfg(feature = "python")]
#[pyo3::pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use crate::bindings::{
        ArrayView, CancelToken, Ext4Inode, Ext4Tree, MirrorView, Pair, Plan, RestoreJob,
        catalog_of, doctor, drain_log, history, list_pairs, status, version,
    };

    #[cfg(feature = "export")]
    #[pymodule_export]
    use crate::bindings::{Mount, unmount};

    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::bindings::install();
        // Forks are counted from here on.
        crate::area::forks_seen();
        Ok(())
    }
}
