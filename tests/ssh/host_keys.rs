//! Is it the host? Keys that are learned, that have changed, and certificates; and `ssh` has to be of the same opinion.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use converge::model::Secret;
use converge::transport::{Connector as _, TransportError};

use crate::login::with_password;
use crate::site::{Site, in_full, server, target};
use crate::sshd::{Sshd, SshdOptions, keygen, public_key};

const REACHED: &str = "Host gpu07\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n";

/// Whether `ssh` itself would connect; it is kept from learning anything.
fn ssh_connects(site: &Site) -> bool {
    let kept = fs::read(site.path(".ssh/known_hosts")).unwrap_or_default();
    let connected = Command::new("ssh")
        .arg("-F")
        .arg(site.path(".ssh/config"))
        .args(["-o", "UpdateHostKeys=no", "-o", "BatchMode=yes", "gpu07", "true"])
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    fs::write(site.path(".ssh/known_hosts"), kept).unwrap();
    connected.status.success()
}

/// The site with its known_hosts where both programs look, and more lines for the host.
fn configure(site: &Site, more: &str) {
    let files = "  UserKnownHostsFile {dir}/.ssh/known_hosts\n  GlobalKnownHostsFile none\n";
    site.configure(&format!("{REACHED}{files}{more}"));
}

fn known_hosts(site: &Site) -> String {
    fs::read_to_string(site.path(".ssh/known_hosts")).unwrap()
}

#[tokio::test]
async fn accept_new_learns_a_key_and_holds_to_it() {
    let site = Site::new();
    site.knows("# nobody yet, and no end of the line");
    configure(&site, "  StrictHostKeyChecking accept-new\n");
    let connector = site.connector();
    connector.connect(&target("gpu07")).await.unwrap();
    connector.connect(&target("gpu07")).await.unwrap();
    let line = format!("[127.0.0.1]:{} {}", site.sshd.port, site.sshd.host_key("ed25519"));
    assert_eq!(known_hosts(&site), format!("# nobody yet, and no end of the line\n{line}\n"));
    assert_eq!(site.heard().len(), 1, "{:?}", site.heard());
    assert!(site.heard()[0].contains("was not known; it is trusted from now on"), "{:?}", site.heard());

    configure(&site, "  StrictHostKeyChecking yes\n");
    assert!(ssh_connects(&site));
    site.connect("gpu07").await.unwrap();

    // Another key is another host, also for the next one who would learn.
    keygen(&site.path("other"), "ed25519", "");
    site.knows(&format!("[127.0.0.1]:{} {}\n", site.sshd.port, public_key(&site.path("other"))));
    configure(&site, "  StrictHostKeyChecking accept-new\n");
    let error = site.fails("gpu07").await;
    assert!(matches!(error, TransportError::HostKeyChanged { .. }), "{error}");
    assert!(
        error.to_string().matches("SHA256:").count() == 2 && error.to_string().contains("known_hosts:1"),
        "{error}"
    );
    assert!(!ssh_connects(&site));
}

#[tokio::test]
async fn learned_names_are_hashed_or_aliases_as_configured() {
    let site = Site::new();
    site.knows("");
    configure(&site, "  StrictHostKeyChecking accept-new\n  HashKnownHosts yes\n  HostKeyAlias The-Alias\n");
    site.connect("gpu07").await.unwrap();
    assert!(known_hosts(&site).starts_with("|1|"), "{}", known_hosts(&site));
    let found = Command::new("ssh-keygen").args(["-F", "the-alias", "-f"]).arg(site.path(".ssh/known_hosts")).output();
    assert!(String::from_utf8_lossy(&found.unwrap().stdout).contains("found: line 1"));
    configure(&site, "  StrictHostKeyChecking yes\n  HostKeyAlias the-alias\n");
    site.connect("gpu07").await.unwrap();
    assert!(ssh_connects(&site));
}

#[tokio::test]
async fn many_hosts_are_learned_at_once_line_by_line() {
    let site = Site::new();
    site.knows("torn");
    let behind: Vec<Sshd> = (0..8)
        .map(|n| server(site.dir.path(), &format!("gpu{n}"), &public_key(&site.key), &SshdOptions::default()))
        .collect();
    let hosts = behind.iter().enumerate();
    let hosts = hosts.map(|(n, server)| format!("Host gpu{n}\n  HostName 127.0.0.1\n  Port {}\n", server.port));
    let all = "Host *\n  StrictHostKeyChecking accept-new\n  IdentityFile {key}\n  UserKnownHostsFile {dir}/.ssh/known_hosts\n";
    site.configure(&(hosts.collect::<String>() + all));
    let connector = Arc::new(site.connector());
    let mut connecting = tokio::task::JoinSet::new();
    for n in 0..8 {
        let connector = Arc::clone(&connector);
        connecting.spawn(async move { connector.connect(&target(&format!("gpu{n}"))).await.map(|_| ()) });
    }
    connecting.join_all().await.into_iter().for_each(|ended| ended.unwrap());
    let text = known_hosts(&site);
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    lines.sort_unstable();
    let expected: String = behind.iter().map(Sshd::known_hosts).collect();
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!((text.lines().next(), lines), (Some("torn"), expected));
}

#[tokio::test]
async fn no_checking_means_what_it_says_and_is_told() {
    let site = Site::new();
    keygen(&site.path("other"), "rsa", "");
    let other = public_key(&site.path("other"));
    site.knows(&format!("[127.0.0.1]:{} {other}\n", site.sshd.port));
    configure(&site, "  StrictHostKeyChecking no\n");
    assert!(ssh_connects(&site));
    site.connect("gpu07").await.unwrap();
    let heard = site.heard();
    assert!(heard[0].contains("StrictHostKeyChecking is no (for gpu07"), "{heard:?}");
    assert!(heard[1].contains("HOST KEY HAS CHANGED") && heard[1].contains("no password is sent"), "{heard:?}");

    // What is marked as revoked is refused even so: there `ssh` is laxer.
    site.knows(&format!("@revoked * {}\n", site.sshd.host_key("ed25519")));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyRevoked { .. }));

    // Nobody is known, and nobody is to be: the usual way of throw-away machines.
    site.configure(&format!("{REACHED}  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"));
    site.connect("gpu07").await.unwrap();
    assert!(Path::new("/dev/null").metadata().unwrap().len() == 0);
}

#[tokio::test]
async fn a_host_that_may_be_anybody_gets_no_password() {
    let Some(mut site) = with_password("UsePAM no\nPasswordAuthentication yes\nPubkeyAuthentication no") else {
        return;
    };
    site.options.password = Some(Secret::new("correct horse"));
    configure(&site, "  StrictHostKeyChecking no\n");
    site.connect("gpu07").await.unwrap();
    keygen(&site.path("other"), "ed25519", "");
    site.knows(&format!("[127.0.0.1]:{} {}\n", site.sshd.port, public_key(&site.path("other"))));
    assert!(matches!(site.fails("gpu07").await, TransportError::AuthRejected { .. }));
    assert!(!site.sshd.log().contains("Failed password"), "{}", site.sshd.log());
}

#[tokio::test]
async fn a_key_that_is_known_for_the_address_will_do_on_another_port() {
    let site = Site::new();
    configure(&site, "  StrictHostKeyChecking yes\n");
    site.knows(&format!("127.0.0.1 {}\n", site.sshd.host_key("ed25519")));
    assert!(ssh_connects(&site));
    site.connect("gpu07").await.unwrap();
    keygen(&site.path("other"), "ed25519", "");
    site.knows(&format!("127.0.0.1 {}\n", public_key(&site.path("other"))));
    assert!(!ssh_connects(&site));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyUnknown { .. }));
    site.knows(&format!("127.0.0.1 {0}\n@revoked 127.0.0.1 {0}\n", site.sshd.host_key("ed25519")));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyRevoked { .. }));
}

#[tokio::test]
async fn a_short_host_key_is_refused_where_configuration_wants_longer_ones() {
    let site = Site::with(&SshdOptions { host_keys: vec!["rsa"], ..SshdOptions::default() });
    for (least, fine) in [(2048, true), (8192, false)] {
        configure(&site, &format!("  RequiredRSASize {least}\n"));
        assert_eq!(ssh_connects(&site), fine);
        match site.connect("gpu07").await {
            Ok(_) => assert!(fine),
            Err(error) => assert!(matches!(&error, TransportError::HostKeyShort { .. }) && !fine, "{error}"),
        }
    }
}

/// A site whose server shows a certificate, made with these options of ssh-keygen.
fn certified(kind: &'static str, options: &[&str]) -> Site {
    let mut site = Site::new();
    keygen(&site.path("ca"), "ed25519", "");
    let dir = site.path("certified");
    fs::create_dir(&dir).unwrap();
    let key = dir.join(format!("host_{kind}"));
    keygen(&key, kind, "");
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(site.path("ca"))
        .args(["-I", "host"])
        .args(options)
        .arg(key.with_extension("pub"))
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let config = format!("HostCertificate {}", dir.join(format!("host_{kind}-cert.pub")).display());
    let options = SshdOptions { host_keys: vec![kind], config, ..SshdOptions::default() };
    site.sshd = Sshd::start(&dir, &public_key(&site.key), &options);
    site.knows(&format!("@cert-authority *.site,127.0.0.1 {}\n", public_key(&site.path("ca"))));
    configure(&site, "  HostKeyAlias gpu07.site\n");
    site
}

#[tokio::test]
async fn host_certificates_are_accepted_by_the_authority_that_is_known() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        for principals in ["gpu07.site", "x,gpu07.site"] {
            let site = certified(kind, &["-h", "-n", principals]);
            assert!(ssh_connects(&site), "{kind} {principals}");
            site.connect("gpu07").await.unwrap_or_else(|error| panic!("{kind} {principals}: {error}"));
        }
    }
    // By the address, whose port the authority's line doesn't name.
    let site = certified("ed25519", &["-h", "-n", "127.0.0.1"]);
    configure(&site, "");
    assert!(ssh_connects(&site));
    site.connect("gpu07").await.unwrap();
}

#[tokio::test]
async fn host_certificates_that_do_not_hold_are_refused_with_the_reason() {
    for (options, about) in [
        (&["-h", "-n", "gpu08.site"][..], "it is for gpu08.site, not for gpu07.site"),
        (&["-h", "-n", "gpu*.site"], "it is for gpu*.site, not for gpu07.site"),
        (&["-h"], "it isn't for any host"),
        (&["-h", "-n", "gpu07.site", "-V", "20200101:20200102"], "it ran out at 2020-01-0"),
        (&["-h", "-n", "gpu07.site", "-V", "20990101:20990102"], "it isn't valid yet"),
    ] {
        let site = certified("ed25519", options);
        // Only some versions of ssh are of our opinion on one that is for nobody.
        assert!(about.contains("any host") || !ssh_connects(&site), "{about}");
        let error = site.fails("gpu07").await;
        assert!(matches!(error, TransportError::HostCertificate { .. }), "{error}");
        let text = in_full(&error);
        assert!(text.contains(about) && text.contains("known_hosts:1"), "{text}");
    }
}

#[tokio::test]
async fn an_authority_may_be_revoked_restricted_or_another_one() {
    let site = certified("ed25519", &["-h", "-n", "gpu07.site"]);
    let ca = public_key(&site.path("ca"));
    site.knows(&format!("@cert-authority *.site {ca}\n@revoked *.site {ca}\n"));
    assert!(!ssh_connects(&site));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyRevoked { .. }));

    site.knows(&format!("@cert-authority *.site {ca}\n"));
    configure(&site, "  HostKeyAlias gpu07.site\n  CASignatureAlgorithms rsa-sha2-512\n");
    assert!(!ssh_connects(&site));
    assert!(in_full(&site.fails("gpu07").await).contains("it is signed by ssh-ed25519 (CASignatureAlgorithms)"));

    // By another authority it counts for nothing, and its key is a key like any other.
    configure(&site, "  HostKeyAlias gpu07.site\n");
    keygen(&site.path("other"), "ed25519", "");
    let other = format!("@cert-authority *.site {}\n", public_key(&site.path("other")));
    site.knows(&other);
    assert!(!ssh_connects(&site));
    let error = site.fails("gpu07").await;
    assert!(matches!(error, TransportError::HostKeyUnknown { authority: Some(_), .. }), "{error}");
    site.knows(&format!("{other}gpu07.site {}\n", site.sshd.host_key("ed25519")));
    assert!(ssh_connects(&site));
    site.connect("gpu07").await.unwrap();

    // An authority's key is nobody's host key.
    site.knows(&format!("@cert-authority *.site {}\n", site.sshd.host_key("ed25519")));
    assert!(!ssh_connects(&site));
    assert!(matches!(site.fails("gpu07").await, TransportError::HostKeyUnknown { .. }));
}
