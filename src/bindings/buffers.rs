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
use crate::error::{Error, Result};

/// So much of a buffer is copied at once: a write of that size reaches both sides as a whole.
const PART_BYTES: usize = 64 << 20;

/// A buffer of Python whose bytes lie in one run.
struct Memory {
    buffer: PyUntypedBuffer,
}

/// The address of a buffer that the caller holds on to; sent to code that runs detached.
#[derive(Clone, Copy)]
struct Place {
    start: *mut u8,
    length: usize,
}

// SAFETY: it is only an address; `Memory` keeps the buffer it points to exported for as long as it is used, and all
// access goes through raw copies.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Memory {
    fn of(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<Self> {
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

    fn place(&self) -> Place {
        Place { start: self.buffer.buf_ptr().cast(), length: self.buffer.len_bytes() }
    }
}

impl Place {
    fn length(self) -> usize {
        self.length
    }

    /// The part that begins at `start` and has at most `length` bytes.
    fn part(self, start: usize, length: usize) -> Self {
        let start = start.min(self.length);
        let length = length.min(self.length - start);
        // SAFETY: `start` lies within the buffer, or at its end.
        Self { start: unsafe { self.start.add(start) }, length }
    }

    /// Copies its bytes into memory of our own.
    fn copy_into(self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.reserve_exact(self.length);
        if self.length > 0 {
            // SAFETY: the exported buffer holds `length` bytes at `start`, the vector has room for them, and the two
            // do not overlap.
            unsafe {
                std::ptr::copy_nonoverlapping(self.start, bytes.as_mut_ptr(), self.length);
                bytes.set_len(self.length);
            }
        }
    }

    /// Puts bytes into it, from its start; what does not fit is left out.
    fn fill(self, bytes: &[u8]) {
        let length = bytes.len().min(self.length);
        if length > 0 {
            // SAFETY: the exported, writable buffer holds at least `length` bytes at `start`.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, length) };
        }
    }
}

/// Calls `write` detached, with bytes that do not change meanwhile and where in the buffer they begin: once for
/// `bytes`, else a part at a time.
pub(super) fn write_stable(
    data: &Bound<'_, PyAny>,
    write: impl Fn(&[u8], u64) -> Result<()> + Send + Sync,
) -> PyResult<usize> {
    let py = data.py();
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        let bytes = bytes.as_bytes();
        py.detach(|| write(bytes, 0))?;
        return Ok(bytes.len());
    }
    let memory = Memory::of(data, false)?;
    let place = memory.place();
    py.detach(|| {
        let mut bytes = Vec::new();
        for start in (0..place.length().max(1)).step_by(PART_BYTES) {
            place.part(start, PART_BYTES).copy_into(&mut bytes);
            write(&bytes, start as u64)?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(place.length())
}

/// Fills a buffer through `read`, a part at a time; the number of bytes. Through memory of our own: the interpreter's
/// may be looked at by others meanwhile.
pub(super) fn read_into(
    buffer: &Bound<'_, PyAny>,
    read: impl Fn(&mut [u8], u64) -> Result<usize> + Send + Sync,
) -> PyResult<usize> {
    let memory = Memory::of(buffer, true)?;
    let place = memory.place();
    let count = buffer.py().detach(|| {
        let mut bytes = vec![0u8; place.length().min(PART_BYTES)];
        let mut total = 0;
        for start in (0..place.length()).step_by(PART_BYTES) {
            let part = place.part(start, PART_BYTES);
            let count = read(bytes.get_mut(..part.length()).unwrap_or_default(), start as u64)?;
            part.fill(bytes.get(..count).unwrap_or_default());
            total += count;
            if count < part.length() {
                break;
            }
        }
        Ok::<_, Error>(total)
    })?;
    Ok(count)
}
