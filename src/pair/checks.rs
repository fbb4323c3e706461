//! What is asked of two files before anything is changed.

use std::path::{Path, PathBuf};

use super::Pair;
use crate::area::{Host, Kind};
use crate::error::{Error, Result};
use crate::state::Mode;

/// Files beside a database that it would apply over restored data.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// That a file system has room for so many bytes.
pub(super) fn check_space(host: &dyn Host, path: &Path, needed: u64) -> Result<()> {
    match host.free_bytes(path) {
        Some(available) if available < needed => {
            Err(Error::NoSpace { path: path.to_path_buf(), needed, available })
        }
        _ => Ok(()),
    }
}

/// What a caller of a restore takes upon itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Risks {
    pub(super) while_in_use: bool,
    pub(super) ignore_sidecars: bool,
}

impl Pair {
    /// That the source may be overwritten now: nothing is mounted on it, no journal lies beside it, and nobody else
    /// has it open.
    pub(super) fn check_source_free(&self, risks: Risks) -> Result<()> {
        let Some(found) = self.host().find(self.source_path())? else {
            return self.check_sidecars(risks);
        };
        if let Some(mountpoint) = self.host().mounted_on(&found) {
            return Err(Error::SourceMounted {
                path: self.source_path().to_path_buf(),
                mountpoint,
            });
        }
        for export in self.volume.exports() {
            let path = export.path();
            let folder = path.parent().unwrap_or(&path);
            if let Some(mountpoint) = self.host().mounted_through(export.device(), folder) {
                return Err(Error::SourceMounted { path, mountpoint });
            }
        }
        self.check_sidecars(risks)?;
        if risks.while_in_use || self.leg.catalog().record().mode == Mode::Exclusive {
            return Ok(());
        }
        let source = self.volume.source()?;
        // The lease is the proof, also when no process can be named (the kernel itself, a loop device, other users'
        // processes); where it cannot be had, what /proc shows is all there is.
        let in_use = source.tracker().in_use();
        let pids = if in_use == Some(false) { Vec::new() } else { self.host().users(&found) };
        if in_use == Some(true) || !pids.is_empty() {
            return Err(Error::SourceInUse { path: self.source_path().to_path_buf(), pids });
        }
        Ok(())
    }

    fn check_sidecars(&self, risks: Risks) -> Result<()> {
        let taken_ns = {
            let catalog = self.leg.catalog();
            let record = catalog.record();
            if risks.ignore_sidecars || record.source.kind == Kind::Device {
                return Ok(());
            }
            record.point.as_ref().map_or(0, |point| point.taken_ns)
        };
        let mut sidecars: Vec<PathBuf> = Vec::new();
        for suffix in SIDECARS {
            let mut name = self.source_path().as_os_str().to_owned();
            name.push(suffix);
            let path = PathBuf::from(name);
            if let Ok(Some(found)) = self.host().find(&path)
                && found.stamp.modified_ns > taken_ns
                && found.stamp.length > 0
            {
                sidecars.push(path);
            }
        }
        if sidecars.is_empty() {
            Ok(())
        } else {
            Err(Error::Sidecar { path: self.source_path().to_path_buf(), sidecars })
        }
    }
}
