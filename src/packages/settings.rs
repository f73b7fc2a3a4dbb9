//! pip's settings on the controller: its files and its environment, in the order in which pip takes them.

#![expect(clippy::disallowed_methods, reason = "reads pip's configuration files")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PackagesError;
use super::ini::{self, normalize_key};

/// The environment of this process, handed in by whoever may read it.
pub type Environment = BTreeMap<String, String>;

/// pip's own index where nothing else is set.
const PYPI: &str = "https://pypi.org/simple";
/// pip's time-out for connecting and for each answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Somebody waits before the terminal: more than this is a server that hangs, whatever pip's settings bear.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where packages come from, and how to get at them.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// URLs of indexes, with credentials.
    pub(super) indexes: Vec<String>,
    /// Directories, and URLs of pages with links.
    pub(super) find_links: Vec<String>,
    /// `host` or `host:port` whose certificate isn't checked and that may be asked over plain http.
    pub(super) trusted_hosts: Vec<String>,
    /// Certificates to trust instead of the usual ones.
    pub(super) certificates: Option<PathBuf>,
    /// A client certificate with its key.
    pub(super) client_certificate: Option<PathBuf>,
    /// How long to wait for a connection, and for an answer.
    pub(super) timeout: Duration,
    /// The proxy for everything.
    pub(super) proxy: Option<String>,
    /// The rest of the environment: proxies by scheme, certificates, `.netrc`.
    pub(super) environment: Environment,
}

/// Without anything that may hold a credential.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("places", &self.places()).finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads pip's settings as `pip install` would.
    ///
    /// # Errors
    /// A configuration file that can't be read, or a value that makes no sense.
    pub fn read(environment: &Environment) -> Result<Self, PackagesError> {
        let mut merged = BTreeMap::new();
        for file in configuration_files(environment) {
            let text = match fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(PackagesError::Configuration { file, reason: error.to_string() }),
            };
            let mut sections =
                ini::parse(&text).map_err(|reason| PackagesError::Configuration { file: file.clone(), reason })?;
            // The section of the command wins within a file, and a later file wins over an earlier one of its section.
            for name in ["global", "install"] {
                for (key, value) in sections.remove(name).unwrap_or_default() {
                    merged.insert((name, key), value);
                }
            }
        }
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        // In this order: `global` sorts before `install`.
        for ((_, key), value) in merged {
            values.insert(key, value);
        }
        let variables = environment.iter().filter_map(|(name, value)| Some((name.strip_prefix("PIP_")?, value)));
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            values.insert(normalize_key(name), value.clone());
        }
        Self::of(&values, environment)
    }

    fn of(values: &BTreeMap<String, String>, environment: &Environment) -> Result<Self, PackagesError> {
        let get = |keys: &[&str]| keys.iter().find_map(|key| values.get(*key)).filter(|value| !value.is_empty());
        let words = |key: &str| -> Vec<String> {
            get(&[key]).map(|value| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
        };
        let mut indexes = vec![get(&["index-url", "pypi-url"]).map_or(PYPI, String::as_str).to_owned()];
        indexes.extend(words("extra-index-url"));
        if get(&["no-index"]).map(|value| truth(value)).transpose()?.unwrap_or(false) {
            indexes.clear();
        }
        let timeout = match get(&["timeout", "default-timeout"]) {
            None => TIMEOUT,
            Some(text) => seconds(text)?,
        };
        let file = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let certificates = get(&["cert"])
            .or_else(|| ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"].iter().find_map(|name| file(name)));
        Ok(Self {
            indexes,
            find_links: words("find-links"),
            trusted_hosts: words("trusted-host"),
            certificates: certificates.map(PathBuf::from),
            client_certificate: get(&["client-cert"]).map(PathBuf::from),
            timeout: timeout.min(LONGEST_TIMEOUT),
            proxy: get(&["proxy"]).cloned(),
            environment: environment.clone(),
        })
    }

    /// The same access to one index alone.
    #[must_use]
    pub fn with_index(self, url: &str) -> Self {
        Self { indexes: vec![url.to_owned()], find_links: Vec::new(), ..self }
    }

    /// One directory of wheels, and nothing else.
    #[must_use]
    pub fn with_wheelhouse(self, directory: &Path) -> Self {
        Self { indexes: Vec::new(), find_links: vec![directory.display().to_string()], ..self }
    }

    /// Every place that is looked in, without credentials.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.indexes.iter().chain(&self.find_links).map(|place| crate::model::redacted(place)).collect()
    }

    /// The home directory, where `.netrc` lies.
    pub(super) fn home(&self) -> Option<&Path> {
        self.environment.get("HOME").filter(|home| !home.is_empty()).map(Path::new)
    }
}

/// pip's files, the weakest first (`pip config debug`): global, the user's two, the virtual environment's, and the one
/// that the environment names, which replaces the user's.
fn configuration_files(environment: &Environment) -> Vec<PathBuf> {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let named = get("PIP_CONFIG_FILE");
    if named.is_some_and(|file| file == "/dev/null") {
        return Vec::new();
    }
    let directories = get("XDG_CONFIG_DIRS").map_or("/etc/xdg", String::as_str);
    let mut files: Vec<PathBuf> = directories.split(':').map(|one| Path::new(one).join("pip/pip.conf")).collect();
    files.push("/etc/pip.conf".into());
    let named = named.map(PathBuf::from);
    if let Some(home) = get("HOME").map(Path::new).filter(|_| !named.as_deref().is_some_and(Path::exists)) {
        files.push(home.join(".pip/pip.conf"));
        let config = get("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.push(config.join("pip/pip.conf"));
    }
    files.extend(get("VIRTUAL_ENV").map(|venv| Path::new(venv).join("pip.conf")));
    files.extend(named);
    files
}

/// Python's `strtobool`, which pip reads flags with.
fn truth(text: &str) -> Result<bool, PackagesError> {
    match text.to_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Ok(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Ok(false),
        _ => Err(PackagesError::Setting { name: "no-index", value: text.to_owned(), expected: "yes or no" }),
    }
}

fn seconds(text: &str) -> Result<Duration, PackagesError> {
    let wrong = || PackagesError::Setting { name: "timeout", value: text.to_owned(), expected: "a number of seconds" };
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn without_settings_there_is_pypi() {
        let settings = Settings::read(&environment(&[("PIP_CONFIG_FILE", "/dev/null")])).unwrap();
        assert_eq!(settings.places(), [PYPI]);
        assert_eq!(settings.timeout, TIMEOUT);
    }

    #[test]
    fn the_environment_wins_over_files_and_the_command_over_all_commands() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("pip.conf");
        let text = "[install]\nextra-index-url = https://two/simple\n https://three/simple\n\
                    [global]\nindex-url = https://u:s3cr3t@one/simple\nextra-index-url = https://no/\ntimeout = 3\ncert = /a.pem\n";
        fs::write(&file, text).unwrap();
        let pairs =
            [("PIP_CONFIG_FILE", file.to_str().unwrap()), ("PIP_DEFAULT_TIMEOUT", ""), ("PIP_FIND_LINKS", "/srv/a b")];
        let settings = Settings::read(&environment(&pairs)).unwrap();
        let places =
            ["https://****@one/simple", "https://two/simple", "https://three/simple", "/srv/a", "b"].map(str::to_owned);
        assert_eq!(settings.places(), places);
        assert_eq!(settings.certificates.as_deref(), Some(Path::new("/a.pem")));
        assert_eq!(settings.timeout, Duration::from_secs(3));
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let only =
            environment(&[pairs[0], ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", "/srv/a"), ("PIP_TIMEOUT", "900")]);
        let only = Settings::read(&only).unwrap();
        assert_eq!(only.places(), ["/srv/a"]);
        assert_eq!(only.timeout, LONGEST_TIMEOUT);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let wrong = |name, value| {
            Settings::read(&environment(&[("PIP_CONFIG_FILE", "/dev/null"), (name, value)])).unwrap_err().to_string()
        };
        assert!(wrong("PIP_TIMEOUT", "soon").contains("timeout is \"soon\""));
        assert!(wrong("PIP_NO_INDEX", "maybe").contains("yes or no"));
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("pip.conf");
        fs::write(&file, "index-url = https://u:s3cr3t@x\n").unwrap();
        let error =
            Settings::read(&environment(&[("PIP_CONFIG_FILE", file.to_str().unwrap())])).unwrap_err().to_string();
        assert!(error.contains("pip.conf: line 1") && !error.contains("s3cr3t"), "{error}");
    }
}
