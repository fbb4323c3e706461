//! The restore map of the catalog: its layers change together, it outlives its restore, and what is lost shows.

use std::path::Path;
use std::sync::Arc;

use splitmirror::area::Stamp;
use splitmirror::bitmap::Bitmap;
use splitmirror::catalog::{
    Catalog, MapKind, MapRef, PendingRecord, Record, RestoredRecord, Scope, StoredScope,
};
use splitmirror::error::Error;
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::{Method, Reason};
use splitmirror::units::BlockRun;
use uuid::Uuid;

use crate::campaign::{Verdict, campaign, samples, seed};
use crate::catalog::{folder, new_record};

/// Enough for four pages, the last one partly filled.
const BLOCKS: u64 = 40_000;
const PAGES_OFFSET: u64 = 118_784;

fn host() -> SimHost {
    let host = SimHost::new();
    host.put(Path::new("/data/mirror"), b"");
    host.settle();
    host
}

fn open(host: &SimHost) -> Catalog {
    Catalog::open(Arc::new(host.clone()), &folder()).unwrap()
}

fn run(first: u64, end: u64) -> BlockRun {
    BlockRun { first, count: end - first }
}

fn set_of(blocks: u64, runs: &[BlockRun]) -> Bitmap {
    let set = Bitmap::new(blocks);
    runs.iter().for_each(|run| set.set(*run));
    set
}

fn pending(record: &mut Record) {
    let stamp =
        Stamp { device: 1, file_system: 1, inode: 1, length: 1, modified_ns: 0, changed_ns: 0 };
    record.pending = Some(PendingRecord {
        id: Uuid::from_u128(3),
        map: MapRef::default(),
        scope: StoredScope::Here(Scope::Blocks),
        resize: None,
        source: stamp,
        reason: Reason::Bitmap,
        method: Method::Copy,
    });
}

fn completed(record: &mut Record) {
    record.pending = None;
    let (id, map) = (Uuid::from_u128(3), MapRef::default());
    record.restored = Some(RestoredRecord { id, generation: 1, map, at_ns: 5 });
}

/// The runs of each layer; none when the map is not believed.
fn layers(catalog: &mut Catalog) -> Option<Vec<Vec<BlockRun>>> {
    let layers = catalog.load_map(MapKind::Restore).unwrap()?;
    Some(layers.iter().map(Bitmap::runs).collect())
}

fn damage(host: &SimHost, place: u64) {
    host.native_write(&folder().join("catalog"), PAGES_OFFSET + place * 4096 + 100, &[0xa5; 99]);
}

#[test]
fn a_restore_map_comes_back_layer_by_layer_and_outlives_its_restore() {
    let host = host();
    let mut catalog = Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap();
    assert_eq!(layers(&mut catalog), Some(vec![vec![]; 3]));
    for planned in [run(0, BLOCKS), run(5, 30_000), run(12_000, 12_001)] {
        let (all, none) = (set_of(BLOCKS, &[planned]), Bitmap::new(BLOCKS));
        catalog.commit_with(&[(MapKind::Restore, &[&all, &all, &none])], pending).unwrap();
        drop(catalog);
        catalog = open(&host);
        let found = layers(&mut catalog);
        assert_eq!(found, Some(vec![vec![planned], vec![planned], vec![]]));
        let app_written = set_of(BLOCKS, &[run(39_000, 39_002)]);
        let left = set_of(BLOCKS, &[planned]);
        left.clear(run(12_000, 12_001));
        let touched = set_of(BLOCKS, &[run(39_000, 39_002), run(12_000, 12_001)]);
        let rest = [&left, &all, &app_written];
        catalog.rewrite(MapKind::Restore, &rest, &touched).unwrap();
        drop(catalog);
        catalog = open(&host);
        let wanted = Some(rest.iter().map(|set| set.runs()).collect());
        assert_eq!(layers(&mut catalog), wanted);
        let peeked = Catalog::peek(&host, &folder()).unwrap();
        let peeked = Catalog::peek_map(&host, &folder(), &peeked, MapKind::Restore).unwrap();
        assert_eq!(peeked.map(|layers| layers.iter().map(Bitmap::runs).collect()), wanted);
        // It ends, and the map stays as where blocks came from.
        let maps: [(MapKind, &[&Bitmap]); 1] = [(MapKind::Restore, &[&none, &all, &app_written])];
        catalog.commit_with(&maps, completed).unwrap();
        drop(catalog);
        catalog = open(&host);
        let found = layers(&mut catalog);
        assert_eq!(found, Some(vec![vec![], vec![planned], vec![run(39_000, 39_002)]]));
    }
    // The next restore takes its place; given up, it leaves none.
    let none = Bitmap::new(BLOCKS);
    catalog.commit_with(&[(MapKind::Restore, &[&none, &none, &none])], pending).unwrap();
    assert_eq!(layers(&mut catalog), Some(vec![vec![]; 3]));
    catalog.commit(|record| record.pending = None).unwrap();
    assert!(catalog.record().restored.is_some());
    assert_eq!(layers(&mut catalog), None);
    catalog.commit(|record| record.restored = None).unwrap();
    assert_eq!(layers(&mut catalog), Some(vec![vec![]; 3]));
}

#[test]
fn a_growing_catalog_moves_no_page() {
    let host = host();
    let mut catalog = Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap();
    let odd: Vec<BlockRun> = (0..30_000).step_by(1000).map(|block| run(block, block + 1)).collect();
    let (some, none) = (set_of(30_000, &odd), Bitmap::new(30_000));
    let more = set_of(500_000, &[run(499_999, 500_000)]);
    catalog.commit_with(&[(MapKind::Restore, &[&some, &some, &none])], pending).unwrap();
    catalog.commit_with(&[(MapKind::Dirty, &[&more])], |_| {}).unwrap();
    drop(catalog);
    let mut catalog = open(&host);
    assert_eq!(layers(&mut catalog), Some(vec![odd.clone(), odd, vec![]]));
    let dirty = catalog.load_map(MapKind::Dirty).unwrap().unwrap();
    assert_eq!(dirty[0].runs(), vec![run(499_999, 500_000)]);
}

#[test]
fn a_page_that_was_stored_later_does_not_stand_in_for_a_lost_one() {
    let host = host();
    let mut catalog = Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap();
    // One page is stored, and by the rewriting a second one.
    let dirty = set_of(70_000, &[run(3, 4)]);
    catalog.commit_with(&[(MapKind::Dirty, &[&dirty])], |_| {}).unwrap();
    assert_eq!(catalog.record().dirty.stored, 1);
    let late = run(69_000, 69_001);
    dirty.set(late);
    catalog.rewrite(MapKind::Dirty, &[&dirty], &set_of(70_000, &[late])).unwrap();
    drop(catalog);
    let stored = open(&host).load_map(MapKind::Dirty).unwrap().unwrap();
    assert_eq!(stored[0].runs(), dirty.runs());
    damage(&host, 0);
    damage(&host, 1);
    let mut catalog = open(&host);
    assert!(catalog.load_map(MapKind::Dirty).unwrap().is_none());
    // Nor does one that is written now.
    let failed =
        catalog.rewrite(MapKind::Dirty, &[&dirty], &set_of(70_000, &[run(40_000, 40_001)]));
    assert!(matches!(failed, Err(Error::CatalogCorrupt { .. })));
    catalog.commit_with(&[(MapKind::Dirty, &[&dirty])], |_| {}).unwrap();
    assert!(open_again(catalog, &host).load_map(MapKind::Dirty).unwrap().is_some());
}

fn open_again(catalog: Catalog, host: &SimHost) -> Catalog {
    drop(catalog);
    open(host)
}

/// A block leaves `pending` and comes to be `app_written` in one step, whatever is torn.
#[test]
fn i5_the_layers_of_a_page_change_together() {
    let host = host();
    let mut catalog = Catalog::create(Arc::new(host.clone()), &folder(), new_record()).unwrap();
    let (left, planned) = (Bitmap::full(BLOCKS), Bitmap::full(BLOCKS));
    let app_written = Bitmap::new(BLOCKS);
    catalog.commit_with(&[(MapKind::Restore, &[&left, &planned, &app_written])], pending).unwrap();
    let first = host.log_len();
    let mut random = Random::new(seed());
    let mut done = Vec::new();
    for _ in 0..12 {
        let at = random.below(BLOCKS - 500);
        let step = run(at, at + 1 + random.below(500));
        left.clear(step);
        app_written.set(step);
        let layers = [&left, &planned, &app_written];
        catalog.rewrite(MapKind::Restore, &layers, &set_of(BLOCKS, &[step])).unwrap();
        done.push((host.log_len(), step));
    }
    let check = |image: &SimHost, position: usize, _: &mut Random| -> Verdict {
        let found = open(image).load_map(MapKind::Restore).map_err(|error| error.to_string())?;
        let found = found.ok_or("the map is not believed")?;
        let [left, planned, app_written] = &found[..] else { return Err("layers".into()) };
        if planned.count() != BLOCKS || left.count() + app_written.count() != BLOCKS {
            return Err("the layers are of different times".into());
        }
        let lost = done.iter().find(|(at, step)| *at <= position && left.any(*step));
        lost.map_or(Ok(()), |(_, step)| Err(format!("{step:?} is pending again")))
    };
    let figures = campaign(&host, first..host.log_len(), samples() / 4 + 1, &check);
    figures.assert_clean("restore map");
}
