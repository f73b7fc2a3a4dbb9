//! A `ProxyCommand`: a process whose standard input and output lead to the server. It ends with the connection.

#![expect(clippy::disallowed_methods, reason = "a ProxyCommand is a process")]

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::model::printable;

/// What it said last is kept for messages: a line or two.
const SAID_LIMIT: usize = 400;

/// The process and its streams. Dropping it kills the process with all that it started.
#[derive(Debug)]
pub(super) struct ProxyCommand {
    child: Option<Child>,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: Said,
}

/// How long the rest of what a command says is waited for. It has ended by then, or is killed, so that this is a pipe's
/// last bytes; only what it left running elsewhere can hold it open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The end of what a command wrote to standard error.
#[derive(Debug, Clone)]
pub(super) struct Said {
    words: Words,
    /// Closed when nothing more comes.
    over: watch::Receiver<()>,
}

type Words = Arc<Mutex<VecDeque<u8>>>;

impl Said {
    /// In one line, printable, once it has said all.
    pub(super) async fn text(&self) -> String {
        // Nothing is ever sent: it ends when the other side does.
        let _ = timeout(LAST_WORDS, self.over.clone().changed()).await;
        let bytes: Vec<u8> = self.words.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().map(printable).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

/// Keeps the end of what a command says, and `over` as long as it may still speak.
async fn listen(words: Words, mut stderr: ChildStderr, over: watch::Sender<()>) {
    let mut piece = [0; 1024];
    while let Ok(read) = stderr.read(&mut piece).await {
        if read == 0 {
            break;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(&piece[..read]);
        let beyond = words.len().saturating_sub(SAID_LIMIT);
        words.drain(..beyond);
    }
    drop(over);
}

impl ProxyCommand {
    /// Starts a command by the user's shell, as `ssh` does.
    pub(super) fn start(command: &str, shell: &Path) -> io::Result<Self> {
        let mut child = Command::new(shell)
            .arg("-c")
            .arg(format!("exec {command}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (speaks, over) = watch::channel(());
        let said = Said { words: Words::default(), over };
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(Arc::clone(&said.words), stderr, speaks));
        }
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no standard input and output"));
        };
        Ok(Self { child: Some(child), stdin, stdout, said })
    }

    pub(super) fn said(&self) -> Said {
        self.said.clone()
    }
}

impl Drop for ProxyCommand {
    fn drop(&mut self) {
        // Without a runtime, at the end of the program, the command alone is killed, by its handle.
        if let Some(child) = self.child.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(kill_group(child));
        }
    }
}

/// Kills the command with all that it started and that stayed in its group. The group's number can't have been reused, as
/// its leader is only waited for afterwards.
async fn kill_group(mut child: Child) {
    if let Some(group) = child.id() {
        let _ = Command::new("/bin/sh")
            .args(["-c", "kill -s KILL -- \"-$0\" 2>/dev/null", &group.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
    }
    let _ = child.kill().await;
}

impl AsyncRead for ProxyCommand {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProxyCommand {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}
