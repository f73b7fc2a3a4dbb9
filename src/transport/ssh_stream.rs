//! TCP to a host: addresses of its name, one after the other, within the time that connecting may take.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::error::{Endpoint, Stage, TransportError};
use super::ssh_config::{AddressFamily, NetworkSettings};

/// Between one attempt and the next (`ConnectionAttempts`), as OpenSSH waits.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// Connects, as often as the settings say.
pub(super) async fn connect_tcp(
    endpoint: &Arc<Endpoint>,
    network: &NetworkSettings,
) -> Result<TcpStream, TransportError> {
    let mut attempt = 1;
    loop {
        match connect_once(endpoint, network).await {
            Err(TransportError::Connect { .. } | TransportError::Timeout { .. }) if attempt < network.attempts => {
                attempt += 1;
                sleep(BETWEEN_ATTEMPTS).await;
            }
            ended => return ended,
        }
    }
}

async fn connect_once(endpoint: &Arc<Endpoint>, network: &NetworkSettings) -> Result<TcpStream, TransportError> {
    let limit = network.connect_timeout;
    let connect = async {
        let addresses = resolve(endpoint, &endpoint.address, endpoint.port, network.family).await?;
        let from = match &network.bind_address {
            None => None,
            // The first of the addresses is as good as any: an operator who names one means one.
            Some(name) => {
                let mine = resolve(endpoint, name, 0, network.family).await?;
                Some(mine.first().ok_or_else(|| no_address(endpoint, name, network.family))?.ip())
            }
        };
        connect_first(endpoint, addresses, from, limit).await
    };
    match timeout(limit, connect).await {
        Ok(result) => result,
        Err(_) => Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Connect, limit }),
    }
}

/// The addresses of a name, of the family that is wanted.
async fn resolve(
    endpoint: &Arc<Endpoint>,
    name: &str,
    port: u16,
    family: AddressFamily,
) -> Result<Vec<SocketAddr>, TransportError> {
    let resolved = lookup_host((name, port)).await;
    let resolved = resolved.map_err(|source| TransportError::Resolve {
        endpoint: endpoint.clone(),
        name: name.to_owned(),
        source,
    })?;
    let wanted = |address: &SocketAddr| match family {
        AddressFamily::Any => true,
        AddressFamily::V4 => address.is_ipv4(),
        AddressFamily::V6 => address.is_ipv6(),
    };
    let addresses: Vec<SocketAddr> = resolved.filter(wanted).collect();
    if addresses.is_empty() { Err(no_address(endpoint, name, family)) } else { Ok(addresses) }
}

fn no_address(endpoint: &Arc<Endpoint>, name: &str, family: AddressFamily) -> TransportError {
    let what = match family {
        AddressFamily::Any => "it has no address",
        AddressFamily::V4 => "it has no IPv4 address, and AddressFamily is inet",
        AddressFamily::V6 => "it has no IPv6 address, and AddressFamily is inet6",
    };
    TransportError::Resolve {
        endpoint: endpoint.clone(),
        name: name.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::NotFound, what),
    }
}

/// Connects to the first address that answers; each gets its share of what is left of the time, so that one that
/// swallows packets doesn't use up all of it.
async fn connect_first(
    endpoint: &Arc<Endpoint>,
    addresses: Vec<SocketAddr>,
    from: Option<IpAddr>,
    limit: Duration,
) -> Result<TcpStream, TransportError> {
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in &addresses {
        match timeout(share, connect_from(from, *address)).await {
            Ok(Ok(stream)) => {
                // Without it each small packet waits for the one before to be acknowledged: 40 to 80 ms a login.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    match last.kind() {
        std::io::ErrorKind::TimedOut => {
            Err(TransportError::Timeout { endpoint: endpoint.clone(), stage: Stage::Connect, limit })
        }
        _ => Err(TransportError::Connect { endpoint: endpoint.clone(), tried: addresses, source: last }),
    }
}

async fn connect_from(from: Option<IpAddr>, address: SocketAddr) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(address).await
}
