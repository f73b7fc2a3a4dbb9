//! The floor of the benchmark: a handshake, a login and `true` on every host, with the bare SSH library.
//!
//! Whatever converge does on a host, it can't be done for less than this. `benches/fleet` runs it beside converge:
//! `floor USER KEY PORT…` visits those ports of 127.0.0.1, all of them at the same time, on one thread, as converge does.
//! Started by `cargo bench` it hands over to that script; what stands behind `--` are the script's arguments.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use russh::client::{self, Handler};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Disconnect};
use tokio::task::JoinSet;

/// More than the script allows hosts, and what `converge` takes as its bound as well.
const MOST_AT_ONCE: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Takes every host for the right one: checking keys is converge's work, and not part of the floor.
struct Anyone;

impl Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [user, key, ports @ ..] = arguments.as_slice()
        && !ports.is_empty()
        && ports.iter().all(|port| port.parse::<u16>().is_ok())
    {
        return match visit_all(user, key, ports) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("floor: {error}");
                ExitCode::FAILURE
            }
        };
    }
    // Cargo adds `--bench` when it benchmarks, and not when it only tests that benchmarks start.
    let asked = arguments.len();
    arguments.retain(|argument| argument != "--bench");
    if arguments.len() == asked {
        println!("nothing to test here; `cargo bench` measures");
        return ExitCode::SUCCESS;
    }
    match measure(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("benches/fleet does not start: {error}");
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

#[tokio::main(flavor = "current_thread")]
async fn visit_all(user: &str, key: &str, ports: &[String]) -> Result<(), Failure> {
    let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
    let key = Arc::new(load_secret_key(key, None)?);
    let user: Arc<str> = user.into();
    let mut visits = JoinSet::new();
    let mut ports = ports.iter();
    loop {
        while visits.len() < MOST_AT_ONCE {
            let Some(port) = ports.next() else { break };
            visits.spawn(visit(Arc::clone(&config), Arc::clone(&user), Arc::clone(&key), port.parse()?));
        }
        match visits.join_next().await {
            Some(visited) => visited??,
            None => return Ok(()),
        }
    }
}

async fn visit(config: Arc<client::Config>, user: Arc<str>, key: Arc<PrivateKey>, port: u16) -> Result<(), Failure> {
    let mut handle = client::connect(config, ("127.0.0.1", port), Anyone).await?;
    if !handle.authenticate_publickey(&*user, PrivateKeyWithHashAlg::new(key, None)).await?.success() {
        return Err(format!("port {port} refuses the key").into());
    }
    let mut channel = handle.channel_open_session().await?;
    channel.exec(true, "true").await?;
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
        Some(_) | None => Err(format!("`true` on port {port} ended with {status:?}").into()),
    }
}
