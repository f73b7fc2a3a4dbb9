//! The least of an SSH client, for tests to look at hosts with other eyes than the program's.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use russh::client::{self, Handler};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, Error};

use super::{Keys, Output};

/// What a connection may take on loopback until it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

struct Expect(PublicKey);

impl Handler for Expect {
    type Error = Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(matches!(key, PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.0.key_data()))
    }
}

/// Runs a command line and waits for its end, in a thread of its own, so that a caller may be asynchronous itself.
pub(super) fn run(port: u16, host_key: &PublicKey, keys: &Keys, command: &str) -> Result<Output, Error> {
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(connect_and_run(port, host_key, keys, command))
        });
        work.join().expect("the client does not panic")
    })
}

async fn connect_and_run(port: u16, host_key: &PublicKey, keys: &Keys, command: &str) -> Result<Output, Error> {
    let connecting = async {
        let mut session = client::connect(Arc::default(), ("127.0.0.1", port), Expect(host_key.clone())).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&keys.private), None);
        let answer = session.authenticate_publickey(&keys.user, key).await?;
        if answer.success() { Ok(session) } else { Err(Error::NotAuthenticated) }
    };
    let session = tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| Error::ConnectionTimeout)??;
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    channel.eof().await?;
    let (mut status, mut stdout, mut stderr) = (None, Vec::new(), Vec::new());
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
}
