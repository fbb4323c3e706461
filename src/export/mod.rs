//! The volume as a mounted file system, for programs that know nothing of it.
//!
//! ```text
//! program ─► kernel ─► a serving thread ([`filesystem`]) ─► Volume::read, write, discard, flush
//! verb    ─► Export::write_back, invalidate ([`mount`]) ─► kernel ─► serving threads
//! ```
//!
//! The folder holds `volume`, the live source, and a read-only file for each split mirror.
//!
//! - The kernel keeps no dirty bytes of `volume` (no write-back cache): a write has reached source and mirrors when it
//!   returns. Only what programs store into mapped memory waits there, until the kernel writes it or somebody asks.
//! - A serving thread never waits for a verb, for the interpreter, or for the kernel to forget something: each of them
//!   may be waiting for a serving thread.
//! - A length is fixed while mounted, like that of a disk: what lies past the end is ENOSPC.

mod attributes;
mod files;
mod filesystem;
mod mirrors;
mod mount;
mod space;

pub use mount::{Mount, MountOptions};
