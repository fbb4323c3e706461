//! How a message shows what it is about: paths, reasons of the system, lists.

use std::io;
use std::path::{Path, PathBuf};

/// A path as text that fits one line: bytes that are not UTF-8 and control characters as `\x0a`.
pub fn shown(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut out = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let _ = write!(out, "\\x{:02x}", character as u32);
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

pub(super) fn reason(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

pub(super) fn list(words: &[impl AsRef<str>]) -> String {
    if words.is_empty() {
        return "nothing".into();
    }
    words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// What is known of the space; the system's own refusal brings no numbers.
pub(super) fn room(needed: u64, available: u64) -> String {
    if needed == 0 {
        return String::new();
    }
    format!(": {needed} bytes are needed, {available} are free")
}

pub(super) fn processes(pids: &[u32]) -> String {
    if pids.is_empty() {
        return "that cannot be named: another user's, or the kernel's own".into();
    }
    list(&pids.iter().map(u32::to_string).collect::<Vec<_>>())
}

pub(super) fn users_of_mount(pids: &[u32], loops: &[PathBuf], mounts: &[PathBuf]) -> String {
    let mut users: Vec<String> = pids.iter().map(|pid| format!("process {pid}")).collect();
    users.extend(loops.iter().map(|path| format!("loop device {}", shown(path))));
    users.extend(mounts.iter().map(|path| format!("it is mounted on {} too", shown(path))));
    if users.is_empty() {
        return processes(&[]);
    }
    list(&users)
}
