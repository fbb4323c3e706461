//! The simulator loses what it may lose, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Calls, Change, Damage, Failure, Random, SimHost};
use crate::area::{Access, Disturbance, Host, Medium, Reader};
use crate::units::Extent;

const SAMPLES: u64 = 600;

fn path() -> PathBuf {
    "/data/file".into()
}

/// A machine with one durable file of two pages.
fn host_with_file() -> (SimHost, std::sync::Arc<dyn Medium>) {
    let host = SimHost::new();
    host.put(&path(), &[1; 8192]);
    host.settle();
    let file = host.open(&path(), Access::Write).unwrap();
    (host, file)
}

/// What `of` sees in many images of a power cut now.
fn outcomes<T: Ord>(host: &SimHost, damage: Damage, of: impl Fn(&SimHost) -> T) -> BTreeSet<T> {
    let point = host.crash_point(host.log_len());
    (0..SAMPLES).map(|seed| of(&point.image(&mut Random::new(seed), damage))).collect()
}

const WHOLE: Damage = Damage { torn: false, garbage: false };
const TORN: Damage = Damage { torn: true, garbage: false };

fn byte(host: &SimHost, offset: usize) -> u8 {
    host.contents(&path()).unwrap()[offset]
}

#[test]
fn writes_since_the_last_sync_survive_in_any_combination() {
    let (host, file) = host_with_file();
    file.write_at(&[2; 100], 0).unwrap();
    file.write_at(&[3; 100], 5000).unwrap();
    let seen = outcomes(&host, WHOLE, |image| (byte(image, 0), byte(image, 5000)));
    assert_eq!(seen, BTreeSet::from([(1, 1), (1, 3), (2, 1), (2, 3)]));
}

#[test]
fn what_was_synced_is_never_lost() {
    let (host, file) = host_with_file();
    file.write_at(&[2; 100], 0).unwrap();
    file.sync().unwrap();
    file.write_at(&[3; 100], 5000).unwrap();
    let seen = outcomes(&host, Damage::default(), |image| byte(image, 0));
    assert_eq!(seen, BTreeSet::from([2]));
}

#[test]
fn writes_tear_at_sectors_of_512_bytes() {
    let (host, file) = host_with_file();
    file.write_at(&[2; 1200], 100).unwrap();
    let sectors = |image: &SimHost| {
        let bytes = image.contents(&path()).unwrap();
        for (first, last) in [(100, 511), (512, 1023), (1024, 1299)] {
            assert!(bytes[first..=last].iter().all(|byte| *byte == bytes[first]));
        }
        (bytes[100], bytes[512], bytes[1024])
    };
    assert_eq!(outcomes(&host, TORN, sectors).len(), 8, "all combinations of three sectors");
    let garbage = outcomes(&host, Damage::default(), |image| byte(image, 600));
    assert!(garbage.len() > 2, "torn sectors may hold anything");
}

#[test]
fn a_new_name_needs_its_folder_synced() {
    let (host, _) = host_with_file();
    let (new, renamed) = (Path::new("/data/new"), Path::new("/data/renamed"));
    let file = host.create(new, None).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync_all().unwrap();
    let exists = |path: &'static str| move |image: &SimHost| image.contents(Path::new(path));
    let both = BTreeSet::from([None, Some(b"x".to_vec())]);
    assert_eq!(outcomes(&host, WHOLE, exists("/data/new")), both);
    host.sync_folder(Path::new("/data")).unwrap();
    assert_eq!(outcomes(&host, WHOLE, exists("/data/new")), BTreeSet::from([Some(b"x".to_vec())]));
    host.rename(new, renamed).unwrap();
    let names = outcomes(&host, WHOLE, |image| {
        (image.contents(new).is_some(), image.contents(renamed).is_some())
    });
    assert_eq!(names, BTreeSet::from([(true, false), (false, true)]));
    host.remove(renamed).unwrap();
    assert!(outcomes(&host, WHOLE, exists("/data/renamed")).contains(&None));
}

#[test]
fn a_folder_that_is_lost_takes_its_files_with_it() {
    let (host, _) = host_with_file();
    host.make_folder(Path::new("/data/folder/inner")).unwrap();
    host.create(Path::new("/data/folder/inner/x"), None).unwrap();
    host.sync_folder(Path::new("/data/folder/inner")).unwrap();
    let names = outcomes(&host, WHOLE, |image| image.all_names().len());
    assert_eq!(names, BTreeSet::from([2, 3, 5]), "nothing, the outer folder, or all");
}

#[test]
fn lengths_and_holes_are_lost_like_writes() {
    let (host, file) = host_with_file();
    file.set_length(4096).unwrap();
    file.discard(Extent::new(0, 4096)).unwrap();
    let seen =
        outcomes(&host, WHOLE, |image| (image.contents(&path()).unwrap().len(), byte(image, 0)));
    assert_eq!(seen, BTreeSet::from([(4096, 0), (4096, 1), (8192, 0), (8192, 1)]));
}

#[test]
fn the_tag_and_the_times_need_a_full_sync() {
    let (host, file) = host_with_file();
    let old = file.stamp().unwrap();
    host.wait_ns(50_000_000);
    file.set_tag(b"epoch 2").unwrap();
    file.write_at(&[2; 100], 0).unwrap();
    file.sync().unwrap();
    let state = |image: &SimHost| {
        let file = image.open(&path(), Access::Read).unwrap();
        let old_times = file.stamp().unwrap().changed_ns == old.changed_ns;
        (file.tag().unwrap().is_some(), old_times, byte(image, 0))
    };
    let seen = outcomes(&host, WHOLE, state);
    assert!(seen.contains(&(false, true, 2)), "new data under an old time: {seen:?}");
    assert!(seen.iter().any(|state| state.0));
    file.sync_all().unwrap();
    assert_eq!(outcomes(&host, WHOLE, state), BTreeSet::from([(true, false, 2)]));
    host.wait_ns(50_000_000);
    file.write_at(&[3; 100], 0).unwrap();
    file.sync().unwrap();
    file.sync_all().unwrap();
    let newest = file.stamp().unwrap().changed_ns;
    let times = |image: &SimHost| image.find(&path()).unwrap().unwrap().stamp.changed_ns;
    assert_eq!(outcomes(&host, WHOLE, times), BTreeSet::from([newest]), "saved by the second sync");
}

#[test]
fn a_sync_that_failed_loses_what_it_should_have_saved() {
    let (host, file) = host_with_file();
    file.write_at(&[2; 100], 0).unwrap();
    let failure =
        Failure { path: path(), calls: Calls::Syncs, nth: 1, errno: libc::EIO, for_ever: false };
    host.fail(failure);
    assert_eq!(file.sync().unwrap_err().errno(), Some(libc::EIO));
    file.sync().unwrap();
    assert!(host.clear_failures());
    assert_eq!(byte(&host, 0), 2, "still read from the cache");
    assert_eq!(outcomes(&host, WHOLE, |image| byte(image, 0)), BTreeSet::from([1]));
}

#[test]
fn failures_hit_the_call_they_name() {
    let (host, file) = host_with_file();
    let failure = |nth, for_ever| Failure {
        path: "/data".into(),
        calls: Calls::Changes,
        nth,
        errno: libc::ENOSPC,
        for_ever,
    };
    host.fail(failure(2, false));
    let results: Vec<bool> = (0..4).map(|_| file.write_at(b"x", 0).is_ok()).collect();
    assert_eq!(results, [true, false, true, true]);
    assert!(host.clear_failures());
    host.fail(failure(2, true));
    let results: Vec<bool> = (0..4).map(|_| file.write_at(b"x", 0).is_ok()).collect();
    assert_eq!(results, [true, false, false, false]);
    host.clear_failures();
    host.fail(failure(9, false));
    assert!(file.read_at(&mut [0; 4], 0).is_ok());
    assert!(!host.clear_failures(), "it was not reached");
}

#[test]
fn a_seed_gives_the_same_machine_again() {
    let (host, file) = host_with_file();
    for offset in 0..16 {
        file.write_at(&[offset as u8 + 2; 512], offset * 512).unwrap();
    }
    let of = |seed| host.crash(host.log_len(), &mut Random::new(seed)).contents(&path());
    assert!((0..50).all(|seed| of(seed) == of(seed)));
    let different: BTreeSet<_> = (0..50).map(of).collect();
    assert!(different.len() > 20, "{} of 50 differ", different.len());
}

#[test]
fn a_killed_process_loses_nothing_until_the_power_is_cut_too() {
    let (host, file) = host_with_file();
    file.write_at(&[2; 100], 0).unwrap();
    let _lock = host.lock(Path::new("/data/lock")).unwrap();
    assert!(host.lock(Path::new("/data/lock")).is_err());
    let killed = host.kill(host.log_len());
    assert_eq!((byte(&killed, 0), killed.boot_id()), (2, host.boot_id()));
    assert!(killed.lock(Path::new("/data/lock")).is_ok());
    assert_eq!(outcomes(&killed, WHOLE, |image| byte(image, 0)).len(), 2);
    let rebooted = host.crash(host.log_len(), &mut Random::new(1));
    assert_ne!(rebooted.boot_id(), host.boot_id());
}

#[test]
fn readers_cannot_write_and_writers_are_counted() {
    let (host, file) = host_with_file();
    let reader = file.reopen_read_only().unwrap();
    assert_eq!(reader.write_at(b"x", 0).unwrap_err().errno(), Some(libc::EBADF));
    assert_eq!(host.writers(&path()), 1);
    drop(file);
    assert_eq!(host.writers(&path()), 0);
}

#[test]
fn holes_stay_holes_until_written() {
    let (host, file) = host_with_file();
    file.set_length(1 << 40).unwrap();
    file.write_at(b"end", (1 << 40) - 3).unwrap();
    file.discard(Extent::new(4096, 4096)).unwrap();
    let all = Extent::new(0, 1 << 40);
    let expected = [Extent::new(0, 4096), Extent::new((1 << 40) - 4096, 4096)];
    assert_eq!(file.data_extents(all).unwrap(), expected);
    let mut buffer = [9; 3];
    assert_eq!(file.read_at(&mut buffer, 8000).unwrap(), 3);
    assert_eq!(buffer, [0; 3]);
    assert_eq!(file.length().unwrap(), host.find(&path()).unwrap().unwrap().stamp.length);
}

#[test]
fn a_watch_sees_what_other_programs_did() {
    let (host, file) = host_with_file();
    let watch = Reader::new(file.clone()).watch().unwrap();
    file.write_at(b"own", 0).unwrap();
    assert_eq!(watch.disturbance(), Disturbance::None);
    host.hold_open(&path(), true);
    assert_eq!(watch.disturbance(), Disturbance::Unknown);
    host.hold_open(&path(), false);
    host.native_write(&path(), 0, b"theirs");
    assert_eq!(watch.disturbance(), Disturbance::Seen);
    watch.forget();
    assert_eq!(watch.disturbance(), Disturbance::None);
}

#[test]
fn crash_points_stand_at_both_sides_of_each_sync() {
    let (host, file) = host_with_file();
    file.write_at(b"a", 0).unwrap();
    file.write_at(b"b", 0).unwrap();
    file.sync().unwrap();
    file.write_at(b"c", 0).unwrap();
    assert_eq!(host.crash_points(0..host.log_len(), 0), [2, 3, 4]);
    assert_eq!(host.crash_points(0..host.log_len(), 1), [0, 1, 2, 3, 4]);
}

#[test]
fn a_hook_is_called_before_the_operation_happens() {
    let (host, file) = host_with_file();
    let (seen, inner) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), host.clone());
    let sink = seen.clone();
    host.on_change(move |change| {
        if let Change::Write { offset, .. } = change {
            sink.lock().unwrap().push((*offset, byte(&inner, 0)));
        }
    });
    file.write_at(&[7; 10], 0).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(0, 1)]);
}
