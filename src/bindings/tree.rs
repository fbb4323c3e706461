//! The class `_core.Ext4Tree`: the file system on a split mirror.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arguments::{ByteCount, PathArgument};
use super::buffers::read_into;
use super::functions::host;
use crate::browse::{self, FileKind, Follow, Image};
use crate::error::{Error, Result};
use crate::pair::PointReader;

/// The ext2, ext3 or ext4 file system on a split mirror, or on a partition of it, for reading.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct Ext4Tree {
    point: Arc<PointReader>,
    tree: browse::Tree,
    place: browse::Place,
}

/// A file of it.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct Ext4Inode(browse::Inode);

fn follow(name: &str) -> Result<Follow> {
    match name {
        "all" => Ok(Follow::All),
        "not-last" => Ok(Follow::NotLast),
        "never" => Ok(Follow::Never),
        other => Err(Error::argument("follow", format!("'{other}' is not known"))),
    }
}

#[pymethods]
impl Ext4Tree {
    /// Open the file system on the mirror of a pair that is split; the pair's lock is not needed.
    #[staticmethod]
    #[pyo3(signature = (mirror, *, catalog=None, partition=None, offset=None))]
    fn open(
        py: Python<'_>,
        mirror: PathArgument,
        catalog: Option<PathArgument>,
        partition: Option<u32>,
        offset: Option<ByteCount>,
    ) -> PyResult<Self> {
        let catalog = catalog.as_ref().map(|path| path.0.as_path());
        let offset = offset.map(|offset| offset.0);
        let opened = py.detach(|| {
            let point = Arc::new(PointReader::open(host(), &mirror.0, catalog)?);
            let image: Arc<dyn Image> = Arc::clone(&point) as _;
            let place = browse::find(&image, partition, offset)?;
            Ok::<_, Error>(Self { tree: browse::Tree::open(image, place)?, point, place })
        });
        Ok(opened?)
    }

    /// The file at a path, and its path from the root without symlinks. follow: all, not-last, never.
    fn find<'py>(
        &self,
        py: Python<'py>,
        path: &[u8],
        follow: &str,
    ) -> PyResult<(Ext4Inode, Bound<'py, PyBytes>)> {
        let follow = self::follow(follow)?;
        let found = py.detach(|| self.tree.find(path, follow))?;
        Ok((Ext4Inode(found.inode), PyBytes::new(py, &found.path)))
    }

    /// The file with a number.
    fn inode(&self, py: Python<'_>, number: u32) -> PyResult<Ext4Inode> {
        Ok(Ext4Inode(py.detach(|| self.tree.inode(number))?))
    }

    /// Some names of a folder with the numbers of their inodes, from a place on (at first 0), and where to go on.
    #[expect(clippy::type_complexity, reason = "a list and a number, as Python has them")]
    fn names<'py>(
        &self,
        py: Python<'py>,
        folder: &Ext4Inode,
        start: u64,
    ) -> PyResult<(Vec<(Bound<'py, PyBytes>, u32)>, Option<u64>)> {
        let (entries, next) = py.detach(|| self.tree.names(&folder.0, start))?;
        let names = entries.into_iter().map(|entry| (PyBytes::new(py, &entry.name), entry.inode));
        Ok((names.collect(), next))
    }

    /// Where a symlink leads.
    fn link_target<'py>(&self, py: Python<'py>, link: &Ext4Inode) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &py.detach(|| self.tree.link_target(&link.0))?))
    }

    /// Read from an offset of a file into a buffer; the number of bytes.
    fn readinto(
        &self,
        file: &Ext4Inode,
        offset: ByteCount,
        buffer: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let start = offset.0;
        read_into(buffer, |bytes, more| self.tree.read(&file.0, start.saturating_add(more), bytes))
    }

    /// From an offset of a file on: how many bytes are alike, and whether they are data or a hole.
    fn run(&self, py: Python<'_>, file: &Ext4Inode, offset: ByteCount) -> PyResult<(u64, bool)> {
        Ok(py.detach(|| self.tree.run(&file.0, offset.0))?)
    }

    /// Where on the mirror the file system begins, in bytes.
    #[getter]
    fn offset(&self) -> u64 {
        self.place.offset
    }

    /// Which of the pair's points it is of.
    #[getter]
    fn generation(&self) -> u64 {
        self.point.generation()
    }

    /// Whether the mirror was changed since its split.
    #[getter]
    fn skewed(&self) -> bool {
        self.point.is_changed()
    }
}

#[pymethods]
impl Ext4Inode {
    /// Its number.
    #[getter]
    fn number(&self) -> u32 {
        self.0.number
    }

    /// file, folder, symlink, or what else.
    #[getter]
    fn kind(&self) -> &'static str {
        FileKind::name(self.0.kind)
    }

    /// Permission bits, with set-id and sticky.
    #[getter]
    fn mode(&self) -> u16 {
        self.0.mode
    }

    /// Owner.
    #[getter]
    fn user(&self) -> u32 {
        self.0.user
    }

    /// Group.
    #[getter]
    fn group(&self) -> u32 {
        self.0.group
    }

    /// Bytes.
    #[getter]
    fn size(&self) -> u64 {
        self.0.size
    }

    /// How many names it has.
    #[getter]
    fn links(&self) -> u16 {
        self.0.links
    }

    /// When its content changed, in nanoseconds since 1970.
    #[getter]
    fn modified_ns(&self) -> i128 {
        i128::from(self.0.modified.seconds) * 1_000_000_000
            + i128::from(self.0.modified.nanoseconds)
    }
}
