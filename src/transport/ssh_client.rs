//! What the client offers to a server, from the settings of the host. Pure.

use std::borrow::Cow;
use std::time::Duration;

use russh::client;
use russh::keys::Algorithm;
use russh::{Limits, Preferred, compression};

use super::known_hosts::HostKeys;
use super::ssh_config::{
    AlgorithmSettings, CIPHERS, HOST_KEY_ALGORITHMS, HostKeyChecking, KEX, KEX_EXTENSIONS, MACS, NetworkSettings,
    SshSettings,
};

/// Messages that wait for their reader before the connection stops reading, at up to 32 KB each: enough to keep a
/// fast connection busy, and half a megabyte at most for a session.
const CHANNEL_BUFFER: usize = 16;

/// The client for a host of which these keys are known.
pub(super) fn client_config(settings: &SshSettings, known: &HostKeys) -> client::Config {
    let NetworkSettings { keepalive_interval, keepalive_max, rekey_bytes, rekey_time, .. } = settings.network;
    let AlgorithmSettings { kex, ciphers, macs, host_keys, host_certificates, compression } = &settings.algorithms;
    let kex = kex.as_deref().unwrap_or(KEX).iter().chain(&KEX_EXTENSIONS).copied().collect();
    client::Config {
        preferred: Preferred {
            kex: Cow::Owned(kex),
            key: host_key_algorithms(settings.host_keys.checking, host_keys.as_deref(), known),
            // Named only where an authority is known: a server that has a certificate shows that instead of its key.
            host_key_certificates: match host_certificates {
                _ if known.authorities().is_empty() => Cow::Borrowed(&[]),
                None => Cow::Borrowed(HOST_KEY_ALGORITHMS),
                Some(set) => Cow::Owned(set.clone()),
            },
            cipher: ciphers.clone().map_or(Cow::Borrowed(CIPHERS), Cow::Owned),
            mac: macs.clone().map_or(Cow::Borrowed(MACS), Cow::Owned),
            compression: Cow::Borrowed(if *compression {
                &[compression::ZLIB_LEGACY, compression::ZLIB, compression::NONE]
            } else {
                &[compression::NONE]
            }),
        },
        limits: limits(rekey_bytes, rekey_time),
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: Some(keepalive_interval),
        keepalive_max,
        nodelay: true,
        ..client::Config::default()
    }
}

/// A host of which keys are known is only offered their algorithms, so that it presents one of those rather than another
/// that we don't know; as far as configuration allows them. Where any key is accepted, the others follow.
fn host_key_algorithms(
    checking: HostKeyChecking,
    set: Option<&[Algorithm]>,
    known: &HostKeys,
) -> Cow<'static, [Algorithm]> {
    let of_known = known.algorithms();
    match set {
        _ if checking == HostKeyChecking::Off => {
            let all = set.unwrap_or(HOST_KEY_ALGORITHMS);
            let (first, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|one| of_known.contains(one));
            Cow::Owned([first, others].concat())
        }
        None if of_known.is_empty() => Cow::Borrowed(HOST_KEY_ALGORITHMS),
        None => Cow::Owned(of_known),
        Some(set) => {
            let both: Vec<_> = set.iter().filter(|algorithm| of_known.contains(algorithm)).cloned().collect();
            Cow::Owned(if both.is_empty() { set.to_vec() } else { both })
        }
    }
}

fn limits(bytes: Option<usize>, time: Option<Duration>) -> Limits {
    let defaults = Limits::default();
    let least = |ours: usize| bytes.map_or(ours, |bytes| bytes.min(ours));
    Limits {
        rekey_write_limit: least(defaults.rekey_write_limit),
        rekey_read_limit: least(defaults.rekey_read_limit),
        rekey_time_limit: time.map_or(defaults.rekey_time_limit, |time| time.min(defaults.rekey_time_limit)),
    }
}
