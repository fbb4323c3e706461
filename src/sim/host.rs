//! The simulated machine as the core sees it. What only tests may do to it stands in `control`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::disk::{Change, Entry};
use super::failure::Calls;
use super::file::SimFile;
use super::machine::{Machine, failed};
use crate::area::{Access, Found, Host, Kind, Lock, Medium, Order, Ownership};
use crate::error::{Error, Result};

/// The process that every test is.
const PROCESS: u32 = 4242;
/// Another process, that of [`SimHost::hold_open`].
const OTHER_PROCESS: u32 = 4711;

/// Called before an operation happens, without any lock of the simulator held.
pub(super) type Hook = Arc<dyn Fn(&Change) + Send + Sync>;

/// A simulated machine; clones are the same machine.
#[derive(Clone)]
pub struct SimHost {
    machine: Arc<Mutex<Machine>>,
    hook: Arc<RwLock<Option<Hook>>>,
}

impl std::fmt::Debug for SimHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let machine = self.machine();
        write!(formatter, "SimHost(boot {}, {} operations)", machine.boot, machine.log.len())
    }
}

#[derive(Debug)]
struct SimLock {
    host: SimHost,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.host.machine().locks.remove(&self.path);
    }
}

impl SimHost {
    pub(super) fn of(machine: Machine) -> Self {
        Self { machine: Arc::new(Mutex::new(machine)), hook: Arc::default() }
    }

    /// The state, for a moment. A test that panicked with it leaves it as it was.
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_hook(&self, hook: Option<Hook>) {
        *self.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    pub(super) fn perform(
        &self,
        path: &Path,
        operation: &'static str,
        change: Change,
    ) -> Result<()> {
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(&change);
        }
        self.machine().perform(path, operation, change)
    }

    fn handle(&self, path: &Path, inode: u64, writable: bool) -> Arc<dyn Medium> {
        Arc::new(SimFile::new(self.clone(), path.to_path_buf(), inode, writable))
    }
}

impl Host for SimHost {
    fn find(&self, path: &Path) -> Result<Option<Found>> {
        let mut machine = self.machine();
        machine.check(path, "stat", Calls::Reads)?;
        let inode = match machine.now.entry(path) {
            None => return Ok(None),
            Some(Entry::Folder) => {
                let path = path.to_path_buf();
                return Err(Error::UnsupportedArea { path, what: "a directory" });
            }
            Some(Entry::File(inode)) => inode,
        };
        Ok(machine.now.inodes.get(&inode).map(|file| Found {
            path: path.to_path_buf(),
            kind: Kind::File,
            stamp: file.stamp(machine.device(), inode),
            ownership: file.ownership,
            backing: Vec::new(),
        }))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn Medium>> {
        if self.find(path)?.is_none() {
            return Err(Error::NotFound { path: path.to_path_buf() });
        }
        let inode = self.machine().now.inode_at(path);
        let inode = inode.ok_or_else(|| Error::NotFound { path: path.to_path_buf() })?;
        Ok(self.handle(path, inode, access == Access::Write))
    }

    fn create(&self, path: &Path, ownership: Option<Ownership>) -> Result<Arc<dyn Medium>> {
        let ownership = ownership.unwrap_or(Ownership { mode: 0o600, user: 0, group: 0 });
        let inode = {
            let mut machine = self.machine();
            if machine.now.entry(path).is_some() {
                return Err(failed(path, "creating", libc::EEXIST));
            }
            let folder = path.parent().and_then(|folder| machine.now.entry(folder));
            if folder != Some(Entry::Folder) {
                return Err(failed(path, "creating", libc::ENOENT));
            }
            let inode = machine.new_inode();
            machine.record(Change::Create { inode, ownership }, false);
            inode
        };
        self.perform(path, "creating", Change::Link { path: path.to_path_buf(), inode })?;
        Ok(self.handle(path, inode, true))
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        let missing: Vec<PathBuf> = {
            let machine = self.machine();
            let missing = |path: &&Path| machine.now.entry(path).is_none();
            path.ancestors().take_while(missing).map(Path::to_path_buf).collect()
        };
        for path in missing.into_iter().rev() {
            let change = Change::MakeFolder { path: path.clone() };
            self.perform(&path, "creating the folder", change)?;
        }
        match self.machine().now.entry(path) {
            Some(Entry::Folder) => Ok(()),
            _ => Err(failed(path, "creating the folder", libc::EEXIST)),
        }
    }

    fn folders(&self, folder: &Path) -> Vec<PathBuf> {
        let machine = self.machine();
        let below = machine
            .now
            .names
            .iter()
            .filter(|(path, entry)| path.parent() == Some(folder) && **entry == Entry::Folder);
        below.map(|(path, _)| path.clone()).collect()
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        if self.machine().now.entry(folder) != Some(Entry::Folder) {
            return Err(failed(folder, "fsync", libc::ENOENT));
        }
        self.perform(folder, "fsync", Change::SyncFolder { path: folder.to_path_buf() })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let inode = self.machine().now.inode_at(from);
        let inode = inode.ok_or_else(|| failed(from, "renaming", libc::ENOENT))?;
        let change = Change::Rename { from: from.to_path_buf(), to: to.to_path_buf(), inode };
        self.perform(from, "renaming", change)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        {
            let machine = self.machine();
            if machine.now.entry(path).is_none() {
                return Ok(());
            }
            if machine.now.names.keys().any(|name| name.parent() == Some(path)) {
                return Err(failed(path, "removing", libc::ENOTEMPTY));
            }
        }
        self.perform(path, "removing", Change::Unlink { path: path.to_path_buf() })
    }

    fn check_private(&self, folder: &Path) -> Result<()> {
        match self.machine().now.entry(folder) {
            Some(Entry::Folder) => Ok(()),
            Some(Entry::File(_)) => Err(Error::CatalogUntrusted {
                path: folder.to_path_buf(),
                problem: "it is not a folder".into(),
            }),
            None => Err(failed(folder, "stat", libc::ENOENT)),
        }
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        if self.machine().now.entry(path).is_none() {
            self.create(path, None)?;
        }
        if !self.machine().locks.insert(path.to_path_buf()) {
            let folder = path.parent().unwrap_or(path);
            return Err(Error::PairInUse { path: folder.to_path_buf(), pid: PROCESS });
        }
        Ok(Box::new(SimLock { host: self.clone(), path: path.to_path_buf() }))
    }

    fn lock_owner(&self, path: &Path) -> Option<u32> {
        self.machine().locks.contains(path).then_some(PROCESS)
    }

    fn users(&self, found: &Found) -> Vec<u32> {
        let machine = self.machine();
        let held = machine.foreign.get(&found.stamp.inode).is_some_and(|foreign| foreign.holds);
        held.then_some(OTHER_PROCESS).into_iter().collect()
    }

    fn mounted_on(&self, _found: &Found) -> Option<PathBuf> {
        None
    }

    fn free_bytes(&self, _path: &Path) -> Option<u64> {
        Some(self.machine().free_bytes)
    }

    fn catalog_folder(&self, mirror: &Path) -> Result<PathBuf> {
        let mut name = mirror.as_os_str().to_owned();
        name.push(".splitmirror");
        Ok(name.into())
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", self.machine().boot)
    }

    fn now_ns(&self) -> i128 {
        self.machine().tick()
    }

    fn wait_ns(&self, nanoseconds: u64) {
        self.machine().clock_ns += i128::from(nanoseconds);
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }

    fn machine(&self) -> usize {
        Arc::as_ptr(&self.machine).addr()
    }

    fn keeps(&self, rule: Order) -> bool {
        !self.machine().left_out.contains(&rule)
    }
}
