//! Where the bytes of a file system come from.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result, shown};
use crate::pair::PointReader;

/// Bytes that stay as they are: a split mirror.
pub trait Image: Send + Sync + Debug {
    /// The path by which messages name it.
    fn path(&self) -> &Path;
    /// Its bytes.
    fn length(&self) -> u64;
    /// Fills `buffer` from `offset`; returns fewer bytes only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;
    /// Refuses when what was read up to now may not be of one point in time.
    fn check(&self) -> Result<()>;
}

/// Beside the process that has the pair open: no lock is taken.
impl Image for PointReader {
    fn path(&self) -> &Path {
        self.path()
    }

    fn length(&self) -> u64 {
        self.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.read_at(buffer, offset)
    }

    fn check(&self) -> Result<()> {
        self.check()
    }
}

/// A part of an image: all of it, or a partition.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) image: Arc<dyn Image>,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Window {
    /// All of an image.
    pub(super) fn whole(image: Arc<dyn Image>) -> Self {
        let length = image.length();
        Self { image, offset: 0, length }
    }

    /// Fills `buffer`; a window that ends before is an error.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(self.wrong(format!("byte {offset} lies past its end")));
        }
        let place = self.offset.saturating_add(offset);
        if self.image.read_at(buffer, place)? == buffer.len() {
            return Ok(());
        }
        self.image.check()?;
        Err(self.wrong(format!("the mirror ends before byte {place}")))
    }

    /// What is wrong with the image.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Format { path: self.image.path().to_path_buf(), problem: problem.into() }
    }

    /// That there is nothing to look into.
    pub(super) fn without_tree(&self, problem: impl Into<String>) -> Error {
        Error::NoTree { path: self.image.path().to_path_buf(), problem: problem.into() }
    }

    /// What is wrong with a path inside of it.
    pub(super) fn member(&self, member: &[u8], errno: i32) -> Error {
        use std::os::unix::ffi::OsStrExt as _;
        let member = PathBuf::from(std::ffi::OsStr::from_bytes(member));
        let problem = match errno {
            libc::ENOENT => "does not exist".to_owned(),
            libc::ENOTDIR => "is no folder, or a part of its path is none".to_owned(),
            libc::EISDIR => "is a folder".to_owned(),
            libc::ELOOP => "has too many symlinks".to_owned(),
            _ => "is no regular file".to_owned(),
        };
        Error::Member { path: self.image.path().to_path_buf(), member, problem, errno }
    }

    /// A path for messages.
    pub(super) fn shown(path: &[u8]) -> String {
        use std::os::unix::ffi::OsStrExt as _;
        shown(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}
