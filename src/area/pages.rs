//! The kernel's answer to "which pages of this memory were stored into?": userfaultfd write-protection in its
//! asynchronous mode, and the `PAGEMAP_SCAN` ioctl (Linux 6.7; `Documentation/admin-guide/mm/pagemap.rst` and
//! `userfaultfd.rst`). A protected page that is stored into loses its protection by itself, without a handler; a scan
//! lists the pages that have lost it and protects them again, in one step a page. Needs no privilege.
//!
//! Blind to what does not go through this mapping: `pwrite`, hole punching, other mappings, forked children.
//!
//! Tried, and to be kept: the first protection by `UFFDIO_WRITEPROTECT`, never by a scan, and at most 512 regions a
//! scan. With huge pages under the mapping the other ways report pages that nobody touched, or lose their place.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Most regions that one call of the kernel returns, and most pages: so much is mirrored at once.
pub(super) const REGIONS_MAX: usize = 512;
const PAGES_MAX: u64 = 1024;

const USER_MODE_ONLY: libc::c_int = 1;
const API: u64 = 0xAA;
const FEATURE_WP_SHMEM: u64 = 1 << 12;
const FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const FEATURE_WP_ASYNC: u64 = 1 << 15;
const REGISTER_MODE_WP: u64 = 1 << 1;
const WRITEPROTECT_MODE_WP: u64 = 1;
const SCAN_PROTECT_AGAIN: u64 = 1;
const SCAN_REFUSE_UNTRACKED: u64 = 1 << 1;
const PAGE_IS_WRITTEN: u64 = 1 << 1;

#[repr(C)]
struct ApiRequest {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct RegisterRequest {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct ProtectRequest {
    start: u64,
    length: u64,
    mode: u64,
}

#[repr(C)]
struct ScanRequest {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_length: u64,
    pages_max: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// A run of memory that the kernel reports, and what it is.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) end: u64,
    categories: u64,
}

/// The number of an ioctl that reads and writes its argument.
const fn read_write(kind: u8, number: u8, size: usize) -> libc::c_ulong {
    (3 << 30)
        | ((size as libc::c_ulong) << 16)
        | ((kind as libc::c_ulong) << 8)
        | number as libc::c_ulong
}

const UFFDIO_API: libc::c_ulong = read_write(0xAA, 0x3F, size_of::<ApiRequest>());
const UFFDIO_REGISTER: libc::c_ulong = read_write(0xAA, 0x00, size_of::<RegisterRequest>());
const UFFDIO_WRITEPROTECT: libc::c_ulong = read_write(0xAA, 0x06, size_of::<ProtectRequest>());
const PAGEMAP_SCAN: libc::c_ulong = read_write(b'f', 16, size_of::<ScanRequest>());

/// Calls an ioctl whose argument is a struct; its result, which is not negative.
///
/// # Safety
/// `request` must be one whose argument has the layout of `T`, and all addresses in it must be valid for it.
unsafe fn ioctl<T>(fd: RawFd, request: libc::c_ulong, argument: &mut T) -> io::Result<usize> {
    // SAFETY: the caller vouches for request and argument; the descriptor is open.
    let result = unsafe { libc::ioctl(fd, request as _, std::ptr::from_mut(argument)) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Watches a range of memory of this process for stores, as long as it lives.
#[derive(Debug)]
pub(super) struct PageWatch {
    /// Unregisters the range when it is closed.
    _faults: OwnedFd,
    pagemap: File,
    start: u64,
    end: u64,
}

impl PageWatch {
    /// Protects whole pages of mapped memory; from here on a scan finds the stores. An error where the kernel, or a
    /// sandbox, does not let this process.
    pub(super) fn start(start: *mut u8, length: usize) -> io::Result<Self> {
        // SAFETY: a system call with a flag; what it returns is a new descriptor or an error.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_userfaultfd,
                libc::O_CLOEXEC | libc::O_NONBLOCK | USER_MODE_ONLY,
            )
        };
        let fd =
            RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the descriptor is new and nobody else's.
        let faults = unsafe { OwnedFd::from_raw_fd(fd) };
        let features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED | FEATURE_WP_SHMEM;
        let mut api = ApiRequest { api: API, features, ioctls: 0 };
        // SAFETY: UFFDIO_API takes this struct.
        unsafe { ioctl(fd, UFFDIO_API, &mut api)? };
        let (start, length) = (start as u64, length as u64);
        let mut register = RegisterRequest { start, length, mode: REGISTER_MODE_WP, ioctls: 0 };
        // SAFETY: UFFDIO_REGISTER takes this struct; the range is mapped, and protecting it changes no byte.
        unsafe { ioctl(fd, UFFDIO_REGISTER, &mut register)? };
        let mut protect = ProtectRequest { start, length, mode: WRITEPROTECT_MODE_WP };
        // SAFETY: UFFDIO_WRITEPROTECT takes this struct; the range was registered with this descriptor.
        unsafe { ioctl(fd, UFFDIO_WRITEPROTECT, &mut protect)? };
        let watch = Self {
            _faults: faults,
            pagemap: File::open("/proc/self/pagemap")?,
            start,
            end: start + length,
        };
        // Whether it can be asked at all: a kernel may know the one and not the other.
        watch.scan(start, &mut [Region::default(); 1])?;
        Ok(watch)
    }

    /// Lists pages that were stored into, from an address on, and protects them again; how many regions, and the address
    /// up to which was looked.
    pub(super) fn scan(&self, from: u64, regions: &mut [Region]) -> io::Result<(usize, u64)> {
        let mut request = ScanRequest {
            size: size_of::<ScanRequest>() as u64,
            flags: SCAN_PROTECT_AGAIN | SCAN_REFUSE_UNTRACKED,
            start: from.max(self.start),
            end: self.end,
            walk_end: 0,
            regions: regions.as_mut_ptr() as u64,
            regions_length: regions.len() as u64,
            pages_max: PAGES_MAX,
            category_inverted: 0,
            category_mask: PAGE_IS_WRITTEN,
            category_anyof_mask: 0,
            return_mask: PAGE_IS_WRITTEN,
        };
        // SAFETY: PAGEMAP_SCAN takes this struct; the address of the regions is valid for as many as it says.
        let found = unsafe { ioctl(self.pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut request)? };
        Ok((found, request.walk_end))
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }
}
