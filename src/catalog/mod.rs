//! What is durable of a pair, in one folder beside its mirror: the side you still have after the source is lost.
//!
//! | file | content |
//! |---|---|
//! | `catalog` | a [`Record`] in two alternating slots, and the maps in pages of two slots; written in place, all space reserved beforehand, so that a full disk cannot hit it |
//! | `seal` | the block digests of the mirror at its point in time; the record holds their root |
//! | `intents` | regions that writes under way may have changed, in pages of two slots ([`IntentLog`]); written in place, all space reserved |
//! | `history` | one line an event |
//! | `lock` | the lock of the process that has the pair open, and its process id |
//!
//! Everything carries a checksum. The byte tables are in docs/format.md.

mod commit;
mod create;
mod header;
mod history;
mod intent_pages;
mod intent_state;
mod intents;
mod maps;
mod page;
mod pages;
mod ranges;
mod record;
mod seal;
mod slots;
mod store;

pub use history::Event;
pub use intent_pages::Logged;
pub use intents::IntentLog;
pub use maps::{MapKind, MapRef};
pub use ranges::StoredScope;
pub use record::{
    CleanMark, Epoch, Established, MirrorRecord, PendingRecord, Point, Record, RestoredRecord,
    Scope, Sibling, SourceRecord, StoredPath,
};
pub use seal::{DIGEST_BYTES, Digest, Seal};
pub use store::Catalog;
