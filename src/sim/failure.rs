//! Errors on demand: the n-th call on a file fails, once or for ever after.

use std::path::{Path, PathBuf};

/// Which calls a failure counts and hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Every call that reaches the medium.
    Any,
    /// Reads alone.
    Reads,
    /// What changes bytes, lengths, attributes or names.
    Changes,
    /// fdatasync, fsync, and fsync of folders.
    Syncs,
}

/// An error to come.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The file, or a folder for everything in it.
    pub path: PathBuf,
    /// Which calls count.
    pub calls: Calls,
    /// Which of them fails, from 1.
    pub nth: u64,
    /// The error.
    pub errno: i32,
    /// Whether all later ones fail too.
    pub for_ever: bool,
}

/// The failures that are set, with what each has counted.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(Failure, u64)>);

impl Failures {
    pub(super) fn add(&mut self, failure: Failure) {
        self.0.push((failure, 0));
    }

    /// Removes all; says whether each of them has hit.
    pub(super) fn clear(&mut self) -> bool {
        let hit = self.0.iter().all(|(failure, count)| *count >= failure.nth);
        self.0.clear();
        hit
    }

    /// Counts a call; the error it fails with, if one is due.
    pub(super) fn due(&mut self, path: &Path, calls: Calls) -> Option<i32> {
        let mut errno = None;
        for (failure, count) in &mut self.0 {
            if !path.starts_with(&failure.path)
                || (failure.calls != Calls::Any && failure.calls != calls)
            {
                continue;
            }
            *count += 1;
            if *count == failure.nth || (failure.for_ever && *count > failure.nth) {
                errno = errno.or(Some(failure.errno));
            }
        }
        errno
    }
}
