//! Jump hosts: one connection to each, shared by all hosts behind it.
//!
//! What goes to a host behind is a channel of its own on that connection (`direct-tcpip`), which the server's MaxSessions
//! doesn't count. A connection that was lost is made anew when the next host needs it; one that can't be made fails for
//! everybody who waits for it, and is tried again by whoever comes later.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::Msg;
use russh::{ChannelOpenFailure, ChannelStream};
use tokio::time::timeout;

use super::error::{Endpoint, Stage, TransportError};
use super::ssh::SshConnector;
use super::ssh_config::{JumpHost, Request, Way};
use super::ssh_route::{Hop, Opened};
use crate::model::HostName;

/// A connection to a jump host.
#[derive(Debug)]
pub(super) struct Jump(Opened);

/// What tells one jump host from another: the whole way to it, and the configuration that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct JumpKey {
    hosts: Vec<JumpHost>,
    config: Option<PathBuf>,
}

/// A jump host that leads to others by its own configuration may do so this often: more is a circle.
const MOST_HOPS: usize = 8;

impl SshConnector {
    /// A channel to a host, on the connection to the last of these jump hosts.
    pub(super) async fn through(
        &self,
        endpoint: &Arc<Endpoint>,
        hosts: &[JumpHost],
        hop: &Hop,
        limit: std::time::Duration,
    ) -> Result<(ChannelStream<Msg>, Arc<Jump>), TransportError> {
        let key = JumpKey { hosts: hosts.to_vec(), config: hop.request.config.clone() };
        let failed = |source| TransportError::Jump { endpoint: endpoint.clone(), source };
        if self.goes_in_circles(&key).await {
            return Err(TransportError::JumpCircle { endpoint: endpoint.clone(), hops: MOST_HOPS });
        }
        // One that was lost since the last host used it is found out by using it, once.
        let mut again = true;
        loop {
            let jump = self.jump(&key).await.map_err(failed)?;
            match jump.open(endpoint, limit).await {
                Err(TransportError::Lost { .. }) if again => again = false,
                opened => return opened.map(|stream| (stream, jump)),
            }
        }
    }

    /// The connection to a jump host, made if there is none or the one that there was is lost.
    async fn jump(&self, key: &JumpKey) -> Result<Arc<Jump>, Arc<TransportError>> {
        loop {
            let cell = self.jumps.cell(key.clone());
            let made = cell.initialized();
            match cell.get_or_init(|| self.connect_jump(key)).await {
                Ok(jump) if made && jump.is_lost() => self.jumps.forget(key, &cell),
                Ok(jump) => return Ok(Arc::clone(jump)),
                Err(_) if made => self.jumps.forget(key, &cell),
                Err(error) => return Err(Arc::clone(error)),
            }
        }
    }

    async fn connect_jump(&self, key: &JumpKey) -> Result<Arc<Jump>, Arc<TransportError>> {
        let Some((last, before)) = key.hosts.split_last() else {
            unreachable!("settings never hold an empty ProxyJump");
        };
        let request = self.jump_request(last, key.config.as_deref());
        let chain = (!before.is_empty()).then(|| before.to_vec());
        let hop = Hop { host: host_name(&last.name), request, chain, password: self.options.password.clone() };
        self.open(hop).await.map(Jump).map(Arc::new).map_err(Arc::new)
    }

    fn jump_request(&self, host: &JumpHost, config: Option<&Path>) -> Request {
        Request {
            name: host.name.clone(),
            port: host.port,
            user: host.user.clone(),
            connect_timeout: self.options.named_connect_timeout,
            config: config.map(Path::to_owned),
            ..Request::default()
        }
    }

    /// Whether the jump hosts lead to each other: each of them would wait for the next for ever. Only the first of a chain
    /// goes by its own configuration.
    async fn goes_in_circles(&self, key: &JumpKey) -> bool {
        let (mut hosts, mut seen) = (key.hosts.clone(), Vec::new());
        while let Some(first) = hosts.into_iter().next() {
            if seen.len() == MOST_HOPS || seen.contains(&first) {
                return true;
            }
            let request = self.jump_request(&first, key.config.as_deref());
            seen.push(first);
            match self.resolver.settings(request, &self.options).await.map(|settings| settings.way.clone()) {
                Ok(Way::Jump(next)) => hosts = next,
                // What is wrong with it is found, and said, when it is connected to.
                Ok(Way::Direct | Way::Command(_)) | Err(_) => return false,
            }
        }
        false
    }
}

impl Jump {
    fn is_lost(&self) -> bool {
        self.0.connection.ending.is_known() || self.0.connection.handle.is_closed()
    }

    async fn open(
        &self,
        endpoint: &Arc<Endpoint>,
        limit: std::time::Duration,
    ) -> Result<ChannelStream<Msg>, TransportError> {
        let connection = &self.0.connection;
        // Where from is for the server's log; there is no true answer to it.
        let opening =
            connection.handle.channel_open_direct_tcpip(&*endpoint.address, endpoint.port.into(), "127.0.0.1", 0);
        match timeout(limit, opening).await {
            Ok(Ok(channel)) => Ok(channel.into_stream()),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => Err(TransportError::JumpRefused {
                endpoint: endpoint.clone(),
                jump: self.0.endpoint.clone(),
                reason: refusal(reason),
            }),
            Ok(Err(_)) => Err(TransportError::Lost {
                endpoint: self.0.endpoint.clone(),
                stage: Stage::OpenChannel,
                reason: connection.ending.reason(),
                tried: Vec::new(),
            }),
            Err(_) => Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Connect, limit }),
        }
    }
}

fn refusal(reason: ChannelOpenFailure) -> &'static str {
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => "it isn't allowed to",
        ChannelOpenFailure::ConnectFailed => "it can't connect there, or can't resolve the name",
        ChannelOpenFailure::ResourceShortage => "it has no resources left",
        ChannelOpenFailure::UnknownChannelType => "it doesn't know how to",
        ChannelOpenFailure::Other { .. } => "for a reason of its own",
    }
}

/// The name of a jump host for messages: what a host's name can't hold (an IPv6 address has colons) is left out.
fn host_name(name: &str) -> HostName {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() || ".-_".contains(c) { c } else { '-' }).collect();
    HostName::parse(&plain).unwrap_or_else(|_| unreachable!("it isn't empty and holds nothing else"))
}
