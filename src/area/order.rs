//! The ordering rules on which crash safety rests, each with a name.
//!
//! The code asks [`super::Host::keeps`] at the place where it obeys one. A real host keeps all of them; the
//! simulated one of the crash tests leaves one out at a time, and the tests must then find lost data. So a
//! rule that nothing needs, or a test that sees nothing, shows.

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// `establish`: `unsynchronized` is on disk before the first byte of the mirror changes.
    StateBeforeMirrorBytes,
    /// `establish`: the mirror is synced before `synchronized` is committed.
    MirrorSyncedBeforeSynchronized,
    /// `establish`: the mirror is synced before blocks leave the dirty set on disk.
    MirrorSyncedBeforeClear,
    /// `split`: the mirror is synced before `split` is committed.
    MirrorSyncedBeforeSplit,
    /// `split`: no write is under way when the point is taken.
    DrainBeforeSplit,
    /// `write`: the intent is on disk before the first write of a session is submitted.
    IntentBeforeWrite,
    /// `write`: a region is in the intent log, on disk, before the first write in it is submitted.
    RegionLoggedBeforeWrite,
    /// `write`: a block is marked before it is written while the mirror is split.
    MarkBeforeWrite,
    /// `array`: the range is on disk as one that may differ before memory is handed out.
    RangeRecordedBeforeStore,
    /// `array`: what was stored is collected before memory is given back.
    StoresCollectedBeforeGivenBack,
    /// `close`: the clean mark is committed only when no memory is out any more.
    CleanMarkAfterGivenBack,
    /// `close`: source and mirror are synced before the clean mark is committed.
    DataSyncedBeforeCleanMark,
    /// `restore`: what the source holds is synced before the rest of it is recorded as pending.
    SourceSyncedBeforePending,
    /// `restore`: the pending set is on disk before the first byte of the source changes.
    PendingBeforeSourceBytes,
    /// `restore`: the source is synced before blocks leave the pending set on disk.
    SourceSyncedBeforeClear,
    /// `restore`: the source is synced before the restore is recorded as complete.
    SourceSyncedBeforeRestored,
    /// `restore`: what it will change is marked in the other mirrors, on disk, before the first byte of the source changes.
    OthersMarkedBeforeRestore,
    /// Intent log: both sides are synced before regions leave it.
    SidesSyncedBeforeIntentRemoved,
    /// Intent log: the marks of the mirrors that do not follow are on disk before regions leave it.
    MarksSavedBeforeIntentRemoved,
    /// `seal`: the digests are on disk before the record names their root.
    SealSyncedBeforeRoot,
    /// `restore`: many ranges are in a file on disk before the record names it.
    RangesSyncedBeforeRecord,
    /// Catalog: pages of a bitmap are synced before the record that makes them valid.
    PagesSyncedBeforeRecord,
    /// Catalog: a committed record is synced before the commit returns.
    RecordSynced,
    /// Catalog: the newest valid record slot is never overwritten.
    AlternateSlots,
    /// Catalog: a slot whose checksum does not match is not believed.
    ChecksumTested,
    /// Intent log: the newest synced version of a page is never overwritten.
    IntentSlotsAlternate,
    /// Intent log: the pages of a generation are synced before the record names it.
    IntentsSyncedBeforeRecord,
    /// Catalog, intent log: what a killed process left unsynced is synced before it is believed.
    LeftSyncedBeforeBelieved,
    /// Folders: a new file's name is synced (fsync of the folder) before something relies on it.
    FolderSynced,
    /// Tag: the source's tag is synced before the first write of the epoch.
    TagSyncedBeforeWrite,
}

impl Order {
    /// All rules, for the tests that leave out one at a time.
    pub const ALL: [Self; 30] = [
        Self::StateBeforeMirrorBytes,
        Self::MirrorSyncedBeforeSynchronized,
        Self::MirrorSyncedBeforeClear,
        Self::MirrorSyncedBeforeSplit,
        Self::DrainBeforeSplit,
        Self::IntentBeforeWrite,
        Self::RegionLoggedBeforeWrite,
        Self::MarkBeforeWrite,
        Self::RangeRecordedBeforeStore,
        Self::StoresCollectedBeforeGivenBack,
        Self::CleanMarkAfterGivenBack,
        Self::DataSyncedBeforeCleanMark,
        Self::SourceSyncedBeforePending,
        Self::PendingBeforeSourceBytes,
        Self::SourceSyncedBeforeClear,
        Self::SourceSyncedBeforeRestored,
        Self::OthersMarkedBeforeRestore,
        Self::SidesSyncedBeforeIntentRemoved,
        Self::MarksSavedBeforeIntentRemoved,
        Self::SealSyncedBeforeRoot,
        Self::RangesSyncedBeforeRecord,
        Self::PagesSyncedBeforeRecord,
        Self::RecordSynced,
        Self::AlternateSlots,
        Self::ChecksumTested,
        Self::IntentSlotsAlternate,
        Self::IntentsSyncedBeforeRecord,
        Self::LeftSyncedBeforeBelieved,
        Self::FolderSynced,
        Self::TagSyncedBeforeWrite,
    ];
}
