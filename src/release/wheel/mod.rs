//! What a wheel holds, read without installing it.

mod catch_up;
pub(in crate::release) mod contents;
pub(in crate::release) mod error;
pub(in crate::release) mod imports;
pub(in crate::release) mod metadata;
pub(in crate::release) mod parts;

pub use catch_up::CatchUp;
pub use contents::{Migrations, Wheel, WheelContents};
pub use error::WheelError;
pub use metadata::{MetadataError, WheelMetadata, parse_metadata};
pub use parts::{FILE_BYTES, UNPACKED_BYTES, WHEEL_BYTES, WHEEL_FILES, WheelParts};
