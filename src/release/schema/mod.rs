//! Schema revisions: the files, their graph, and what a target package would do to a database.

pub(in crate::release) mod file;
#[cfg(test)]
pub(in crate::release) mod fixture;
pub(in crate::release) mod graph;
pub(in crate::release) mod mending;
pub(in crate::release) mod order;
pub(in crate::release) mod path;
pub(in crate::release) mod preview;
pub(in crate::release) mod python_source;
pub(in crate::release) mod risk;
pub(in crate::release) mod set;

pub use file::{RevisionFile, RevisionFileError, parse_revision_file};
pub use graph::{RevisionDetails, RevisionGraph, RevisionId, SchemaState};
pub use mending::{Mending, RevisionPresence, mendable};
pub use path::{HopSchema, SchemaPath, SchemaStart, SchemaTold, WheelOf, WheelSeen, schema_of_path};
pub use preview::{PendingRevision, PreviewState, SchemaPreview, preview, preview_path};
pub use risk::{RevisionRisk, RiskKind};
pub use set::{RevisionSet, read_revisions};
