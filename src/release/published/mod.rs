//! What is published: releases, file names, pages of indexes, snapshots, and how old an answer may be.

pub(in crate::release) mod age;
pub(in crate::release) mod filename;
pub(in crate::release) mod index;
pub(in crate::release) mod release;
pub(in crate::release) mod snapshot;

pub use age::{Age, AgeLimits, judge_age, parse_age};
pub use filename::{FileKind, normalize_name, release_of_file};
pub use index::{IndexFile, IndexPageError, PageKind, join_files, parse_index_page};
pub use release::PublishedRelease;
pub use snapshot::{Snapshot, SnapshotError, SnapshotPackage};
