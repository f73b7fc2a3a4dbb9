//! A small SSH server in this process, for machines without OpenSSH's: one key, and commands by `/bin/sh -c`.
//!
//! As OpenSSH does, it tells the exit status when the command ends, keeps the channel open while a process that stays
//! behind holds the output, and leaves commands running when the connection is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Error, MethodKind, MethodSet};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{ChildStdin, Command};
use tokio::sync::oneshot;

/// Ends the server when it is dropped.
pub(super) type Stop = oneshot::Sender<()>;

/// Starts the server on 127.0.0.1 in a thread of its own; it listens when this returns.
pub(super) fn start(port: u16, host_key: PrivateKey, client_key: PublicKey, home: &Path) -> Stop {
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let config = Arc::new(server::Config {
        keys: vec![host_key],
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        // There is nobody to guess keys on loopback.
        auth_rejection_time: Duration::ZERO,
        inactivity_timeout: None,
        nodelay: true,
        ..Default::default()
    });
    let home = home.to_owned();
    thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("the runtime takes the listener");
            tokio::select! {
                () = accept(listener, config, client_key, home) => {}
                _ = stopped => {}
            }
        });
        // Readers of processes that stay behind must not hold the thread up.
        runtime.shutdown_background();
    });
    stop
}

async fn accept(listener: TcpListener, config: Arc<server::Config>, client_key: PublicKey, home: PathBuf) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = Connection { client_key: client_key.clone(), home: home.clone(), channels: BTreeMap::new() };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            // The client sees what went wrong; nobody reads a log of this server.
            if let Ok(session) = server::run_stream(config, stream, connection).await {
                let _ = session.await;
            }
        });
    }
}

struct Connection {
    client_key: PublicKey,
    home: PathBuf,
    channels: BTreeMap<u32, Channel<Msg>>,
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        let known = key.public_key.key_data() == self.client_key.key_data() && user == super::user();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.channels.insert(channel.id().into(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Error> {
        let Some(channel) = self.channels.remove(&id.into()) else {
            return session.channel_failure(id);
        };
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(String::from_utf8_lossy(command).as_ref());
        shell.env_clear().envs(super::host_environment(&self.home)).current_dir(&self.home).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        session.channel_success(id)?;
        tokio::spawn(run(shell, channel));
        Ok(())
    }
}

/// Runs one command on its channel. A lost connection ends the copying, not the command.
async fn run(mut shell: Command, channel: Channel<Msg>) -> Result<(), Error> {
    let (reader, writer) = channel.split();
    let mut child = shell.spawn()?;
    let input = tokio::spawn(feed(reader, child.stdin.take()));
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let stderr = child.stderr.take().expect("standard error is a pipe");
    let waiting = async {
        let status = child.wait().await?;
        Ok::<_, Error>(status.code().and_then(|code| u32::try_from(code).ok()))
    };
    let (status, out, error) = tokio::join!(waiting, copy(stdout, &writer, None), copy(stderr, &writer, Some(1)));
    out.and(error)?;
    // A signal has no status to tell: the client then sees the channel close without one, as with an unknown outcome.
    if let Some(status) = status? {
        writer.exit_status(status).await?;
    }
    writer.eof().await?;
    writer.close().await?;
    input.abort();
    Ok(())
}

/// Writes what the client sends to the command, and goes on reading when the command no longer does.
async fn feed(mut channel: ChannelReadHalf, mut stdin: Option<ChildStdin>) {
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            _ => {}
        }
    }
}

/// Copies an output of the command to the client until all that hold it have closed it.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    to: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
) -> Result<(), Error> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        match extended {
            None => to.data(&buffer[..count]).await?,
            Some(kind) => to.extended_data(kind, &buffer[..count]).await?,
        }
    }
}
