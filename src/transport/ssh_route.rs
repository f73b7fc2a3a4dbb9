//! The way to a host: by TCP, through jump hosts, or through a command; then key exchange and login, hop by hop.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{Endpoint, TransportError};
use super::jump::Jump;
use super::proxy_command::{ProxyCommand, Said};
use super::ssh::{Connection, SshConnector};
use super::ssh_config::{JumpHost, Request, SshSettings, Way};
use super::ssh_stream::connect_tcp;
use crate::model::{HostName, Secret};

/// A host to log in to, be it the last one or one on the way.
#[derive(Debug)]
pub(super) struct Hop {
    /// For messages.
    pub(super) host: HostName,
    pub(super) request: Request,
    /// The jump hosts before it, where another host's ProxyJump names them; otherwise its own settings say.
    pub(super) chain: Option<Vec<JumpHost>>,
    /// The password, where there is one.
    pub(super) password: Option<Secret>,
}

/// A host that let us in.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) settings: Arc<SshSettings>,
    pub(super) connection: Connection,
    /// The jump host that the connection goes through: it is held as long as this.
    pub(super) jump: Option<Arc<Jump>>,
}

/// Whatever SSH is spoken over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// A way that was found, up to the door of the host.
struct Wired {
    stream: Box<dyn Wire>,
    jump: Option<Arc<Jump>>,
    said: Option<Said>,
}

impl SshConnector {
    /// Connects to a host and logs in, through whatever is on the way.
    pub(super) fn open(&self, hop: Hop) -> Pin<Box<dyn Future<Output = Result<Opened, TransportError>> + Send + '_>> {
        Box::pin(async move {
            let settings = self.resolver.settings(hop.request.clone(), &self.options).await;
            let settings =
                settings.map_err(|source| TransportError::Configuration { host: hop.host.clone(), source })?;
            let way = hop.chain.clone().map_or_else(|| settings.way.clone(), Way::Jump);
            let endpoint = Arc::new(Endpoint {
                host: hop.host.clone(),
                user: settings.user.clone(),
                address: settings.address.clone(),
                port: settings.port,
                alias: settings.host_keys.alias.clone(),
                via: via(&way),
            });
            let Wired { stream, jump, said } = self.wire(&endpoint, &settings, &way, &hop).await?;
            let connection = self.shake_hands(&endpoint, &settings, stream).await;
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(error) => return Err(blame(error, said.as_ref()).await),
            };
            self.log_in(&endpoint, &settings, hop.password.as_ref(), &mut connection).await?;
            Ok(Opened { endpoint, settings, connection, jump })
        })
    }

    async fn wire(
        &self,
        endpoint: &Arc<Endpoint>,
        settings: &SshSettings,
        way: &Way,
        hop: &Hop,
    ) -> Result<Wired, TransportError> {
        match way {
            Way::Direct => {
                let stream = connect_tcp(endpoint, &settings.network).await?;
                Ok(Wired { stream: Box::new(stream), jump: None, said: None })
            }
            Way::Jump(hosts) => {
                let limit = settings.network.connect_timeout;
                let (stream, jump) = self.through(endpoint, hosts, hop, limit).await?;
                Ok(Wired { stream: Box::new(stream), jump: Some(jump), said: None })
            }
            Way::Command(command) => {
                let shell = self.options.local.environment.get("SHELL").map(PathBuf::from);
                let shell = shell.filter(|shell| shell.is_absolute()).unwrap_or_else(|| Path::new("/bin/sh").into());
                let process = ProxyCommand::start(command, &shell).map_err(|source| TransportError::ProxyCommand {
                    endpoint: endpoint.clone(),
                    shell,
                    source,
                })?;
                let said = Some(process.said());
                Ok(Wired { stream: Box::new(process), jump: None, said })
            }
        }
    }
}

/// The way in words, as far as it isn't direct.
fn via(way: &Way) -> Option<String> {
    match way {
        Way::Direct => None,
        Way::Jump(hosts) => Some(hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", ")),
        Way::Command(_) => Some("a ProxyCommand".into()),
    }
}

/// A handshake that fails behind a command mostly fails because of that: what it said is told too.
async fn blame(error: TransportError, said: Option<&Said>) -> TransportError {
    match (error, said) {
        (TransportError::Handshake { endpoint, reason, closed }, Some(said)) => {
            let text = said.text().await;
            let words = if text.is_empty() { "nothing".into() } else { format!("{text:?}") };
            TransportError::Handshake { endpoint, reason: format!("{reason}; its ProxyCommand said {words}"), closed }
        }
        (error, _) => error,
    }
}
