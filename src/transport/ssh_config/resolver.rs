//! The settings of each host, asked of `ssh -G` as rarely as can be.
//!
//! One answer holds for all hosts of which the configuration can't tell the difference, and for later runs as long as no file
//! of the configuration changes. Where that can't be known, every host is asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use super::super::shared::Shared;
use super::super::ssh::SshOptions;
use super::ask::{AskError, ask};
use super::dump::Dump;
use super::files::{self, ConfigFiles};
use super::keep::Kept;
use super::read::{Question, SettingsError, read};
use super::settings::{HostKeyChecking, SshSettings};

/// How many `ssh -G` run side by side: it is work for the processor alone, and a controller has a few of those.
const ASKED_AT_ONCE: usize = 8;

/// Where SSH configuration lies and who explains it.
#[derive(Debug, Clone)]
pub struct SshConfig {
    /// The `ssh` program, where there is one.
    pub program: Option<PathBuf>,
    /// The user's file, usually `~/.ssh/config`.
    pub user_file: PathBuf,
    /// The file of the machine, usually `/etc/ssh/ssh_config`.
    pub system_file: PathBuf,
    /// The one file to go by instead of both (`ssh -F`), unless the inventory names one.
    pub instead: Option<PathBuf>,
    /// Where answers are kept for later runs.
    pub cache: Option<PathBuf>,
}

/// What the inventory and the command line say about a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) identity_file: Option<PathBuf>,
    /// Seconds, asked for on the command line.
    pub(crate) connect_timeout: Option<u64>,
    /// The file to go by instead of the usual ones.
    pub(crate) config: Option<PathBuf>,
    /// Further options of `ssh`.
    pub(crate) options: Vec<String>,
}

/// Why there are no settings for a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `ssh` gave no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The answer can't be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is a configuration, and nobody to explain it.
    #[error("{what} would be ignored: there is no ssh program here to say what it means")]
    NoProgram {
        /// A file, or the options in the inventory.
        what: String,
    },
}

/// The answer for a class of hosts, with the name that was asked about.
type ClassAnswer = (String, Result<Dump, ConfigError>);

/// Settings of hosts, each asked for once.
#[derive(Debug)]
pub(crate) struct Resolver {
    settings: Shared<Request, Result<Arc<SshSettings>, Arc<ConfigError>>>,
    classes: Shared<(Request, Vec<u8>), ClassAnswer>,
    files: Shared<Option<PathBuf>, Configuration>,
    baseline: OnceCell<Result<Dump, AskError>>,
    permits: Semaphore,
    told: Mutex<BTreeSet<String>>,
}

/// What is known of one set of files.
#[derive(Debug)]
struct Configuration {
    files: ConfigFiles,
    kept: Option<Kept>,
}

impl Resolver {
    pub(crate) fn new() -> Self {
        Self {
            settings: Shared::default(),
            classes: Shared::default(),
            files: Shared::default(),
            baseline: OnceCell::new(),
            permits: Semaphore::new(ASKED_AT_ONCE),
            told: Mutex::default(),
        }
    }

    /// The settings of a host.
    pub(crate) async fn settings(
        &self,
        request: Request,
        options: &SshOptions,
    ) -> Result<Arc<SshSettings>, Arc<ConfigError>> {
        let cell = self.settings.cell(request.clone());
        cell.get_or_init(|| async { self.read(&request, options).await.map(Arc::new).map_err(Arc::new) }).await.clone()
    }

    async fn read(&self, request: &Request, options: &SshOptions) -> Result<SshSettings, ConfigError> {
        let (dump, baseline) = match &options.config {
            None => (request.alone(options), Dump::default()),
            Some(SshConfig { program: None, user_file, system_file, .. }) => {
                nothing_is_ignored(request, [user_file, system_file])?;
                (request.alone(options), Dump::default())
            }
            Some(config @ SshConfig { program: Some(program), .. }) => {
                let configuration = self.configuration(request, config, options).await;
                let asking = Asking {
                    resolver: self,
                    program,
                    instead: config.instead.as_deref(),
                    configuration: &configuration,
                };
                (asking.dump(request).await?, asking.baseline().await?)
            }
        };
        let question = Question { name: &request.name, file_is_named: request.identity_file.is_some() };
        let (settings, ignored) = read(question, &dump, &baseline, options)?;
        for ignored in ignored {
            self.tell(options, &request.name, &ignored.keyword, &ignored.value);
        }
        if settings.host_keys.checking == HostKeyChecking::Off && self.is_new("stricthostkeychecking") {
            options.notices.say(&format!(
                "StrictHostKeyChecking is no (for {}, perhaps for others): whoever answers at its address is taken for it",
                request.name
            ));
        }
        Ok(settings)
    }

    /// A keyword that is ignored is named once, whatever hosts it is set for.
    fn tell(&self, options: &SshOptions, name: &str, keyword: &str, value: &str) {
        if self.is_new(keyword) {
            let value = crate::model::printable(value);
            options.notices.say(&format!(
                "SSH configuration sets {keyword} to {value} (for {name}, perhaps for others); it isn't supported and is ignored"
            ));
        }
    }

    fn is_new(&self, keyword: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(keyword.to_owned())
    }

    /// What is known of the files that this host's answer comes from: read once.
    async fn configuration(
        &self,
        request: &Request,
        config: &SshConfig,
        options: &SshOptions,
    ) -> Arc<OnceCell<Configuration>> {
        let instead = request.config.clone().or_else(|| config.instead.clone());
        let cell = self.files.cell(instead.clone());
        cell.get_or_init(|| async {
            let home = &options.local.home;
            let roots = match instead {
                // A word of ssh's for no file at all.
                Some(file) if file == Path::new("none") => Vec::new(),
                // What lies beside it for ssh is in the home of the list of users, which may be another one.
                Some(file) => vec![(file, None)],
                None => vec![
                    (config.user_file.clone(), Some(home.join(".ssh"))),
                    (config.system_file.clone(), Some("/etc/ssh".into())),
                ],
            };
            let files = files::read(&roots, home);
            let state = state(&files.digest, config, options);
            let kept = match (&config.cache, &files.text.fleeting) {
                (Some(directory), None) => Some(Kept::open(directory, &state)),
                (Some(_), Some(_)) | (None, _) => None,
            };
            Configuration { files, kept }
        })
        .await;
        cell
    }
}

/// One question to `ssh`.
struct Asking<'a> {
    resolver: &'a Resolver,
    program: &'a Path,
    instead: Option<&'a Path>,
    configuration: &'a OnceCell<Configuration>,
}

impl Asking<'_> {
    /// The answer for a host: its own, or that of another one of its class.
    async fn dump(&self, request: &Request) -> Result<Dump, ConfigError> {
        let Some(signature) = self.signature(request) else { return self.ask(request).await };
        let class = Request { name: String::new(), ..request.clone() };
        let cell = self.resolver.classes.cell((class, signature));
        let (asked, answer) = cell.get_or_init(|| async { (request.name.clone(), self.ask(request).await) }).await;
        match answer {
            Ok(dump) if *asked == request.name => Ok(dump.clone()),
            // Where the address isn't the name, it came from somewhere: another name may have another one.
            Ok(dump) if dump.get("hostname") == Some(asked) => Ok(dump.for_host(&request.name)),
            Ok(_) => self.ask(request).await,
            // A mistake in a file is everybody's.
            Err(error) => Err(error.clone()),
        }
    }

    /// What tells this name from others; `None` where its answer is its own.
    fn signature(&self, request: &Request) -> Option<Vec<u8>> {
        let mut text = self.configuration.get()?.files.text.clone();
        request.options.iter().for_each(|option| text.add_option(option));
        let plain = request.name == request.name.to_lowercase();
        (plain && text.single.is_none()).then(|| text.signature(&request.name))
    }

    async fn ask(&self, request: &Request) -> Result<Dump, ConfigError> {
        let mut words = request.words();
        if let Some(file) = request.config.as_deref().or(self.instead) {
            words.splice(0..0, ["-F".to_owned(), file.display().to_string()]);
        }
        let mut text = super::text::ConfigText::default();
        request.options.iter().for_each(|option| text.add_option(option));
        let kept = self.configuration.get().and_then(|known| known.kept.as_ref()).filter(|_| text.fleeting.is_none());
        Ok(self.kept_or_asked(kept, &words, &request.name).await?)
    }

    /// What an empty configuration says: what differs from it is set.
    async fn baseline(&self) -> Result<Dump, ConfigError> {
        let kept = self.configuration.get().and_then(|known| known.kept.as_ref());
        let words = ["-F".to_owned(), "none".to_owned()];
        let baseline = self.resolver.baseline.get_or_init(|| self.kept_or_asked(kept, &words, "localhost")).await;
        Ok(baseline.clone()?)
    }

    async fn kept_or_asked(&self, kept: Option<&Kept>, words: &[String], name: &str) -> Result<Dump, AskError> {
        let asked = format!("{}\0{name}", words.join("\0"));
        if let Some(answer) = kept.and_then(|kept| kept.get(&asked)) {
            return Ok(answer);
        }
        let permit = self.resolver.permits.acquire().await;
        let answer = ask(self.program, words, name).await?;
        drop(permit);
        if let Some(kept) = kept {
            kept.put(asked, &answer);
        }
        Ok(answer)
    }
}

impl Request {
    /// The words that say the same to `ssh`. What the inventory names by a variable of its own comes first, and so counts.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |keyword: &str, value: String| words.extend(["-o".to_owned(), format!("{keyword}={value}")]);
        if let Some(port) = self.port {
            option("Port", port.to_string());
        }
        if let Some(user) = &self.user {
            option("User", user.clone());
        }
        if let Some(file) = &self.identity_file {
            option("IdentityFile", format!("\"{}\"", file.display()));
        }
        if let Some(seconds) = self.connect_timeout {
            option("ConnectTimeout", seconds.to_string());
        }
        words.extend(self.options.iter().cloned());
        words
    }

    /// What is known without SSH configuration.
    fn alone(&self, options: &SshOptions) -> Dump {
        let mut dump = Dump::default();
        dump.add("hostname", &self.name);
        dump.add("user", self.user.as_ref().unwrap_or(&options.user));
        dump.add("port", &self.port.unwrap_or(22).to_string());
        if let Some(file) = &self.identity_file {
            dump.add("identityfile", &file.display().to_string());
        }
        if let Some(seconds) = self.connect_timeout {
            dump.add("connecttimeout", &seconds.to_string());
        }
        dump
    }
}

/// Without `ssh`, whatever it would have to explain must not be there.
fn nothing_is_ignored(request: &Request, files: [&PathBuf; 2]) -> Result<(), ConfigError> {
    let ignored = |what: String| Err(ConfigError::NoProgram { what });
    if request.config.is_some() || !request.options.is_empty() {
        return ignored("the inventory's options of ssh".into());
    }
    match files.into_iter().find(|file| files::is_there(file)) {
        Some(file) => ignored(file.display().to_string()),
        None => Ok(()),
    }
}

/// Everything that answers depend on, beside what is asked.
fn state(files: &str, config: &SshConfig, options: &SshOptions) -> String {
    let program = config.program.as_deref().map(files::identity).unwrap_or_default();
    let local = &options.local;
    let home = local.home.display();
    let instead = config.instead.as_deref().map(Path::display);
    let text = format!("1 {files} {program} {home} {} {} {} {instead:?}", local.user, local.uid, local.machine);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
