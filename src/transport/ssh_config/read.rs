//! From what `ssh -G` says to the settings of one host. Pure.
//!
//! A keyword counts as set where its value isn't the one of an empty configuration. What isn't set is our own default, not
//! OpenSSH's: that is how algorithms stay as they were measured, and a silent host is still noticed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::super::known_hosts::matches_pattern;
use super::super::ssh::SshOptions;
use super::algorithms::{cipher_names, host_certificate_algorithms, host_key_algorithms, kex_names, mac_names};
use super::dump::Dump;
use super::keywords::{self, Unsupported};
use super::settings::{
    AddressFamily, AlgorithmSettings, HostKeyChecking, HostKeySettings, IdentitySettings, JumpHost, LoginMethod,
    LoginSettings, NetworkSettings, SshSettings, Way,
};
use super::tokens::Tokens;

/// Why settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A keyword isn't supported, and to ignore it would be less safe or lead somewhere else.
    #[error("SSH configuration sets {keyword} to {value:?}, which isn't supported and must not be ignored: {why}")]
    Refused {
        /// In lower case, as `ssh -G` has it.
        keyword: String,
        /// As `ssh -G` has it.
        value: String,
        /// What ignoring it would do.
        why: &'static str,
    },
    /// No algorithm of a list is known to the SSH library.
    #[error("none of the algorithms that SSH configuration names for {keyword} is supported: {value}")]
    NoAlgorithm {
        /// The keyword.
        keyword: &'static str,
        /// The list.
        value: String,
    },
    /// A value can't be understood.
    #[error("SSH configuration sets {keyword} to {value:?}: {why}")]
    Value {
        /// The keyword.
        keyword: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        why: String,
    },
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// Whether the inventory or the command line names a key file, which then is the first one.
    pub(super) file_is_named: bool,
}

/// Settings, and the keywords that are ignored.
pub(super) type Read = (SshSettings, BTreeSet<Unsupported>);

/// Makes settings of an answer, beside that of an empty configuration.
pub(super) fn read(
    question: Question<'_>,
    dump: &Dump,
    baseline: &Dump,
    options: &SshOptions,
) -> Result<Read, SettingsError> {
    let reader = Reader { question, dump, baseline, options };
    let ignored = keywords::judge(dump, baseline)?;
    Ok((reader.settings()?, ignored))
}

impl SshSettings {
    /// What an answer of `ssh -G` about `name` means beside the one that it gives with an empty configuration.
    ///
    /// # Errors
    /// When something is set that must not be ignored, or to a value that can't be understood.
    pub fn of_answer(name: &str, answer: &str, empty: &str, options: &SshOptions) -> Result<Self, SettingsError> {
        let question = Question { name, file_is_named: false };
        read(question, &Dump::parse(answer), &Dump::parse(empty), options).map(|(settings, _)| settings)
    }
}

struct Reader<'a> {
    question: Question<'a>,
    dump: &'a Dump,
    baseline: &'a Dump,
    options: &'a SshOptions,
}

impl<'a> Reader<'a> {
    /// The value of a keyword, where it is set.
    fn set(&self, keyword: &str) -> Option<&'a str> {
        if self.dump.all(keyword) == self.baseline.all(keyword) { None } else { self.dump.get(keyword) }
    }

    fn is_on(&self, keyword: &str) -> bool {
        matches!(self.dump.get(keyword), Some("yes" | "true"))
    }

    fn is_off(&self, keyword: &str) -> bool {
        matches!(self.dump.get(keyword), Some("no" | "false"))
    }

    fn number<T: std::str::FromStr>(&self, keyword: &'static str) -> Result<Option<T>, SettingsError> {
        let Some(value) = self.set(keyword).filter(|value| *value != "none") else { return Ok(None) };
        value.parse().map(Some).map_err(|_| wrong(keyword, value, "a number was expected"))
    }

    fn settings(&self) -> Result<SshSettings, SettingsError> {
        let name = self.question.name.to_owned();
        let address = self.dump.get("hostname").unwrap_or(&name).to_owned();
        let port = self.dump.get("port").map_or(Ok(22), |value| {
            value.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("port", value, "a port was expected"))
        })?;
        let user = self.dump.get("user").unwrap_or(&self.options.user).to_owned();
        let alias = self.set("hostkeyalias").map(str::to_owned);
        let tokens = Tokens {
            local: &self.options.local,
            name: &name,
            address: &address,
            port,
            user: &user,
            alias: alias.as_deref(),
            jump: self.set("proxyjump").unwrap_or_default(),
        };
        let way = self.way(&tokens)?;
        let least_rsa_bits = self.number("requiredrsasize")?.unwrap_or(LEAST_RSA_BITS).max(LEAST_RSA_BITS);
        let host_keys = self.host_keys(&tokens, alias.clone(), least_rsa_bits)?;
        let login = self.login(&tokens, least_rsa_bits)?;
        let (algorithms, network) = (self.algorithms()?, self.network()?);
        let environment = self.environment();
        Ok(SshSettings { address, port, user, way, host_keys, login, algorithms, network, environment })
    }

    fn way(&self, tokens: &Tokens<'_>) -> Result<Way, SettingsError> {
        let value = |keyword: &'static str| -> Result<Option<String>, SettingsError> {
            let Some(value) = self.set(keyword).filter(|value| !value.eq_ignore_ascii_case("none")) else {
                return Ok(None);
            };
            tokens.replace(value).map(Some).map_err(|why| wrong(keyword, value, why))
        };
        if let Some(jumps) = value("proxyjump")? {
            let hosts = jumps.split(',').map(|text| {
                parse_jump(text.trim()).ok_or_else(|| wrong("proxyjump", &jumps, "[user@]host[:port] was expected"))
            });
            return Ok(Way::Jump(hosts.collect::<Result<_, _>>()?));
        }
        Ok(value("proxycommand")?.map_or(Way::Direct, Way::Command))
    }

    fn host_keys(
        &self,
        tokens: &Tokens<'_>,
        alias: Option<String>,
        least_rsa_bits: u32,
    ) -> Result<HostKeySettings, SettingsError> {
        let [own, global] = [("userknownhostsfile", true), ("globalknownhostsfile", false)].map(|(keyword, own)| {
            let Some(value) = self.set(keyword) else {
                let defaults = self.options.known_hosts.iter();
                return Ok(defaults.filter(|path| path.starts_with("/etc") != own).cloned().collect());
            };
            let files = value.split(' ').filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("none"));
            files.map(|file| self.path(keyword, file, tokens)).collect::<Result<Vec<_>, _>>()
        });
        let own = own?;
        let checking = match self.dump.get("stricthostkeychecking") {
            Some("accept-new") => HostKeyChecking::AcceptNew,
            Some("no" | "off" | "false") => HostKeyChecking::Off,
            Some(_) | None => HostKeyChecking::Strict,
        };
        Ok(HostKeySettings {
            alias,
            checking,
            own_file: own.first().cloned(),
            files: own.into_iter().chain(global?).collect(),
            hash: self.is_on("hashknownhosts"),
            ca_signatures: self.set("casignaturealgorithms").map(names),
            least_rsa_bits,
        })
    }

    /// A file from the root on: what `ssh` prints isn't quoted, so that a name with a blank in it can't be told from two.
    fn path(&self, keyword: &'static str, file: &str, tokens: &Tokens<'_>) -> Result<PathBuf, SettingsError> {
        let path = tokens.path(file).map_err(|why| wrong(keyword, file, why))?;
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(wrong(keyword, file, "a full path was expected (without blanks, in a list of files)"))
        }
    }

    fn login(&self, tokens: &Tokens<'_>, least_rsa_bits: u32) -> Result<LoginSettings, SettingsError> {
        let path = |keyword: &'static str, file: &str| tokens.path(file).map_err(|why| wrong(keyword, file, why));
        let named = self.set("identityfile").is_some();
        let files = if named {
            let files = self.dump.all("identityfile").iter().filter(|file| !file.eq_ignore_ascii_case("none"));
            files.map(|file| path("identityfile", file)).collect::<Result<_, _>>()?
        } else {
            self.options.identities.clone()
        };
        let certificates = self.dump.all("certificatefile").iter().map(|file| path("certificatefile", file));
        let agent = match self.set("identityagent") {
            None | Some("SSH_AUTH_SOCK") => self.options.agent.clone(),
            Some(value) if value.eq_ignore_ascii_case("none") => None,
            Some(value) => match value.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                Some(name) => self.options.local.environment.get(name).map(PathBuf::from),
                None => Some(path("identityagent", value)?),
            },
        };
        let preferred =
            self.set("preferredauthentications").unwrap_or("publickey,keyboard-interactive,password").split(',');
        let methods = preferred.filter_map(|method| match method.trim() {
            "publickey" if !self.is_off("pubkeyauthentication") => Some(LoginMethod::PublicKey),
            "keyboard-interactive" if !self.is_off("kbdinteractiveauthentication") => {
                Some(LoginMethod::KeyboardInteractive)
            }
            "password" if !self.is_off("passwordauthentication") => Some(LoginMethod::Password),
            _ => None,
        });
        Ok(LoginSettings {
            identities: IdentitySettings {
                files,
                named,
                file_first: named && self.question.file_is_named,
                certificates: certificates.collect::<Result<_, _>>()?,
                only: self.is_on("identitiesonly"),
                agent,
                accepted: self.set("pubkeyacceptedalgorithms").map(names),
                least_rsa_bits,
            },
            methods: methods.collect(),
            batch: self.is_on("batchmode"),
        })
    }

    fn algorithms(&self) -> Result<AlgorithmSettings, SettingsError> {
        let host_certificates = self.set("hostkeyalgorithms").map(host_certificate_algorithms);
        // A list of certificates alone is one too.
        let host_keys = match host_certificates.as_deref() {
            Some([_, ..]) => self.set("hostkeyalgorithms").map(host_key_algorithms),
            Some([]) | None => self.list("HostKeyAlgorithms", "hostkeyalgorithms", host_key_algorithms)?,
        };
        Ok(AlgorithmSettings {
            kex: self.list("KexAlgorithms", "kexalgorithms", kex_names)?,
            ciphers: self.list("Ciphers", "ciphers", cipher_names)?,
            macs: self.list("MACs", "macs", mac_names)?,
            host_keys,
            host_certificates,
            compression: self.is_on("compression"),
        })
    }

    fn list<T>(
        &self,
        shown: &'static str,
        keyword: &str,
        known: impl Fn(&str) -> Vec<T>,
    ) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(value) = self.set(keyword) else { return Ok(None) };
        let names = known(value);
        if names.is_empty() {
            return Err(SettingsError::NoAlgorithm { keyword: shown, value: value.to_owned() });
        }
        Ok(Some(names))
    }

    fn network(&self) -> Result<NetworkSettings, SettingsError> {
        let seconds = |number: Option<u64>| number.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let interval = seconds(self.number("serveraliveinterval")?);
        let (rekey_bytes, rekey_time) = match self.set("rekeylimit") {
            None => (None, None),
            Some(value) => {
                let numbers: Option<Vec<u64>> = value.split(' ').map(|word| word.parse().ok()).collect();
                let Some([bytes, time]) = numbers.as_deref() else {
                    return Err(wrong("rekeylimit", value, "two numbers were expected"));
                };
                (usize::try_from(*bytes).ok().filter(|bytes| *bytes > 0), seconds(Some(*time)))
            }
        };
        Ok(NetworkSettings {
            family: match self.dump.get("addressfamily") {
                Some("inet") => AddressFamily::V4,
                Some("inet6") => AddressFamily::V6,
                Some(_) | None => AddressFamily::Any,
            },
            bind_address: self.set("bindaddress").map(str::to_owned),
            connect_timeout: seconds(self.number("connecttimeout")?).unwrap_or(self.options.connect_timeout),
            attempts: self.number("connectionattempts")?.unwrap_or(1).clamp(1, MOST_ATTEMPTS),
            keepalive_interval: interval.unwrap_or(self.options.keepalive_interval),
            keepalive_max: match self.number("serveralivecountmax")? {
                Some(count) if interval.is_some() => count,
                Some(_) | None => KEEPALIVE_MAX,
            },
            rekey_bytes,
            rekey_time,
        })
    }

    /// `LANG` and `LC_…` are never sent, though Debian's configuration names them: what programs print is read here, and is
    /// read in English.
    fn environment(&self) -> Vec<(String, String)> {
        let set = self.dump.all("setenv").iter().filter_map(|pair| pair.split_once('='));
        let mut sent: Vec<(String, String)> = set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let patterns: Vec<&str> = self.dump.all("sendenv").iter().flat_map(|line| line.split(' ')).collect();
        for (name, value) in &self.options.local.environment {
            let is_language = name == "LANG" || name == "LANGUAGE" || name.starts_with("LC_");
            let named = patterns.iter().any(|pattern| matches_pattern(pattern.as_bytes(), name.as_bytes()));
            if named && !is_language && !sent.iter().any(|(known, _)| known == name) {
                sent.push((name.clone(), value.clone()));
            }
        }
        sent
    }
}

/// OpenSSH's own least, whatever is configured: below it a key is broken in practice.
const LEAST_RSA_BITS: u32 = 1024;

/// A host that isn't there after so many tries, a second apart, isn't about to come.
const MOST_ATTEMPTS: u32 = 20;

/// Unanswered keepalives before a connection is given up: one may be lost, two unlikely, three mean it's gone.
pub(in crate::transport) const KEEPALIVE_MAX: usize = 3;

fn wrong(keyword: &'static str, value: &str, why: impl Into<String>) -> SettingsError {
    SettingsError::Value { keyword, value: value.to_owned(), why: why.into() }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

/// `[user@]host[:port]`, with an IPv6 address in brackets; or a URL of the kind `ssh://…`.
pub(super) fn parse_jump(text: &str) -> Option<JumpHost> {
    let text = text.strip_prefix("ssh://").map_or(text, |url| url.trim_end_matches('/'));
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user), rest));
    let (name, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (name, behind) = rest.split_once(']')?;
            (name, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None if rest.matches(':').count() == 1 => {
            rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port)))
        }
        None => (rest, None),
    };
    let port = port.map(str::parse::<u16>).transpose().ok()?.filter(|port| *port != 0).or(None);
    let sound = |word: &str| {
        !word.is_empty() && !word.starts_with('-') && !word.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    (sound(name) && user.is_none_or(sound)).then(|| JumpHost { user: user.map(str::to_owned), name: name.into(), port })
}

#[cfg(test)]
mod tests;
