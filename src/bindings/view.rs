//! Memory as buffers of Python: a split mirror, read-only, and part of the source, writable.

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::arguments::ByteCount;
use super::pair::Pair;
use crate::area::StoreTracking;
use crate::error::Error;
use crate::pair::ArrayOptions;

/// All bytes of a split mirror, mapped read-only; supports the buffer protocol.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct MirrorView(pub(super) crate::pair::MirrorView);

/// Part of the source, mapped; supports the buffer protocol, and may be written through it at any time.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct ArrayView(Option<crate::pair::ArrayView>);

/// Fills a buffer request with memory that stays as it is as long as `owner`, of which the request takes a reference.
///
/// # Safety
/// `view` is the interpreter's own, and `length` bytes at `start` are mapped as long as `owner` lives, for writing too
/// unless `read_only`.
unsafe fn fill(
    owner: &Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
    (start, length): (*mut u8, usize),
    read_only: bool,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill"));
    }
    let (start, length) = (start.cast::<c_void>(), length.cast_signed());
    // SAFETY: the caller vouches for view and memory; a request to write what is read-only is refused by the call.
    let failed = unsafe {
        ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start, length, read_only.into(), flags)
    };
    if failed == 0 { Ok(()) } else { Err(PyErr::fetch(owner.py())) }
}

#[pymethods]
impl MirrorView {
    // SAFETY: called by the interpreter alone, with a `view` that it owns.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().0.bytes();
        let place = (bytes.as_ptr().cast_mut(), bytes.len());
        // SAFETY: the bytes stay mapped as long as the object.
        unsafe { fill(slf.as_any(), view, flags, place, true) }
    }
}

#[pymethods]
impl ArrayView {
    // SAFETY: called by the interpreter alone, with a `view` that it owns.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let place = slf.get().0.as_ref().map_or((std::ptr::null_mut(), 0), |view| view.place());
        // SAFETY: the bytes stay mapped, for writing, as long as the object.
        unsafe { fill(slf.as_any(), view, flags, place, false) }
    }
}

impl Drop for ArrayView {
    fn drop(&mut self) {
        let view = self.0.take();
        // What was stored last is brought to the mirrors: others may run meanwhile. At the interpreter's end nobody does.
        let view = std::sync::Mutex::new(view);
        let given_back = Python::try_attach(|py| {
            py.detach(|| drop(view.lock().ok().and_then(|mut view| view.take())));
        });
        drop((given_back, view));
    }
}

fn tracking(name: &str) -> PyResult<StoreTracking> {
    let all = [StoreTracking::Auto, StoreTracking::Pages, StoreTracking::Compare];
    let found = all.into_iter().find(|tracking| tracking.name() == name);
    Ok(found.ok_or_else(|| {
        Error::argument("tracking", format!("'{name}' is none of 'auto', 'pages' and 'compare'"))
    })?)
}

fn on_flush(mirroring: &str) -> PyResult<bool> {
    match mirroring {
        "interval" => Ok(false),
        "on-flush" => Ok(true),
        other => {
            let problem = format!("'{other}' is neither 'interval' nor 'on-flush'");
            Err(Error::argument("mirroring", problem).into())
        }
    }
}

#[pymethods]
impl Pair {
    /// Map the split mirror read-only.
    fn mirror_view(&self, py: Python<'_>) -> PyResult<MirrorView> {
        Ok(MirrorView(py.detach(|| self.0.mirror_view())?))
    }

    /// Map part of the source as memory that may be written.
    #[pyo3(signature = (offset, length, *, tracking="auto", mirroring="interval"))]
    fn array(
        &self,
        py: Python<'_>,
        offset: ByteCount,
        length: ByteCount,
        tracking: &str,
        mirroring: &str,
    ) -> PyResult<ArrayView> {
        let options =
            ArrayOptions { tracking: self::tracking(tracking)?, on_flush: on_flush(mirroring)? };
        Ok(ArrayView(Some(py.detach(|| self.0.array(offset.0, length.0, options))?)))
    }
}
