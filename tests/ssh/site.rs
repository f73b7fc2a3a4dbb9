//! A server, a key that it accepts, and an operator with a home and SSH configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use converge::model::HostName;
use converge::transport::{
    AnyConnector, AnySession, Command, Connector as _, LocalFacts, Notices, Outcome, Session as _, SshConfig,
    SshOptions, SshTarget, Target, TargetKind, TransportError,
};

use crate::sshd::{Sshd, SshdOptions, keygen, public_key, user};

/// Longer than anything here takes.
const PLENTY: Duration = Duration::from_secs(60);

pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) key: PathBuf,
    pub(crate) sshd: Sshd,
    pub(crate) options: SshOptions,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(&SshdOptions::default())
    }

    pub(crate) fn with(options: &SshdOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".ssh")).unwrap();
        let key = dir.path().join("key");
        keygen(&key, "ed25519", "");
        let sshd = server(dir.path(), "sshd", &public_key(&key), options);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        let config = dir.path().join(".ssh/config");
        let mut options = SshOptions::for_home(user(), dir.path());
        options.config = Some(SshConfig {
            program: Some("/usr/bin/ssh".into()),
            user_file: config.clone(),
            system_file: "/nonexistent".into(),
            instead: Some(config),
            cache: None,
        });
        options.local = LocalFacts { environment: std::env::vars().collect(), ..options.local };
        options.notices = Notices::to(move |notice| listener.lock().unwrap().push(notice.to_owned()));
        let site = Self { dir, key, sshd, options, heard };
        site.knows(&site.sshd.known_hosts());
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces the operator's configuration; `{port}`, `{key}`, `{dir}` and `{user}` stand for this site's.
    pub(crate) fn configure(&self, text: &str) {
        let text = text
            .replace("{port}", &self.sshd.port.to_string())
            .replace("{key}", self.key.to_str().unwrap())
            .replace("{dir}", self.dir.path().to_str().unwrap())
            .replace("{user}", &user());
        fs::write(self.path(".ssh/config"), text).unwrap();
    }

    /// Replaces the operator's known_hosts.
    pub(crate) fn knows(&self, text: &str) {
        fs::write(self.path(".ssh/known_hosts"), text).unwrap();
    }

    pub(crate) fn connector(&self) -> AnyConnector {
        AnyConnector::new(self.options.clone())
    }

    pub(crate) async fn connect(&self, name: &str) -> Result<AnySession, TransportError> {
        self.connector().connect(&target(name)).await
    }

    pub(crate) async fn fails(&self, name: &str) -> TransportError {
        match self.connect(name).await {
            Ok(_) => panic!("{name} lets us in"),
            Err(error) => error,
        }
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(crate) fn server(dir: &Path, name: &str, authorized: &str, options: &SshdOptions) -> Sshd {
    let dir = dir.join(name);
    fs::create_dir(&dir).unwrap();
    Sshd::start(&dir, authorized, options)
}

pub(crate) fn target(name: &str) -> Target {
    let ssh = SshTarget { address: name.into(), ..SshTarget::default() };
    Target {
        name: HostName::parse(name).unwrap_or_else(|_| HostName::parse("host").unwrap()),
        kind: TargetKind::Ssh(ssh),
        become_user: None,
    }
}

/// What a script prints; it must succeed.
pub(crate) async fn output(session: &AnySession, script: &str) -> String {
    let command =
        Command { script: script.as_bytes().to_vec(), input: Vec::new(), limit: PLENTY, output_limit: 1 << 20 };
    let completed = session.run(&command, &mut |_| ()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::Exited(0), "{}", String::from_utf8_lossy(&completed.stderr));
    String::from_utf8(completed.stdout).unwrap().trim().to_owned()
}

/// The error with all its causes.
pub(crate) fn in_full(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
