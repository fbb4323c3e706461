//! `list`: the pairs below a folder.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::report::Status;
use super::status::status_of;
use crate::area::Host;
use crate::catalog::Catalog;
use crate::error::{Error, Result};

const SUFFIX: &[u8] = b".splitmirror";

/// Every pair whose catalog lies beside its mirror below a folder, with its status or why that cannot be had.
/// Symlinks are not followed.
pub fn list_pairs(host: &dyn Host, folder: &Path) -> Result<Vec<(PathBuf, Result<Status>)>> {
    let folder = host.absolute(folder)?;
    let mut found = Vec::new();
    let mut open = vec![folder];
    while let Some(next) = open.pop() {
        for child in host.folders(&next) {
            match mirror_of(&child) {
                Some(mirror) if Catalog::exists(host, &child).unwrap_or(true) => {
                    let status = check_there(host, &mirror)
                        .and_then(|()| status_of(host, &mirror, Some(&child)));
                    found.push((mirror, status));
                }
                _ => open.push(child),
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

fn check_there(host: &dyn Host, mirror: &Path) -> Result<()> {
    host.find(mirror)?.map(drop).ok_or_else(|| Error::NotFound { path: mirror.to_path_buf() })
}

fn mirror_of(folder: &Path) -> Option<PathBuf> {
    let name =
        folder.file_name()?.as_bytes().strip_suffix(SUFFIX).filter(|name| !name.is_empty())?;
    Some(folder.with_file_name(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogs_name_leads_back_to_its_mirror() {
        let (mirror, folder) = (&b"/a/b\xff.img"[..], &b"/a/b\xff.img.splitmirror"[..]);
        let path = |bytes| Path::new(OsStr::from_bytes(bytes));
        assert_eq!(mirror_of(path(folder)).as_deref(), Some(path(mirror)));
        assert_eq!(mirror_of(Path::new("/a/.splitmirror")), None);
        assert_eq!(mirror_of(Path::new("/a/plain")), None);
    }
}
