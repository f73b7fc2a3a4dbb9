//! A FIDO key: an agent that has one, as far as anybody can see, and a real server that checks its signatures.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use russh::keys::PrivateKey;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_key::Signature;
use sha2::{Digest as _, Sha256};

use crate::site::{Site, output};
use crate::sshd::keygen;

const KIND: &str = "sk-ssh-ed25519@openssh.com";
const APPLICATION: &str = "ssh:";

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The public key as it goes over the wire (PROTOCOL.u2f of OpenSSH).
fn public(key: &PrivateKey) -> Vec<u8> {
    let point = key.public_key().key_data().ed25519().unwrap().0;
    [string(KIND.as_bytes()), string(&point), string(APPLICATION.as_bytes())].concat()
}

/// What a device signs: where the key belongs, that it was touched, how often, and a digest of what is to be signed.
fn sign(key: &PrivateKey, data: &[u8]) -> Vec<u8> {
    let (touched, counter) = (1_u8, 7_u32.to_be_bytes());
    let digest = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let message = [digest(APPLICATION.as_bytes()), vec![touched], counter.to_vec(), digest(data)].concat();
    let signature: Signature = key.key_data().try_sign(&message).unwrap();
    [string(KIND.as_bytes()), string(signature.as_bytes()), vec![touched], counter.to_vec()].concat()
}

/// Takes a string off the front.
fn take<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = bytes.split_at(4);
    let (taken, rest) = rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize);
    *bytes = rest;
    taken
}

/// Answers one client of the agent until it hangs up (draft-miller-ssh-agent).
fn serve(mut client: UnixStream, key: &PrivateKey) {
    let mut length = [0; 4];
    while client.read_exact(&mut length).is_ok() {
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut message).unwrap();
        let (kind, mut rest) = (message[0], &message[1..]);
        let answer = match kind {
            11 => [vec![12], 1_u32.to_be_bytes().to_vec(), string(&public(key)), string(b"a token")].concat(),
            13 if take(&mut rest) == public(key) => [vec![14], string(&sign(key, take(&mut rest)))].concat(),
            _ => vec![5],
        };
        client.write_all(&string(&answer)).unwrap();
    }
}

fn agent(site: &Site, key: PrivateKey) -> PathBuf {
    let socket = site.path("token-agent");
    let listener = UnixListener::bind(&socket).unwrap();
    let key = Arc::new(key);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let key = Arc::clone(&key);
            std::thread::spawn(move || serve(client, &key));
        }
    });
    socket
}

#[tokio::test]
async fn a_fido_key_of_the_agent_logs_in() {
    let mut site = Site::new();
    let file = site.path("inside the token");
    keygen(&file, "ed25519", "");
    let key = russh::keys::load_secret_key(&file, None).unwrap();
    let line = format!("{KIND} {} token\n", base64::engine::general_purpose::STANDARD.encode(public(&key)));
    std::fs::write(site.path("sshd/authorized_keys"), &line).unwrap();
    site.options.agent = Some(agent(&site, key));
    site.configure("Host gpu07\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile none\n");
    let session = site.connect("gpu07").await.unwrap();
    assert_eq!(output(&session, "echo there").await, "there");

    // By the file of its public half, and no other key.
    std::fs::write(site.path("id_token.pub"), &line).unwrap();
    site.configure(
        "Host gpu07\n  HostName 127.0.0.1\n  Port {port}\n  IdentitiesOnly yes\n  IdentityFile {dir}/id_token.pub\n",
    );
    site.connect("gpu07").await.unwrap();
}
