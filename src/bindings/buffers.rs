//! Buffers of Python, as bytes for the time of a call.
//!
//! The memory of a writable buffer may be changed by other threads while we are detached, so no Rust reference to it
//! is made: bytes are copied through raw pointers into memory of our own, once, and both sides are written from
//! that (I3). `bytes` never change and are used where they are.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Map;

use super::errors::raise;

/// A buffer of Python whose bytes lie in one run.
pub(super) struct Memory {
    buffer: PyUntypedBuffer,
}

/// The address of a buffer that the caller holds on to; sent to code that runs detached.
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: *mut u8,
    length: usize,
}

// SAFETY: it is only an address; `Memory` keeps the buffer it points to exported for as long as it is used, and all
// access goes through raw copies.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Memory {
    pub(super) fn of(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<Self> {
        let refused =
            |message: &str| Err(raise(object.py(), "BufferMismatchError", message, &Map::new()));
        let Ok(buffer) = PyUntypedBuffer::get(object) else {
            return refused(
                "an object with the buffer protocol is needed: bytes, bytearray, memoryview or a numpy array",
            );
        };
        if !buffer.is_c_contiguous() {
            return refused(
                "the buffer is not C-contiguous; pass a contiguous copy, e.g. numpy.ascontiguousarray(a)",
            );
        }
        if writable && buffer.readonly() {
            return refused("the buffer is read-only; data cannot be read into it");
        }
        Ok(Self { buffer })
    }

    pub(super) fn place(&self) -> Place {
        Place { start: self.buffer.buf_ptr().cast(), length: self.buffer.len_bytes() }
    }
}

impl Place {
    pub(super) fn length(self) -> usize {
        self.length
    }

    /// A copy of its bytes.
    pub(super) fn copied(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length);
        if self.length > 0 {
            // SAFETY: the exported buffer holds `length` bytes at `start`, the vector has room for them, and the two
            // do not overlap.
            unsafe {
                std::ptr::copy_nonoverlapping(self.start, bytes.as_mut_ptr(), self.length);
                bytes.set_len(self.length);
            }
        }
        bytes
    }

    /// Puts bytes into it, from its start; what does not fit is left out.
    pub(super) fn fill(self, bytes: &[u8]) {
        let length = bytes.len().min(self.length);
        if length > 0 {
            // SAFETY: the exported, writable buffer holds at least `length` bytes at `start`.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, length) };
        }
    }
}

/// Runs `write` detached, with bytes that do not change meanwhile.
pub(super) fn with_stable_bytes<T: Send>(
    data: &Bound<'_, PyAny>,
    write: impl FnOnce(&[u8]) -> T + Send,
) -> PyResult<T> {
    let py = data.py();
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        let bytes = bytes.as_bytes();
        return Ok(py.detach(|| write(bytes)));
    }
    let memory = Memory::of(data, false)?;
    let place = memory.place();
    Ok(py.detach(|| write(&place.copied())))
}
