//! Releases of a product: how they compare, what is known of them, the paths between two of them, what their wheels
//! hold, and the revision graphs that they bring. Pure.

mod catalogue;
mod lock;
mod numbering;
mod path;
mod published;
mod schema;
mod wheel;

pub use catalogue::{
    BrokenRelease, Catalogue, DEFAULT_PRODUCT, Deviation, Evidence, KnownHop, KnownTrain, ManualStep, Predicate,
    Product, ReleaseRisk, Risk, Unusable, WorkTable,
};
pub use lock::{Lock, LockError, Locked, LockedDistribution, LockedEnvironment, LockedFile, LockedSet, series};
pub use numbering::{RangeError, Release, ReleaseError, ReleaseRange, Scheme, Train, TrainError};
pub use path::{
    Avoided, Hop, HopKind, NearestTargets, NoPath, Obstacle, PassedOver, PathRequest, Succession, TargetError,
    UpgradePath, WhyAvoided, WhyPassedOver, find_path, last_patch, resolve_target, successor,
};
pub use published::{
    Age, AgeLimits, FileKind, IndexFile, IndexPageError, PageKind, PublishedRelease, Snapshot, SnapshotError,
    SnapshotPackage, join_files, judge_age, normalize_name, parse_age, parse_index_page, release_of_file,
};
pub use schema::{
    HopSchema, Mending, PendingRevision, PreviewState, RevisionDetails, RevisionFile, RevisionFileError, RevisionGraph,
    RevisionId, RevisionPresence, RevisionRisk, RevisionSet, RiskKind, SchemaPath, SchemaPreview, SchemaStart,
    SchemaState, SchemaTold, WheelOf, WheelSeen, mendable, parse_revision_file, preview, preview_path, read_revisions,
    schema_of_path,
};
pub use wheel::{
    CatchUp, FILE_BYTES, MetadataError, Migrations, UNPACKED_BYTES, WHEEL_BYTES, WHEEL_FILES, Wheel, WheelContents,
    WheelError, WheelMetadata, WheelParts, parse_metadata,
};
