//! Sees what the test, in the role of other programs, did to a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::file::SimFile;
use super::machine::Foreign;
use crate::area::{Disturbance, Watch};
use crate::error::Result;

#[derive(Debug)]
pub(super) struct SimWatch {
    file: Arc<SimFile>,
    /// How many changes by others do not count.
    forgotten: AtomicU64,
    /// A change of our own was made while others had the file open.
    mixed: AtomicBool,
}

impl SimWatch {
    pub(super) fn start(file: Arc<SimFile>) -> Self {
        let watch = Self { file, forgotten: AtomicU64::new(0), mixed: AtomicBool::new(false) };
        watch.forget();
        watch
    }

    fn foreign(&self) -> Foreign {
        self.file.host.machine().foreign.get(&self.file.inode).copied().unwrap_or_default()
    }
}

impl Watch for SimWatch {
    fn disturbance(&self) -> Disturbance {
        let foreign = self.foreign();
        if self.mixed.load(Ordering::Acquire)
            || foreign.changes > self.forgotten.load(Ordering::Acquire)
        {
            Disturbance::Seen
        } else if foreign.holds {
            Disturbance::Unknown
        } else {
            Disturbance::None
        }
    }

    fn forget(&self) {
        self.forgotten.store(self.foreign().changes, Ordering::Release);
        self.mixed.store(false, Ordering::Release);
    }

    fn expect_own_writes(&self) {}

    fn own_change(&self, change: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        if self.foreign().holds {
            self.mixed.store(true, Ordering::Release);
        }
        change()
    }
}
