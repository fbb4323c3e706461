//! What a hostile reading found: each of these lost or hid something once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use splitmirror::area::Host;
use splitmirror::engine::Cancel;
use splitmirror::engine::Control;
use splitmirror::pair::{
    CreateOptions, EstablishOptions, OpenOptions, Pair, RestoreOptions, ResumeOptions, SplitOptions,
};
use splitmirror::sim::{Calls, Change, Failure, Random, SimHost};
use splitmirror::state::Mode;
use splitmirror::units::BlockSize;
use splitmirror::volume::Settings;

use crate::campaign::seed;
use crate::model::{catalog, mirror, source};
use crate::story::{BLOCK, SETTINGS, control};

const LONG: Duration = Duration::from_secs(60);

fn create(host: &SimHost, mirror: &Path, settings: Settings) -> Arc<Pair> {
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let options = CreateOptions {
        mode: Mode::Exclusive,
        block_size: BlockSize::new(BLOCK as u64).unwrap(),
        settings,
        ..CreateOptions::default()
    };
    Arc::new(Pair::create(shared, &source(), mirror, options).unwrap())
}

fn open(host: &SimHost, mirror: &Path) -> Arc<Pair> {
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
    Arc::new(Pair::open(shared, mirror, options).unwrap())
}

/// A split pair of a source of so many blocks, of which these were written since.
fn split_and_written(settings: Settings, blocks: usize, written: &[usize]) -> (SimHost, Arc<Pair>) {
    let host = SimHost::new();
    host.put(&source(), &vec![1; blocks * BLOCK]);
    host.settle();
    let pair = create(&host, &mirror(), settings);
    pair.establish(&EstablishOptions::default(), &control()).unwrap();
    pair.split(&SplitOptions::default()).unwrap();
    for block in written {
        pair.volume().unwrap().write(&[2; BLOCK], (block * BLOCK) as u64).unwrap();
    }
    pair.volume().unwrap().flush().unwrap();
    (host, pair)
}

fn cancelled() -> Control {
    let cancel = Cancel::default();
    cancel.cancel();
    Control::new(vec![cancel])
}

#[test]
fn i5_no_restore_copies_after_a_close_that_waited_for_its_beginning() {
    let (host, pair) = split_and_written(SETTINGS, 64, &[2, 5, 8, 11]);
    let (begun, closing) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    host.on_change(move |_| {
        // The first thing that the restore does: the other thread comes to close now, and waits for its turn.
        if !closing.swap(true, Ordering::SeqCst) {
            seen.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let other = Arc::clone(&pair);
    let closer = std::thread::spawn(move || {
        while !begun.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        other.close().unwrap();
    });
    let job = pair.start_restore(&RestoreOptions::default(), 1).unwrap();
    closer.join().unwrap();
    assert!(!job.is_running(), "it copies on after close()");
}

#[test]
fn r4_a_write_that_fails_leaves_its_block_to_be_restored() {
    let (host, pair) = split_and_written(SETTINGS, 12, &[2, 5]);
    assert!(pair.restore(&RestoreOptions::default(), &cancelled()).is_err());
    let volume = pair.volume().unwrap();
    let failure =
        |errno| Failure { path: source(), calls: Calls::Changes, nth: 1, errno, for_ever: false };
    host.fail(failure(libc::ENOSPC));
    volume.write(&[9; BLOCK], 5 * BLOCK as u64).unwrap_err();
    host.clear_failures();
    let mut bytes = vec![0; BLOCK];
    volume.read(&mut bytes, 5 * BLOCK as u64).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 1), "old bytes are served: {}", bytes[0]);
    let receipt = pair.resume_restore(&ResumeOptions::default(), &control()).unwrap();
    assert!(receipt.complete);
    assert!(host.same_bytes(&source(), &mirror()));
}

#[test]
fn i2_what_is_still_to_be_restored_is_marked_after_a_crash_although_the_marks_were_saved() {
    // Two stripes: the copier is in the first one while the application writes in the second.
    let settings = Settings { batch_bytes: 1 << 30, ..SETTINGS };
    let (host, pair) = split_and_written(settings, 512, &[0, 2, 4, 6]);
    let (inode, busy) = (host.inode(&source()), AtomicBool::new(false));
    let (inner, machine) = (Arc::clone(&pair), host.clone());
    let killed: Arc<std::sync::Mutex<Option<SimHost>>> = Arc::default();
    let found = Arc::clone(&killed);
    host.on_change(move |change| {
        let copies = matches!(change, Change::Write { offset, .. } if *offset < 1 << 20);
        if !copies || change.inode() != inode || busy.swap(true, Ordering::SeqCst) {
            return;
        }
        for region in 0..20 {
            let offset = (1 << 20) + region * 2 * BLOCK as u64;
            inner.volume().unwrap().write(&[3; 10], offset).unwrap();
        }
        *found.lock().unwrap() = Some(machine.kill(machine.log_len()));
    });
    let job = pair.start_restore(&RestoreOptions::default(), 0).unwrap();
    job.wait(LONG).unwrap().unwrap();
    host.forget_hook();
    let host = killed.lock().unwrap().take().expect("it was killed while copying");
    let pair = open(&host, &mirror());
    let options = RestoreOptions { restart: true, ..RestoreOptions::default() };
    let receipt = pair.restore(&options, &control()).unwrap();
    assert!(receipt.complete);
    assert!(host.same_bytes(&source(), &mirror()), "a block was not restored, and nobody knows");
}

#[test]
fn i6_a_session_that_one_mirror_heard_of_and_another_did_not_is_no_session_of_both() {
    let (a, b): (PathBuf, PathBuf) = ("/data/mirror-a".into(), "/data/mirror-b".into());
    let host = SimHost::new();
    host.put(&source(), &vec![1; 12 * BLOCK]);
    host.settle();
    let one = create(&host, &a, SETTINGS);
    let two = create(&host, &b, SETTINGS);
    for pair in [&one, &two] {
        pair.establish(&EstablishOptions::default(), &control()).unwrap();
    }
    one.close().unwrap();
    two.close().unwrap();
    host.settle();
    let mut met = 0;
    // Killed anywhere in the beginning of a session.
    let pair = open(&host, &b);
    let from = host.log_len();
    pair.volume().unwrap().write(&[5; 10], 0).unwrap();
    for position in from..host.log_len() {
        let host = host.kill(position);
        // Now the second mirror's disk is away, and the first one goes on without it.
        host.fail(Failure {
            path: b.clone(),
            calls: Calls::Any,
            nth: 1,
            errno: libc::EIO,
            for_ever: true,
        });
        host.fail(Failure {
            path: "/data/mirror-b.splitmirror".into(),
            calls: Calls::Any,
            nth: 1,
            errno: libc::EIO,
            for_ever: true,
        });
        let pair = open(&host, &a);
        assert_eq!(pair.volume().unwrap().missing_siblings().len(), 1);
        pair.volume().unwrap().write(&[7; 10], 5 * BLOCK as u64).unwrap();
        pair.close().unwrap();
        host.clear_failures();
        let pair = open(&host, &b);
        met += 1;
        if pair.split(&SplitOptions::default()).is_ok() {
            assert!(
                host.same_bytes(&source(), &b),
                "killed at {position} ({}): a mirror that missed a session is taken for the source",
                host.describe(position)
            );
        }
        drop(pair);
    }
    assert!(met > 3);
}

#[test]
fn i2_a_region_that_could_not_be_logged_is_logged_by_the_next_write() {
    let (host, pair) = split_and_written(SETTINGS, 64, &[2]);
    host.settle();
    assert!(pair.restore(&RestoreOptions::default(), &cancelled()).is_err());
    let volume = pair.volume().unwrap();
    let intents = catalog().join("intents");
    host.fail(Failure {
        path: intents,
        calls: Calls::Syncs,
        nth: 1,
        errno: libc::EIO,
        for_ever: false,
    });
    volume.write(&[9; BLOCK], 40 * BLOCK as u64).unwrap_err();
    assert!(host.clear_failures(), "the log was not written");
    volume.write(&[9; BLOCK], 40 * BLOCK as u64).unwrap();
    volume.flush().unwrap();
    let host = host.crash(host.log_len(), &mut Random::new(seed()));
    let pair = open(&host, &mirror());
    pair.resume_restore(&ResumeOptions::default(), &control()).unwrap();
    pair.restore(&RestoreOptions::default(), &control()).unwrap();
    assert!(host.same_bytes(&source(), &mirror()), "a write is forgotten");
}

#[test]
fn r4_a_restore_that_was_given_up_for_an_establish_redirects_nobody() {
    let (_host, pair) = split_and_written(SETTINGS, 12, &[2, 5]);
    pair.seal(&[], &control()).unwrap();
    assert!(pair.restore(&RestoreOptions::default(), &cancelled()).is_err());
    let accept = vec!["restore-pending".to_owned()];
    pair.establish(&EstablishOptions { accept, ..EstablishOptions::default() }, &control())
        .unwrap();
    let volume = pair.volume().unwrap();
    let mut bytes = vec![0; BLOCK];
    volume.read(&mut bytes, 5 * BLOCK as u64).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 2));
    assert!(volume.look(|phase| phase.restore.is_none()));
}

#[test]
fn r13_a_mirror_of_larger_blocks_is_repaired_with_every_mark_of_the_other() {
    let (small, large): (PathBuf, PathBuf) = ("/data/small".into(), "/data/large".into());
    let host = SimHost::new();
    host.put(&source(), &vec![1; 15 * BLOCK]);
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let options = |blocks: usize| CreateOptions {
        mode: Mode::Exclusive,
        block_size: BlockSize::new((blocks * BLOCK) as u64).unwrap(),
        settings: Settings { region_bytes: 16 * BLOCK as u64, ..SETTINGS },
        ..CreateOptions::default()
    };
    let pair = Pair::create(Arc::clone(&shared), &source(), &large, options(16)).unwrap();
    pair.establish(&EstablishOptions::default(), &control()).unwrap();
    pair.split(&SplitOptions::default()).unwrap();
    let good = Pair::create(shared, &source(), &small, options(1)).unwrap();
    good.establish(&EstablishOptions::default(), &control()).unwrap();
    good.close().unwrap();
    pair.close().unwrap();
    // Its disk is away while the source grows into its next block.
    for path in [large.clone(), "/data/large.splitmirror".into()] {
        host.fail(Failure { path, calls: Calls::Any, nth: 1, errno: libc::EIO, for_ever: true });
    }
    let good = open(&host, &small);
    let volume = good.volume().unwrap();
    assert_eq!(volume.missing_siblings().len(), 1);
    volume.write(&[2; 2 * BLOCK], 15 * BLOCK as u64).unwrap();
    good.split(&SplitOptions::default()).unwrap();
    volume.write(&[3; 10], 16 * BLOCK as u64).unwrap();
    volume.flush().unwrap();
    host.clear_failures();
    let pair = open(&host, &large);
    pair.repair(&small, &[], &control()).unwrap();
    let receipt = pair.restore(&RestoreOptions::default(), &control()).unwrap();
    assert_eq!((receipt.complete, receipt.copy.reason), (true, "bitmap"));
    assert!(host.same_bytes(&source(), &large), "a mark of the other mirror was lost");
}

#[test]
fn r3_what_a_flush_has_not_finished_is_not_flushed() {
    let host = SimHost::new();
    host.put(&source(), &vec![1; 8 * BLOCK]);
    host.settle();
    let pair = create(&host, &mirror(), SETTINGS);
    pair.establish(&EstablishOptions::default(), &control()).unwrap();
    let volume = pair.volume().unwrap();
    volume.write(&[2; BLOCK], 0).unwrap();
    let (asked, claimed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (inode, looking) = (host.inode(&source()), Arc::clone(&pair));
    let (seen, wrong) = (Arc::clone(&asked), Arc::clone(&claimed));
    host.on_change(move |change| {
        // The sync of the source has taken what there was, and has not happened yet.
        if change.is_sync() && change.inode() == inode {
            seen.store(true, Ordering::SeqCst);
            wrong.fetch_or(looking.volume().unwrap().is_flushed(), Ordering::SeqCst);
        }
    });
    volume.flush().unwrap();
    host.forget_hook();
    assert!(asked.load(Ordering::SeqCst) && volume.is_flushed());
    assert!(!claimed.load(Ordering::SeqCst), "it is called flushed before it is");
}

#[test]
fn i2_a_catalog_that_detach_could_not_erase_is_not_believed() {
    let mut survived = 0;
    for nth in 1.. {
        let (host, pair) = split_and_written(SETTINGS, 64, &[2]);
        // The last pair takes the source's tag with it, and that tells.
        let other = create(&host, Path::new("/data/other"), SETTINGS);
        host.fail(Failure {
            path: catalog(),
            calls: Calls::Changes,
            nth,
            errno: libc::EIO,
            for_ever: true,
        });
        let detached = pair.detach();
        if !host.clear_failures() {
            detached.unwrap();
            break;
        }
        if detached.is_ok() {
            // Only its folder stays.
            continue;
        }
        // A region that its log does not name yet.
        other.volume().unwrap().write(&[9; BLOCK], 60 * BLOCK as u64).unwrap();
        other.volume().unwrap().flush().unwrap();
        let host = host.kill(host.log_len());
        let shared: Arc<dyn Host> = Arc::new(host.clone());
        let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
        let Ok(pair) = Pair::open(shared, &mirror(), options) else { continue };
        survived += 1;
        pair.restore(&RestoreOptions::default(), &control()).unwrap();
        assert!(host.same_bytes(&source(), &mirror()), "{nth}: a write is forgotten");
    }
    assert!(survived > 1, "the catalog never outlived its pair");
}

#[test]
fn i6_a_mirror_that_another_is_repaired_from_is_not_detached() {
    let (host, good) = split_and_written(SETTINGS, 64, &[2]);
    let bad = PathBuf::from("/data/bad");
    let pair = create(&host, &bad, SETTINGS);
    let (inode, tried) = (host.inode(&bad), Arc::new(AtomicBool::new(false)));
    let (donor, done) = (Arc::clone(&good), Arc::clone(&tried));
    host.on_change(move |change| {
        if change.is_data() && change.inode() == inode && !done.swap(true, Ordering::SeqCst) {
            let refused = donor.detach().unwrap_err().to_string();
            assert!(refused.contains("repaired from this one"), "{refused}");
        }
    });
    pair.repair(&mirror(), &[], &control()).unwrap();
    host.forget_hook();
    assert!(tried.load(Ordering::SeqCst) && host.same_bytes(&bad, &mirror()));
    pair.close().unwrap();
    good.detach().unwrap();
}
