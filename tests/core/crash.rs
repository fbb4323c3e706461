//! Power cuts at every moment of every story, and each ordering rule left out in turn.

use splitmirror::area::Order;
use splitmirror::sim::{Random, SimHost};
use splitmirror::state::Mode;

use crate::campaign::{
    Figures, assert_all_clean, assert_each_needed, campaign, samples_over, seed,
};
use crate::model::mirror;
use crate::recovery::{check, open};
use crate::stories::{EXCLUSIVE, RACES, SHARED, Tale};
use crate::story::{BLOCK, Story, Told};
use crate::story_arrays::ARRAYS;

/// Blocks of the source; a bit more than that, so that the last block is not whole.
const BLOCKS: usize = 24;

fn run(tale: &Tale, mode: Mode, rule: Option<Order>, samples: u64) -> Figures {
    let (name, tell) = tale;
    let mut story = Story::new(mode, BLOCKS, rule, seed());
    if let Err(what) = tell(&mut story) {
        let violation = Some(format!("{name}, {}: {what}", mode.name()));
        return Figures { violation, ..Figures::default() };
    }
    let check = |image: &SimHost, position: usize, random: &mut Random| {
        check(&story, image, position, random)
            .map_err(|what| format!("{name}, {}: {what}", mode.name()))
    };
    campaign(&story.host, 0..story.host.log_len(), samples, &check)
}

fn all(tales: &[Tale], mode: Mode) {
    // The intent log has to be read and begun anew.
    let cost = if mode == Mode::Exclusive { 32 } else { 8 };
    let told = tales.iter().map(|tale| (tale.0, run(tale, mode, None, samples_over(cost))));
    assert_all_clean(mode.name(), told);
}

#[test]
fn i1_to_i6_shared_first_half() {
    all(&SHARED[..SHARED.len() / 2], Mode::Shared);
}

#[test]
fn i1_to_i6_shared_second_half() {
    all(&SHARED[SHARED.len() / 2..], Mode::Shared);
}

#[test]
fn i1_to_i6_exclusive_first_half() {
    all(&EXCLUSIVE[..EXCLUSIVE.len() / 2], Mode::Exclusive);
}

#[test]
fn i1_to_i6_exclusive_second_half() {
    all(&EXCLUSIVE[EXCLUSIVE.len() / 2..], Mode::Exclusive);
}

#[test]
fn i1_to_i6_arrays_shared() {
    all(ARRAYS, Mode::Shared);
}

#[test]
fn i1_to_i6_arrays_exclusive() {
    all(ARRAYS, Mode::Exclusive);
}

/// Four blocks of a larger source are written, in each of the states.
fn few_regions(story: &mut Story, from: &mut Vec<usize>) -> Told {
    story.create()?;
    story.establish()?;
    from.push(story.host.log_len());
    story.write_at(40 * BLOCK, &[1; 2 * BLOCK])?;
    story.write_at(90 * BLOCK, &[2; 700])?;
    story.split()?;
    story.write_at(91 * BLOCK, &[3; 700])?;
    Ok(())
}

#[test]
fn i2_recovery_looks_at_the_regions_that_were_written_and_at_no_others() {
    let (mut story, mut from) = (Story::new(Mode::Exclusive, 120, None, seed()), Vec::new());
    few_regions(&mut story, &mut from).unwrap();
    let named = |image: &SimHost, _: usize, _: &mut Random| {
        let pair = open(image, &mirror())?;
        let plan = pair.plan_establish(false).map_err(|error| error.to_string())?;
        let report = plan.report();
        let few = report.extents.iter().all(|extent| {
            let blocks = extent.offset / BLOCK as u64..extent.end() / BLOCK as u64;
            let within = |region: std::ops::Range<u64>| {
                region.start <= blocks.start && blocks.end <= region.end
            };
            within(40..42) || within(90..92)
        });
        if few && ["bitmap", "unclean-close"].contains(&report.reason) {
            return Ok(());
        }
        Err(format!("'{}' looks at {:?}", report.reason, report.extents))
    };
    let positions = from[0]..story.host.log_len();
    campaign(&story.host, positions, samples_over(16), &named).assert_clean("few regions");
}

#[test]
fn i1_to_i6_exclusive_at_the_worst_moment() {
    all(RACES, Mode::Exclusive);
}

/// The story that needs a rule, and a word of what it must find.
fn needed_by(rule: Order) -> Option<(Mode, &'static str, &'static str)> {
    use Mode::{Exclusive, Shared};
    Some(match rule {
        Order::StateBeforeMirrorBytes => (Exclusive, "again", "Some(Split): the mirror"),
        Order::MirrorSyncedBeforeSynchronized => (Exclusive, "writes between syncs", "the mirror"),
        Order::MirrorSyncedBeforeClear => (Exclusive, "interrupted establish", "I2"),
        Order::MirrorSyncedBeforeSplit => (Exclusive, "again", "Some(Split): the mirror"),
        // Two threads are needed for it: see `drain`.
        Order::DrainBeforeSplit => return None,
        // A torn record is mostly no JSON any more, and then not believed either way: see `catalog`.
        Order::ChecksumTested => return None,
        // Which slot a page goes to shows only together with a torn one: see `intents`.
        Order::IntentSlotsAlternate | Order::IntentsSyncedBeforeRecord => return None,
        // Power is cut soon after a process was killed: see `intents`.
        Order::LeftSyncedBeforeBelieved => return None,
        // Several mirrors are needed for it: see `mirrors_stories`.
        Order::OthersMarkedBeforeRestore => return None,
        Order::SidesSyncedBeforeIntentRemoved => (Exclusive, "cold regions, synchronized", "I2"),
        Order::MarksSavedBeforeIntentRemoved => (Exclusive, "cold regions, split", "I2"),
        Order::IntentBeforeWrite => (Exclusive, "written corruption", "I7"),
        Order::RegionLoggedBeforeWrite => (Exclusive, "cold regions, split", "I2"),
        Order::MarkBeforeWrite => (Exclusive, "sessions", ""),
        Order::DataSyncedBeforeCleanMark => (Exclusive, "sessions", ""),
        Order::SourceSyncedBeforePending => {
            (Exclusive, "restored before a flush", "the source is not what")
        }
        Order::PendingBeforeSourceBytes => (Exclusive, "written corruption", "the source"),
        Order::SourceSyncedBeforeClear => (Exclusive, "interrupted restore", "the source"),
        Order::SourceSyncedBeforeRestored => (Exclusive, "taken over", "the source"),
        Order::RangeRecordedBeforeStore => (Exclusive, "arrays, split", "I2"),
        Order::StoresCollectedBeforeGivenBack => (Exclusive, "arrays, split", ""),
        Order::CleanMarkAfterGivenBack => (Exclusive, "arrays, outliving the pair", ""),
        Order::SealSyncedBeforeRoot => (Shared, "seal", "seal"),
        Order::RangesSyncedBeforeRecord => (Exclusive, "many ranges", ""),
        Order::PagesSyncedBeforeRecord => (Exclusive, "written corruption", ""),
        Order::RecordSynced => (Shared, "first", ""),
        Order::AlternateSlots => (Shared, "first", "checksum"),
        Order::FolderSynced => (Shared, "first", "the state is None"),
        Order::TagSyncedBeforeWrite => (Shared, "lost source", "source-replaced"),
    })
}

fn found_without(rule: Order) -> Option<Figures> {
    let (mode, name, word) = needed_by(rule)?;
    let tales = if mode == Mode::Shared { SHARED } else { EXCLUSIVE };
    let tale =
        tales.iter().chain(ARRAYS).find(|tale| tale.0 == name).expect("a story of that name");
    let mut figures = run(tale, mode, Some(rule), samples_over(16));
    figures.violation = figures.violation.filter(|violation| {
        let named = violation.contains(word);
        if !named {
            println!("{rule:?}: something else was found: {violation}");
        }
        named
    });
    Some(figures)
}

#[test]
fn each_ordering_rule_is_needed_first_half() {
    assert_each_needed(&Order::ALL[..Order::ALL.len() / 2], found_without);
}

#[test]
fn each_ordering_rule_is_needed_second_half() {
    assert_each_needed(&Order::ALL[Order::ALL.len() / 2..], found_without);
}
