//! A split mirror as a read-only buffer.

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// All bytes of a split mirror, mapped read-only; supports the buffer protocol.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct MirrorView(pub(super) crate::pair::MirrorView);

#[pymethods]
impl MirrorView {
    // SAFETY: called by the interpreter alone, with a `view` that it owns.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill"));
        }
        let bytes = slf.get().0.bytes();
        let start = bytes.as_ptr().cast_mut().cast::<c_void>();
        let length = bytes.len().cast_signed();
        // SAFETY: `view` is valid; the bytes stay mapped as long as the object, of which the view takes a reference;
        // the last but one argument refuses writable requests.
        let failed = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) };
        if failed == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
