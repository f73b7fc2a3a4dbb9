//! Validated newtypes that every other module speaks in. Pure: no I/O, no clock, no environment.

mod at_most;
mod become_user;
mod digest;
mod directory;
mod name;
mod printable;
mod redact;
mod run_id;
mod sealing_key;
mod secret;
mod secrets;
mod share;
mod shell;
mod time;
mod window;

pub use at_most::{AtMost, AtMostNamed};
pub use become_user::{BecomeMethod, BecomeUser};
pub use digest::Digest;
pub use directory::directory_of;
pub use name::{GroupName, HostName, NameError};
pub use printable::{is_unsafe, printable};
pub use redact::{is_secret_name, redacted};
pub use run_id::{RunId, RunIdError};
pub use sealing_key::SealingKey;
pub use secret::Secret;
pub use secrets::{REDACTED, Secrets};
pub use share::{NoShare, Share};
pub use shell::shell_quote;
pub use time::Timestamp;
pub use window::{Window, WindowError};
