//! A `ProxyCommand`: a process whose standard input and output lead to the server. It ends with the connection.

#![expect(clippy::disallowed_methods, reason = "a ProxyCommand is a process")]

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

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

/// The end of what a command wrote to standard error.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<VecDeque<u8>>>);

impl Said {
    /// In one line, printable.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().map(printable).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }

    async fn listen(self, mut stderr: ChildStderr) {
        let mut piece = [0; 1024];
        while let Ok(read) = stderr.read(&mut piece).await {
            if read == 0 {
                return;
            }
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend(&piece[..read]);
            let beyond = said.len().saturating_sub(SAID_LIMIT);
            said.drain(..beyond);
        }
    }
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
        let said = Said::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(said.clone().listen(stderr));
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
