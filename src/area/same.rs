//! Whether two paths lead to the same storage.

use std::path::Path;

use super::{Found, Kind};
use crate::error::{Error, Result};

/// That two paths are not the same storage, by whatever way they lead to it.
pub fn check_different(source: &Found, mirror: &Found, asked: &Path) -> Result<()> {
    let same =
        |how| Err(Error::SameArea { path: asked.to_path_buf(), other: source.path.clone(), how });
    if source.path == mirror.path {
        return same(if asked == mirror.path { "the same path" } else { "a symlink to it" });
    }
    if source.kind == mirror.kind && source.stamp.same_file(&mirror.stamp) {
        return same("the same file by another path: a hard link or a bind mount");
    }
    if mirror.backing.iter().any(|below| below.same_file(&source.stamp)) {
        return same("a device that lies on it");
    }
    if source.backing.iter().any(|below| below.same_file(&mirror.stamp)) {
        return same("what the device lies on");
    }
    let shared = source
        .backing
        .iter()
        .any(|below| mirror.backing.iter().any(|other| below.same_file(other)));
    if shared && source.kind == Kind::Device && source.stamp.device == mirror.stamp.device {
        return same("the same device");
    }
    Ok(())
}
