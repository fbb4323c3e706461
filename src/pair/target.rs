//! The mirror as the target of a copy: whether it can be one, asked before its point is given up, and its writable
//! handle, made after.

use super::Pair;
use super::checks::check_space;
use super::plan::space_needed;
use crate::area::{Access, Kind, Writer};
use crate::engine::CopyPlan;
use crate::error::{Error, Result};
use crate::units::{Extent, total_bytes};
use crate::volume::Source;

impl Pair {
    /// Everything that can be known to fail is asked before the point of the mirror is given up.
    pub(super) fn check_mirror_ready(&self, source: &Source, plan: &CopyPlan) -> Result<()> {
        self.check_no_views()?;
        self.host().check_writable(self.mirror_path())?;
        let mirror = self.mirror_reader()?;
        let length = source.reader().length()?;
        match mirror.kind() {
            Kind::Device if mirror.length()? < length => Err(Error::TooSmall {
                path: self.mirror_path().to_path_buf(),
                length: mirror.length()?,
                needed: length,
            }),
            Kind::Device => {
                let found = self.host().find(self.mirror_path())?;
                match found.and_then(|found| self.host().mounted_on(&found)) {
                    Some(mountpoint) => Err(Error::SourceMounted {
                        path: self.mirror_path().to_path_buf(),
                        mountpoint,
                    }),
                    None => Ok(()),
                }
            }
            Kind::File => {
                let needed = space_needed(source.reader(), Some(&mirror), &plan.extents)?;
                // What lies behind the new length is given back first.
                let behind = mirror.data_extents(Extent::between(length, mirror.length()?))?;
                let needed = needed.saturating_sub(total_bytes(&behind));
                check_space(self.host(), self.mirror_path(), needed)
            }
        }
    }

    /// The mirror, for writing: the recorded file and no other.
    pub(super) fn open_mirror(&self) -> Result<Writer> {
        let mirror = Writer::new(self.host().open(self.mirror_path(), Access::Write)?);
        let stamp = mirror.reader().stamp()?;
        if mirror.reader().kind() == Kind::File
            && !stamp.same_file(&self.leg.catalog().record().mirror.stamp)
        {
            return Err(Error::MovedPair {
                path: self.mirror_path().to_path_buf(),
                problem: "another file stands at its path".into(),
            });
        }
        Ok(mirror)
    }
}
