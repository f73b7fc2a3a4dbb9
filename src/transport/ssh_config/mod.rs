//! SSH configuration as operators have set it up: `~/.ssh/config`, `/etc/ssh/ssh_config` and options in the inventory.
//!
//! What a configuration means for a host is asked of OpenSSH itself (`ssh -G`), which alone knows all of Host, Match, Include
//! and their order. [`Resolver`] asks, as rarely as it can; everything else here is pure: [`dump`] reads the answer, [`read`]
//! makes settings of it, [`keywords`] judges what isn't supported, [`text`] knows which hosts one answer holds for.

mod algorithms;
mod ask;
mod dump;
mod files;
mod keep;
mod keywords;
mod read;
mod resolver;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

pub(super) use algorithms::{CIPHERS, HOST_KEY_ALGORITHMS, KEX, KEX_EXTENSIONS, MACS};
pub use ask::AskError;
pub use read::SettingsError;
pub use resolver::{ConfigError, SshConfig};
pub(super) use resolver::{Request, Resolver};
pub use settings::SshSettings;
pub(super) use settings::{
    AddressFamily, AlgorithmSettings, HostKeyChecking, HostKeySettings, IdentitySettings, JumpHost, LoginMethod,
    LoginSettings, NetworkSettings, Way,
};
pub use text::ConfigText;
pub use tokens::LocalFacts;
