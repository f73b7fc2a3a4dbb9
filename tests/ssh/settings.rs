//! What configuration and inventory say is what a connection does.

use std::fs;

use converge::transport::{Connector as _, SshTarget, TargetKind, TransportError};

use crate::site::{Site, in_full, output, target};
use crate::sshd::{SshdOptions, public_key};

const REACHED: &str = "Host gpu07\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n";

#[tokio::test]
async fn whoever_can_ssh_gpu07_can_connect_to_gpu07() {
    let site = Site::new();
    site.configure(REACHED);
    let session = site.connect("gpu07").await.unwrap();
    assert_eq!(output(&session, "echo $((6 * 7))").await, "42");
    // Another name isn't told where to go, nor with what key.
    assert!(matches!(site.fails("gpu08").await, TransportError::Resolve { .. }));
}

#[tokio::test]
async fn the_inventory_wins_over_configuration_and_its_options_do_too() {
    let site = Site::new();
    site.configure("Host gpu07\n  HostName 127.0.0.1\n  Port 1\n  User nobody\n  IdentityFile /nonexistent\n");
    assert!(matches!(site.fails("gpu07").await, TransportError::Connect { .. }));
    let mut target = target("gpu07");
    let TargetKind::Ssh(ssh) = &mut target.kind else { unreachable!() };
    *ssh = SshTarget {
        port: Some(site.sshd.port),
        user: Some(crate::sshd::user()),
        identity_file: Some(site.key.clone()),
        options: vec!["-o".into(), "SetEnv=A=1".into(), "-p".into(), "1".into(), "-oBindAddress=127.0.0.3".into()],
        ..ssh.clone()
    };
    let session = site.connector().connect(&target).await.unwrap();
    assert!(output(&session, "echo $SSH_CONNECTION").await.starts_with("127.0.0.3 "));
}

#[tokio::test]
async fn the_file_that_the_inventory_names_replaces_the_others() {
    let site = Site::new();
    site.configure(REACHED);
    let other = site.path("other config");
    fs::rename(site.path(".ssh/config"), &other).unwrap();
    site.configure("Host gpu07\n  HostName 127.0.0.1\n  Port 1\n");
    let mut target = target("gpu07");
    let TargetKind::Ssh(ssh) = &mut target.kind else { unreachable!() };
    ssh.config = Some(other);
    site.connector().connect(&target).await.unwrap();
}

#[tokio::test]
async fn known_hosts_files_and_aliases_are_those_of_the_configuration() {
    let site = Site::new();
    site.knows("");
    fs::write(site.path("k_gpu07"), format!("the-alias {}\n", site.sshd.host_key("ed25519"))).unwrap();
    site.configure(&format!("{REACHED}  HostKeyAlias the-alias\n  UserKnownHostsFile {{dir}}/none {{dir}}/k_%n\n"));
    site.connect("gpu07").await.unwrap();
    site.configure(&format!("{REACHED}  HostKeyAlias another\n  UserKnownHostsFile {{dir}}/k_%n\n"));
    let error = site.fails("gpu07").await;
    assert!(error.to_string().contains("looked for \"another\" in "), "{error}");
}

#[tokio::test]
async fn the_environment_reaches_a_server_that_accepts_it() {
    let config = "AcceptEnv SITE_* LANG LC_*".to_owned();
    let mut site = Site::with(&SshdOptions { config, ..SshdOptions::default() });
    for (name, value) in [("SITE_A", "seoul"), ("LANG", "ko_KR.UTF-8"), ("LC_ALL", "ko_KR.UTF-8"), ("OTHER", "x")] {
        site.options.local.environment.insert(name.into(), value.into());
    }
    site.configure(&format!("{REACHED}  SendEnv SITE_A LANG LC_* OTHER\n  SetEnv SITE_B=\"two words\" REFUSED=1\n"));
    let session = site.connect("gpu07").await.unwrap();
    let seen = output(&session, "echo \"$SITE_A|$SITE_B|$REFUSED|$LC_ALL|$OTHER\"").await;
    assert_eq!(seen, "seoul|two words|||");
}

#[tokio::test]
async fn algorithms_are_those_of_the_configuration_and_none_in_common_says_both() {
    let config = "LogLevel DEBUG1\nCiphers aes256-ctr,aes128-gcm@openssh.com".to_owned();
    let site = Site::with(&SshdOptions { config, ..SshdOptions::default() });
    let algorithms = "  Ciphers 3des-cbc,aes256-ctr\n  MACs hmac-sha2-512\n  KexAlgorithms ecdh-sha2-nistp384\n  \
        Compression yes\n  RekeyLimit 16M 1h\n";
    site.configure(&format!("{REACHED}{algorithms}"));
    let session = site.connect("gpu07").await.unwrap();
    // More than the limit, so that keys are exchanged in the middle of it.
    assert_eq!(output(&session, "head -c 40000000 /dev/urandom | tail -c 5 >/dev/null; echo fine").await, "fine");
    let log = site.sshd.log();
    for word in
        ["cipher: aes256-ctr MAC: hmac-sha2-512", "algorithm: ecdh-sha2-nistp384", "compression: zlib@openssh.com"]
    {
        assert!(log.contains(word), "{word}: {log}");
    }
    site.configure(&format!("{REACHED}  Ciphers aes192-ctr\n"));
    let error = site.fails("gpu07").await;
    assert!(matches!(error, TransportError::NoCommonAlgorithm { kind: "cipher", .. }), "{error}");
    site.configure(&format!("{REACHED}  KexAlgorithms sntrup761x25519-sha512@openssh.com\n"));
    let error = site.fails("gpu07").await;
    assert!(in_full(&error).contains("for KexAlgorithms is supported: sntrup761"), "{}", in_full(&error));
    assert!(error.hint().unwrap().contains("ansible_ssh_common_args"));
}

#[tokio::test]
async fn host_key_algorithms_choose_among_the_keys_of_a_server() {
    let site = Site::with(&SshdOptions { host_keys: vec!["ed25519", "rsa", "ecdsa"], ..SshdOptions::default() });
    site.configure(&format!("{REACHED}  HostKeyAlgorithms ssh-rsa,rsa-sha2-256\n"));
    site.connect("gpu07").await.unwrap();
    // What is allowed isn't what is known: the key that is shown is another one.
    site.knows(&format!("[127.0.0.1]:{} {}\n", site.sshd.port, site.sshd.host_key("ed25519")));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyChanged { .. }));
}

#[tokio::test]
async fn only_the_agent_and_the_keys_that_are_named_are_used() {
    let mut site = Site::new();
    let agent = crate::sshd::SshAgent::start(site.dir.path());
    for name in ["a", "b", "c", "d", "e", "f"] {
        crate::sshd::keygen(&site.path(name), "ed25519", "");
        agent.add(&site.path(name), "");
    }
    agent.add(&site.key, "");
    fs::rename(&site.key, site.path("moved")).unwrap();
    fs::write(&site.key, "not a key; only its public half is of use").unwrap();
    site.options.agent = Some(agent.socket.clone());
    site.configure(&format!("{REACHED}  IdentitiesOnly yes\n"));
    site.connect("gpu07").await.unwrap();
    site.configure(&format!("{REACHED}  IdentityAgent none\n"));
    let error = site.fails("gpu07").await;
    assert!(matches!(error, TransportError::NoIdentity { .. }), "{error}");
    site.options.agent = None;
    site.configure(&format!("{REACHED}  IdentityAgent {}\n", agent.socket.display()));
    site.connect("gpu07").await.unwrap();
    assert!(public_key(&site.key).starts_with("ssh-ed25519"));
}

#[tokio::test]
async fn keys_that_are_not_allowed_are_not_offered() {
    let site = Site::new();
    for (line, about) in [
        ("PubkeyAcceptedAlgorithms rsa-sha2-512", "not allowed by SSH configuration (PubkeyAcceptedAlgorithms)"),
        ("IdentityFile none", "no key to log in with"),
    ] {
        let reached = if line.contains("none") { "Host *\n  HostName 127.0.0.1\n  Port {port}\n" } else { REACHED };
        site.configure(&format!("{reached}  {line}\n"));
        let error = site.fails("gpu07").await.to_string();
        assert!(error.contains(about), "{error}");
    }
}

#[tokio::test]
async fn a_family_of_addresses_that_a_name_lacks_is_named() {
    let site = Site::new();
    site.configure(&format!("{REACHED}  AddressFamily inet6\n"));
    let error = in_full(&site.fails("gpu07").await);
    assert!(error.contains("it has no IPv6 address, and AddressFamily is inet6"), "{error}");
}

#[tokio::test]
async fn what_is_not_supported_is_named_or_refused() {
    let site = Site::new();
    site.configure(&format!("{REACHED}  ForwardAgent yes\n"));
    site.connect("gpu07").await.unwrap();
    assert!(site.heard()[0].contains("sets forwardagent to yes"), "{:?}", site.heard());
    site.configure(&format!("{REACHED}  RevokedHostKeys {{dir}}/revoked\n"));
    let error = site.fails("gpu07").await;
    assert!(in_full(&error).contains("revokedhostkeys"), "{}", in_full(&error));
    assert!(!error.is_unreachable());
}
