use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn paths_are_shown_on_one_line_whatever_they_hold() {
    let path = Path::new(OsStr::from_bytes(b"/tmp/a\nb\xffc\xc3\xa9"));
    assert_eq!(shown(path), "/tmp/a\\x0ab\\xffcé");
}

#[test]
fn system_errors_become_the_variant_a_user_can_act_on() {
    let of =
        |errno| Error::io(Path::new("/x"), "write", &io::Error::from_raw_os_error(errno)).class();
    assert_eq!(of(libc::ENOENT), "AreaNotFoundError");
    assert_eq!(of(libc::EACCES), "AreaPermissionError");
    assert_eq!(of(libc::EROFS), "ReadOnlyAreaError");
    assert_eq!(of(libc::EDQUOT), "NoSpaceError");
    assert_eq!(of(libc::EIO), "AreaIOError");
}
