//! `_core.Mount`: a volume as a mounted file system. Its serving threads are the core's own and never touch the
//! interpreter.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use pyo3::prelude::*;

use super::arguments::PathArgument;
use super::pair::Pair;
use crate::area::Mountpoint;
use crate::export::MountOptions;

/// A mounted volume.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct Mount(crate::export::Mount);

#[pymethods]
impl Mount {
    /// Mount the volume of a pair of mode "exclusive" on an empty folder.
    #[staticmethod]
    #[pyo3(signature = (pair, mountpoint, *, threads=0, allow_other=false))]
    fn start(
        py: Python<'_>,
        pair: Py<Pair>,
        mountpoint: PathArgument,
        threads: usize,
        allow_other: bool,
    ) -> PyResult<Self> {
        let options = MountOptions { threads, allow_other };
        let pair = &pair.get().0;
        Ok(Self(py.detach(|| crate::export::Mount::start(pair, &mountpoint.0, &options))?))
    }

    /// Take the mount away: refused while it is used, unless lazily.
    #[pyo3(signature = (*, lazily=false))]
    fn unmount(&self, py: Python<'_>, lazily: bool) -> PyResult<()> {
        Ok(py.detach(|| self.0.unmount(lazily))?)
    }

    /// Wait for its end, at most so many seconds; whether it has ended.
    fn wait(&self, py: Python<'_>, timeout: f64) -> bool {
        let timeout = Duration::from_secs_f64(timeout.clamp(0.0, 1e9));
        py.detach(|| self.0.wait(timeout))
    }

    #[getter]
    fn mountpoint(&self) -> &[u8] {
        self.0.mountpoint().as_os_str().as_bytes()
    }

    /// Whether a mount of a process that had died was taken away first.
    #[getter]
    fn replaced_stale(&self) -> bool {
        self.0.replaced_stale()
    }
}

/// Unmount the volume that is mounted on a folder; the process that served it.
#[pyfunction]
#[pyo3(signature = (mountpoint, *, lazily=false))]
pub(crate) fn unmount(py: Python<'_>, mountpoint: PathArgument, lazily: bool) -> PyResult<u32> {
    Ok(py.detach(|| {
        let (mountpoint, pid) = Mountpoint::existing(&mountpoint.0)?;
        mountpoint.unmount(lazily).map(|()| pid)
    })?)
}
