//! What is durable of a pair, in one folder beside its mirror: the side you still have after the source is lost.
//!
//! | file | content |
//! |---|---|
//! | `catalog` | a [`Record`] in two alternating slots, and two bitmaps in pages of two slots; written in place, all space reserved beforehand, so that a full disk cannot hit it |
//! | `seal` | the block digests of the mirror at its point in time; the record holds their root |
//! | `history` | one line an event |
//! | `lock` | the lock of the process that has the pair open, and its process id |
//!
//! Everything carries a checksum. The byte tables are in docs/format.md.

mod create;
mod header;
mod history;
mod pages;
mod record;
mod seal;
mod slots;
mod store;

pub use history::Event;
pub use pages::{MapKind, MapRef};
pub use record::{
    CleanMark, Epoch, Established, MirrorRecord, PendingRecord, Point, Record, SourceRecord,
    StoredPath,
};
pub use seal::{DIGEST_BYTES, Digest, Seal};
pub use store::Catalog;
