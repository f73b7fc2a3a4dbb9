//! Releases of a product: how they compare, which patches lie between two of them, and the revision
//! graphs that their packages bring. Pure.

mod path;
mod revision;
mod version;

pub use path::{PathRefusal, patch_path};
pub use revision::{RevisionGraph, RevisionId, SchemaState};
pub use version::{Release, ReleaseError, Train};
