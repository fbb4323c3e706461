//! The intent log when it is damaged, fails, or is used by many at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use splitmirror::catalog::{Catalog, IntentLog, Logged};
use splitmirror::error::Error;
use splitmirror::sim::{Calls, Change, Failure, Random, SimHost};

use crate::campaign::seed;
use crate::catalog::{folder, new_record};
use crate::intents::found;

fn log_path() -> PathBuf {
    folder().join("intents")
}

/// A catalog whose log says something, of which the newest versions lie in both slots; with what it says.
fn written(host: &SimHost) -> (Catalog, Logged) {
    host.put(Path::new("/data/mirror"), b"");
    host.settle();
    let shared = Arc::new(host.clone());
    let mut catalog = Catalog::create(shared, &folder(), new_record()).unwrap();
    let log = catalog.intents();
    log.begin(7, 64, &[vec![3, 1, 3], vec![], vec![5]]).unwrap();
    catalog.commit(|record| record.intents = 7).unwrap();
    for page in (0..IntentLog::PAGES).step_by(2) {
        log.store(page, &[page as u64, 100]).unwrap();
        log.sync().unwrap();
    }
    let logged = log.load(7).unwrap().unwrap();
    assert_eq!(logged, Logged { region_bytes: 64, regions: vec![0, 2, 4, 6, 8, 100] });
    (catalog, logged)
}

#[test]
fn no_flipped_bit_of_the_intent_log_is_believed() {
    let host = SimHost::new();
    let (catalog, logged) = written(&host);
    let log = catalog.intents();
    let whole = host.contents(&log_path()).unwrap();
    let mut random = Random::new(seed());
    for page in 0..whole.len() / 4096 {
        let bits = (0..128 * 8).step_by(3).chain((128..4096).step_by(61).map(|byte| byte * 8));
        for bit in bits {
            let (byte, bit) = (page * 4096 + bit / 8, (bit + random.below(8) as usize) % 8);
            host.native_write(&log_path(), byte as u64, &[whole[byte] ^ 1 << bit]);
            let found = log.load(7).unwrap();
            assert_eq!(found.as_ref(), Some(&logged), "bit {bit} of byte {byte}");
            host.native_write(&log_path(), byte as u64, &[whole[byte]]);
        }
    }
}

#[test]
fn a_lost_page_of_the_intent_log_is_known_to_be_lost() {
    let host = SimHost::new();
    let (catalog, _) = written(&host);
    drop(catalog);
    // Page 1 was written once; its version is the only one of the generation.
    host.native_write(&log_path(), 4 * 4096, &[0xa5; 4 * 4096]);
    assert_eq!(found(&host), Ok((7, None)));
    let mut catalog = Catalog::open(Arc::new(host.clone()), &folder()).unwrap();
    let log = catalog.intents();
    // To write that page now would be to say that the lost one said no more.
    assert!(matches!(log.store(1, &[1]), Err(Error::CatalogCorrupt { .. })));
    assert_eq!(log.load(7).unwrap(), None);
    log.begin(8, 64, &[vec![9]]).unwrap();
    assert_eq!(log.load(7).unwrap(), None);
    catalog.commit(|record| record.intents = 8).unwrap();
    log.store(1, &[1]).unwrap();
    drop(catalog);
    assert_eq!(found(&host), Ok((8, Some(Logged { region_bytes: 64, regions: vec![1, 9] }))));
}

#[test]
fn an_intent_log_that_is_gone_or_cut_is_known_to_be_lost_and_begun_anew() {
    for damage in [
        |host: &SimHost| host.native_remove(&log_path()),
        |host: &SimHost| {
            host.native_set_length(&log_path(), 50_000);
        },
    ] {
        let host = SimHost::new();
        let (catalog, _) = written(&host);
        drop(catalog);
        damage(&host);
        assert_eq!(found(&host), Ok((7, None)));
        let mut catalog = Catalog::open(Arc::new(host.clone()), &folder()).unwrap();
        catalog.intents().begin(8, 64, &[vec![9]]).unwrap();
        catalog.commit(|record| record.intents = 8).unwrap();
        drop(catalog);
        assert_eq!(found(&host), Ok((8, Some(Logged { region_bytes: 64, regions: vec![9] }))));
    }
    let host = SimHost::new();
    host.put(Path::new("/data/mirror"), b"");
    drop(Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap());
    host.native_remove(&log_path());
    assert_eq!(found(&host), Ok((0, Some(Logged::default()))));
}

#[test]
fn what_a_failed_sync_of_the_intent_log_dropped_is_written_again() {
    let host = SimHost::new();
    let (catalog, _) = written(&host);
    let log = catalog.intents();
    log.store(1, &[1]).unwrap();
    let (path, calls, errno) = (log_path(), Calls::Syncs, 5);
    host.fail(Failure { path, calls, nth: 1, errno, for_ever: false });
    log.sync().unwrap_err();
    log.sync().unwrap();
    let position = host.log_len();
    let mut random = Random::new(seed());
    for _ in 0..50 {
        let logged = found(&host.crash(position, &mut random)).unwrap().1.unwrap();
        assert!(logged.regions.contains(&1), "{logged:?}");
    }
}

#[test]
fn a_closed_catalogs_intent_log_is_not_written_any_more() {
    let host = SimHost::new();
    let (catalog, _) = written(&host);
    let log = catalog.intents();
    drop(catalog);
    assert!(matches!(log.store(0, &[1]), Err(Error::Closed)));
    assert!(matches!(log.begin(9, 64, &[]), Err(Error::Closed)));
}

#[test]
fn nobodys_store_undoes_what_another_threads_sync_acknowledges() {
    let host = SimHost::new();
    let (catalog, _) = written(&host);
    let log = catalog.intents();
    // A sync takes its time, so that others store meanwhile.
    host.on_change(|change| {
        if change.is_sync() || matches!(change, Change::Write { .. }) {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    });
    let first = host.log_len();
    let (named, acknowledged) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (log, host, named, acknowledged) = (&log, &host, &named, &acknowledged);
            scope.spawn(move || {
                for turn in 0..12 {
                    let region = 1000 + thread * 100 + turn;
                    {
                        let mut named = named.lock().unwrap();
                        named.push(region);
                        log.store(0, &named).unwrap();
                    }
                    log.sync().unwrap();
                    acknowledged.lock().unwrap().push((host.log_len(), region));
                }
            });
        }
    });
    host.forget_hook();
    let mut random = Random::new(seed());
    let len = host.log_len();
    for position in first..=len {
        for _ in 0..6 {
            let logged = found(&host.crash(position, &mut random)).unwrap().1.unwrap();
            for (at, region) in acknowledged.lock().unwrap().iter() {
                assert!(
                    *at > position || logged.regions.contains(region),
                    "{region} at {position}"
                );
            }
        }
    }
}
