//! The class `_core.Pair`: opening, closing, attributes, and bytes. The verbs are in `verbs`.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arguments::{ByteCount, PathArgument, block_size, mode, names};
use super::buffers::{read_into, write_stable};
use super::functions::host;
use super::run::run;
use super::tokens::CancelToken;
use crate::engine::Control;
use crate::error::{Error, Result};
use crate::pair::{AdoptOptions, CreateOptions, OpenOptions};
use crate::volume::Settings;

/// A source and its mirror, open.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct Pair(pub(super) Arc<crate::pair::Pair>);

/// Reads that are larger are refused: a mistake, or a case for `readinto`.
const READ_BYTES_MAX: u64 = 1 << 31;

/// Reads up to `size` bytes into a new object; `available` is how many there are.
fn read_bytes<'py>(
    py: Python<'py>,
    offset: u64,
    size: u64,
    available: impl FnOnce() -> Result<u64> + Send,
    read: impl FnOnce(&mut [u8], u64) -> Result<usize> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = py.detach(|| {
        let room = available()?.saturating_sub(offset).min(size);
        if room > READ_BYTES_MAX {
            let problem = "more than 2 GiB at once; read less, or use readinto()";
            return Err(Error::argument("size", problem));
        }
        let mut buffer = vec![0u8; room as usize];
        let count = read(&mut buffer, offset)?;
        buffer.truncate(count);
        Ok(buffer)
    })?;
    Ok(PyBytes::new(py, &bytes))
}

#[pymethods]
impl Pair {
    /// Make a pair of a source and a mirror; nothing is copied before establish().
    #[staticmethod]
    #[pyo3(signature = (source, mirror, *, mode="shared", block_size=ByteCount(65536), overwrite=false, catalog=None))]
    fn create(
        py: Python<'_>,
        source: PathArgument,
        mirror: PathArgument,
        mode: &str,
        block_size: ByteCount,
        overwrite: bool,
        catalog: Option<PathArgument>,
    ) -> PyResult<Self> {
        let options = CreateOptions {
            mode: self::mode(mode)?,
            block_size: self::block_size(block_size)?,
            overwrite,
            catalog: catalog.map(|path| path.0),
            settings: Settings::default(),
        };
        let made =
            py.detach(|| crate::pair::Pair::create(host(), &source.0, &mirror.0, options))?;
        Ok(Self(Arc::new(made)))
    }

    /// Open the pair of a mirror.
    #[staticmethod]
    #[pyo3(signature = (mirror, *, source=None, catalog=None))]
    fn open(
        py: Python<'_>,
        mirror: PathArgument,
        source: Option<PathArgument>,
        catalog: Option<PathArgument>,
    ) -> PyResult<Self> {
        let options = OpenOptions {
            catalog: catalog.map(|path| path.0),
            source: source.map(|path| path.0),
            settings: Settings::default(),
        };
        let opened = py.detach(|| crate::pair::Pair::open(host(), &mirror.0, options))?;
        Ok(Self(Arc::new(opened)))
    }

    /// Make a pair of a mirror that holds a point in time already.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python signature")]
    #[pyo3(signature = (mirror, source, *, catalog=None, block_size=ByteCount(65536), mode="shared", accept=None,
        progress=None, cancel=None))]
    fn adopt(
        py: Python<'_>,
        mirror: PathArgument,
        source: PathArgument,
        catalog: Option<PathArgument>,
        block_size: ByteCount,
        mode: &str,
        accept: Option<Bound<'_, PyAny>>,
        progress: Option<Py<PyAny>>,
        cancel: Option<Py<CancelToken>>,
    ) -> PyResult<Self> {
        let options = AdoptOptions {
            catalog: catalog.map(|path| path.0),
            block_size: self::block_size(block_size)?,
            mode: self::mode(mode)?,
            accept: names(&accept)?,
            settings: Settings::default(),
        };
        let adopt = |control: &Control| {
            crate::pair::Pair::adopt(host(), &mirror.0, &source.0, options, control)
        };
        Ok(Self(Arc::new(run(py, progress, cancel, adopt)?)))
    }

    /// Read up to size bytes of the source from an offset; fewer only at its end.
    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: ByteCount,
        size: ByteCount,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let volume = self.0.volume()?;
        let read = |buffer: &mut [u8], offset: u64| volume.read(buffer, offset);
        read_bytes(py, offset.0, size.0, || volume.length(), read)
    }

    /// Read from an offset of the source into a buffer; the number of bytes.
    fn readinto(&self, offset: ByteCount, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let volume = self.0.volume()?;
        read_into(buffer, |bytes, start| volume.read(bytes, offset.0.saturating_add(start)))
    }

    /// Write a buffer at an offset of the source, and of the mirror while it is synchronized.
    fn write(&self, offset: ByteCount, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let volume = self.0.volume()?;
        write_stable(data, |bytes, start| volume.write(bytes, offset.0.saturating_add(start)))
    }

    /// Make part of the source read as zeros, as a hole where it has holes; and of the mirror while it is synchronized.
    fn discard(&self, py: Python<'_>, offset: ByteCount, length: ByteCount) -> PyResult<()> {
        let volume = self.0.volume()?;
        Ok(py.detach(|| volume.discard(offset.0, length.0))?)
    }

    /// Put everything written so far on stable storage.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let volume = self.0.volume()?;
        Ok(py.detach(|| volume.flush())?)
    }

    /// Read up to size bytes of the split mirror from an offset.
    fn mirror_read<'py>(
        &self,
        py: Python<'py>,
        offset: ByteCount,
        size: ByteCount,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let read = |buffer: &mut [u8], offset: u64| self.0.read_mirror(buffer, offset);
        py.detach(|| read(&mut [], 0))?;
        read_bytes(py, offset.0, size.0, || self.0.mirror_length(), read)
    }

    /// Read from an offset of the split mirror into a buffer; the number of bytes.
    fn mirror_readinto(&self, offset: ByteCount, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        read_into(buffer, |bytes, start| self.0.read_mirror(bytes, offset.0.saturating_add(start)))
    }

    /// Bytes of the source now.
    fn source_length(&self, py: Python<'_>) -> PyResult<u64> {
        let volume = self.0.volume()?;
        Ok(py.detach(|| volume.length())?)
    }

    /// Bytes of the source that the mirror holds.
    fn mirror_length(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(py.detach(|| self.0.mirror_length())?)
    }

    /// One entry a block: 0 same, 1 changed since the point, 2 still to be restored, 255 not known.
    fn block_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u8>>> {
        Ok(PyArray1::from_vec(py, py.detach(|| self.0.block_map())?))
    }

    /// End the use of the pair; again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.0.close())?)
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    #[getter]
    fn source_path(&self) -> &[u8] {
        self.0.source_path().as_os_str().as_bytes()
    }

    #[getter]
    fn mirror_path(&self) -> &[u8] {
        self.0.mirror_path().as_os_str().as_bytes()
    }

    #[getter]
    fn catalog_path(&self) -> &[u8] {
        self.0.catalog_folder().as_os_str().as_bytes()
    }

    #[getter]
    fn block_size(&self) -> u64 {
        self.0.record().block_size.bytes()
    }

    #[getter]
    fn mode(&self) -> &'static str {
        self.0.record().mode.name()
    }

    #[getter]
    fn pair_id(&self) -> String {
        self.0.record().pair_id.to_string()
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.0.record().state.name()
    }

    #[getter]
    fn conditions(&self) -> Vec<&'static str> {
        self.0.record().conditions.names()
    }
}
