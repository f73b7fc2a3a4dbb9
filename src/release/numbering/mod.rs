//! How products number their releases: versions, trains, schemes, ranges.

pub(in crate::release) mod range;
pub(in crate::release) mod scheme;
pub(in crate::release) mod train;
pub(in crate::release) mod version;

pub use range::{RangeError, ReleaseRange};
pub use scheme::Scheme;
pub use train::{Train, TrainError};
pub use version::{Release, ReleaseError};
