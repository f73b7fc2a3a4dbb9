//! The floor of the benchmarks: a handshake, a login and `true` on every host, with the bare SSH library.
//!
//! Whatever converge does on a host, it can't be done for less than this. `benches/fleet` and `benches/connections` run it
//! beside converge: `floor USER KEY PORT…` visits those ports of 127.0.0.1, all of them at the same time, on one thread, as
//! converge does. Options say through what it goes and by which algorithms, and `--connector` takes converge's own way to
//! a session instead. Started by `cargo bench` it hands over to `benches/fleet`; what stands behind `--` are its arguments.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use converge::model::HostName;
use converge::transport::{
    AnyConnector, Command as Script, Connector as _, Outcome, Session as _, SshConfig, SshOptions, SshTarget, Target,
    TargetKind,
};
use russh::client::{self, Handle, Handler, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg, Disconnect, cipher, kex};
use tokio::task::JoinSet;

/// More than the script allows hosts, and what `converge` takes as its bound as well.
const MOST_AT_ONCE: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Visits hosts over SSH.
#[derive(Debug, Parser)]
struct Visit {
    /// Visit them through the server at this port.
    #[arg(long)]
    jump: Option<u16>,
    /// Visit them by converge's connector, with the known hosts and keys of $HOME.
    #[arg(long)]
    connector: bool,
    /// Exchange keys by this algorithm.
    #[arg(long)]
    kex: Option<String>,
    /// Encrypt with this one.
    #[arg(long)]
    cipher: Option<String>,
    /// Get and send so many megabytes, instead of running `true`.
    #[arg(long, default_value_t = 0)]
    megabytes: usize,
    /// The user to log in as.
    user: String,
    /// The user's private key.
    key: PathBuf,
    /// Ports of 127.0.0.1; one may come several times.
    #[arg(required = true)]
    ports: Vec<u16>,
}

/// Takes every host for the right one: checking keys is converge's work, and not part of the floor.
struct Anyone;

impl Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

fn main() -> ExitCode {
    // Cargo adds `--bench` when it benchmarks, and nothing when it only tests that benchmarks start.
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = arguments.len();
    arguments.retain(|argument| argument != "--bench");
    if arguments.len() < asked {
        return match measure(&arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("benches/fleet does not start: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if arguments.is_empty() {
        println!("nothing to test here; `cargo bench` measures");
        return ExitCode::SUCCESS;
    }
    let visit = Visit::parse();
    match if visit.connector { by_connector(&visit) } else { bare(visit) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the script with this program and the converge that Cargo has built along with it.
fn measure(arguments: &[String]) -> std::io::Result<bool> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fleet");
    let floor = std::env::current_exe()?;
    let status = Command::new(script)
        .args(["--converge", env!("CARGO_BIN_EXE_converge"), "--floor"])
        .arg(floor)
        .args(arguments)
        .status()?;
    Ok(status.success())
}

/// Visits all ports at once, as far as [`MOST_AT_ONCE`] allows.
async fn each<V: Future<Output = Result<(), Failure>> + Send + 'static>(
    ports: &[u16],
    visit: impl Fn(u16) -> V,
) -> Result<(), Failure> {
    let mut visits = JoinSet::new();
    for &port in ports {
        if visits.len() == MOST_AT_ONCE
            && let Some(visited) = visits.join_next().await
        {
            visited??;
        }
        visits.spawn(visit(port));
    }
    while let Some(visited) = visits.join_next().await {
        visited??;
    }
    Ok(())
}

/// What all visits have in common.
struct Bare {
    config: Arc<client::Config>,
    user: String,
    key: Arc<PrivateKey>,
    jump: Option<Handle<Anyone>>,
    megabytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn bare(visit: Visit) -> Result<(), Failure> {
    let Visit { jump, kex, cipher, megabytes, user, key, ports, connector: _ } = visit;
    let mut config = client::Config { nodelay: true, ..client::Config::default() };
    if let Some(name) = &kex {
        let name = kex::Name::try_from(&**name).map_err(|()| format!("there is no key exchange {name}"))?;
        let strict = kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT;
        config.preferred.kex = Cow::Owned(vec![name, strict]);
    }
    if let Some(name) = &cipher {
        let name = cipher::Name::try_from(&**name).map_err(|()| format!("there is no cipher {name}"))?;
        config.preferred.cipher = Cow::Owned(vec![name]);
    }
    let key = Arc::new(load_secret_key(key, None)?);
    let mut bare = Bare { config: Arc::new(config), user, key, jump: None, megabytes };
    if let Some(port) = jump {
        bare.jump = Some(bare.log_in(port).await?);
    }
    let bare = Arc::new(bare);
    each(&ports, |port| {
        let bare = Arc::clone(&bare);
        async move { bare.visit(port).await }
    })
    .await
}

impl Bare {
    async fn log_in(&self, port: u16) -> Result<Handle<Anyone>, Failure> {
        let config = Arc::clone(&self.config);
        let mut handle = match &self.jump {
            None => client::connect(config, ("127.0.0.1", port), Anyone).await?,
            Some(jump) => {
                let channel = jump.channel_open_direct_tcpip("127.0.0.1", port.into(), "127.0.0.1", 0).await?;
                client::connect_stream(config, channel.into_stream(), Anyone).await?
            }
        };
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), None);
        if !handle.authenticate_publickey(&*self.user, key).await?.success() {
            return Err(format!("port {port} refuses the key").into());
        }
        Ok(handle)
    }

    async fn visit(&self, port: u16) -> Result<(), Failure> {
        let handle = self.log_in(port).await?;
        let mut channel = handle.channel_open_session().await?;
        match self.megabytes {
            0 => channel.exec(true, "true").await?,
            much => exchange(&mut channel, much << 20).await?,
        }
        let mut status = None;
        while let Some(message) = channel.wait().await {
            if let ChannelMsg::ExitStatus { exit_status } = message {
                status = Some(exit_status);
            }
        }
        handle.disconnect(Disconnect::ByApplication, "", "").await?;
        // The end of the connection, which is told as an error even where it was asked for.
        let _ = handle.await;
        match status {
            Some(0) => Ok(()),
            Some(_) | None => Err(format!("the command on port {port} ended with {status:?}").into()),
        }
    }
}

/// Gets so many bytes, then sends as many.
async fn exchange(channel: &mut Channel<Msg>, bytes: usize) -> Result<(), Failure> {
    channel.exec(true, format!("head -c {bytes} /dev/zero; cat >/dev/null")).await?;
    let mut got = 0;
    while got < bytes {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => got += data.len(),
            Some(_) => {}
            None => return Err(format!("the host sent {got} of {bytes} bytes").into()),
        }
    }
    channel.data(&vec![0; bytes][..]).await?;
    channel.eof().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn by_connector(visit: &Visit) -> Result<(), Failure> {
    let home = PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?);
    let mut options = SshOptions::for_home(&*visit.user, &home);
    options.config = Some(SshConfig {
        program: Some("/usr/bin/ssh".into()),
        user_file: home.join(".ssh/config"),
        system_file: "/etc/ssh/ssh_config".into(),
        instead: Some(home.join(".ssh/config")),
        cache: Some(home.join("cache")),
    });
    let connector = Arc::new(AnyConnector::new(options));
    each(&visit.ports, |port| {
        let ssh = SshTarget {
            address: "127.0.0.1".into(),
            port: Some(port),
            identity_file: Some(visit.key.clone()),
            options: visit.jump.iter().flat_map(|jump| ["-J".into(), format!("127.0.0.1:{jump}")]).collect(),
            ..SshTarget::default()
        };
        let connector = Arc::clone(&connector);
        async move {
            let name = HostName::parse("host")?;
            let target = Target { name, kind: TargetKind::Ssh(ssh), become_user: None };
            let session = connector.connect(&target).await?;
            let script = Script {
                script: b"true".to_vec(),
                input: Vec::new(),
                limit: Duration::from_secs(60),
                output_limit: 1000,
            };
            let completed = session.run(&script, &mut |_| ()).await?;
            session.close().await;
            match completed.outcome {
                Outcome::Exited(0) => Ok(()),
                other => Err(format!("`true` on port {port} ended with {other:?}").into()),
            }
        }
    })
    .await
}
