//! The Python module `splitmirror._core`: arguments in, detach from the interpreter, call, results and errors out.
//!
//! No logic lives here. No thread that copies or serves ever touches the interpreter: progress, cancellation and
//! signals are looked after by the calling thread ([`run`]), log records wait in a bounded queue ([`log_queue`]).

mod arguments;
mod buffers;
mod errors;
mod functions;
mod job;
mod log_queue;
#[cfg(feature = "export")]
mod mount;
mod pair;
mod restoring;
mod run;
mod tokens;
mod tree;
mod verbs;
mod view;

pub(crate) use functions::{catalog_of, doctor, drain_log, history, list_pairs, status, version};
pub(crate) use job::RestoreJob;
pub(crate) use log_queue::install;
#[cfg(feature = "export")]
pub(crate) use mount::{Mount, unmount};
pub(crate) use pair::Pair;
pub(crate) use tokens::{CancelToken, Plan};
pub(crate) use tree::{Ext4Inode, Ext4Tree};
pub(crate) use view::{ArrayView, MirrorView};
