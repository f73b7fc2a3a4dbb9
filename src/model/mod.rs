//! Validated newtypes that every other module speaks in. Pure: no I/O, no clock, no environment.

mod digest;
mod name;
mod printable;
mod secret;
mod shell;
mod time;

pub use digest::Digest;
pub use name::{GroupName, HostName, NameError};
pub use printable::printable;
pub use secret::Secret;
pub use shell::shell_quote;
pub use time::Timestamp;
