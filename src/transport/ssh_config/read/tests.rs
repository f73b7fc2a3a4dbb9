use std::path::Path;

use super::*;
use crate::transport::ssh_config::tokens::LocalFacts;

/// What an empty configuration says, as far as it matters here.
const BASELINE: &str = "hostname localhost\nuser kim\nport 22\nstricthostkeychecking ask\nhashknownhosts no\n\
    identitiesonly no\nidentityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519\nconnecttimeout none\n\
    serveraliveinterval 0\nserveralivecountmax 3\nrekeylimit 0 0\nciphers aes128-ctr,aes256-ctr\ncompression no\n\
    userknownhostsfile /home/kim/.ssh/known_hosts /home/kim/.ssh/known_hosts2\nglobalknownhostsfile /etc/ssh/k\n\
    connectionattempts 1\nrequiredrsasize 1024\naddressfamily any\npubkeyauthentication true\n";

fn options() -> SshOptions {
    let mut options = SshOptions::for_home("kim", Path::new("/home/kim"));
    let environment = [("LANG", "de"), ("LC_ALL", "de"), ("SITE_ID", "7"), ("SITE", "x"), ("OTHER", "y")];
    options.local = LocalFacts {
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..options.local
    };
    options.agent = Some("/run/agent".into());
    options
}

/// The settings of gpu07 where these lines differ from those of an empty configuration.
fn settings(lines: &str) -> Result<SshSettings, String> {
    let changed = Dump::parse(lines);
    let mut dump = changed.clone();
    let baseline = Dump::parse(BASELINE);
    if changed.get("hostname").is_none() {
        dump.add("hostname", "gpu07");
    }
    for keyword in baseline.keywords().filter(|keyword| *keyword != "hostname" && changed.get(keyword).is_none()) {
        baseline.all(keyword).iter().for_each(|value| dump.add(keyword, value));
    }
    let question = Question { name: "gpu07", file_is_named: lines.contains("identityfile /named") };
    read(question, &dump, &baseline, &options()).map(|(settings, _)| settings).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_set_is_our_own_default() {
    let settings = settings("").unwrap();
    assert_eq!((settings.user.as_str(), settings.port, &settings.way), ("kim", 22, &Way::Direct));
    assert!(settings.algorithms.ciphers.is_none() && settings.algorithms.kex.is_none());
    assert_eq!(settings.network.keepalive_interval, Duration::from_secs(15));
    assert_eq!(settings.network.connect_timeout, Duration::from_secs(10));
    let identities = &settings.login.identities;
    assert!(!identities.named && identities.files.len() == 5 && identities.agent.is_some());
    assert_eq!(settings.host_keys.checking, HostKeyChecking::Strict);
    assert_eq!(settings.host_keys.files[0], Path::new("/home/kim/.ssh/known_hosts"));
    assert_eq!(settings.host_keys.files.len(), 4);
}

#[test]
fn what_is_set_counts() {
    let settings = settings(
        "hostname 10.0.0.7\nuser bai\nport 2222\nidentityfile /named\nidentityfile ~/.ssh/%h\nidentitiesonly yes\n\
         identityagent /run/%n\nuserknownhostsfile ~/k_%n /b\nglobalknownhostsfile none\nhostkeyalias gpu\n\
         stricthostkeychecking accept-new\nhashknownhosts yes\nconnecttimeout 3\nserveraliveinterval 5\n\
         serveralivecountmax 2\nrekeylimit 1048576 60\nciphers aes256-ctr,3des-cbc\ncompression yes\n\
         addressfamily inet6\nbindaddress ::1\nconnectionattempts 4\nrequiredrsasize 3072\npasswordauthentication no\n\
         preferredauthentications password,publickey\ncertificatefile ~/c\nsetenv A=b c\nsendenv SITE*\nsendenv L*\n",
    )
    .unwrap();
    assert_eq!((settings.address.as_str(), settings.user.as_str(), settings.port), ("10.0.0.7", "bai", 2222));
    let identities = &settings.login.identities;
    assert_eq!(identities.files, [Path::new("/named"), Path::new("/home/kim/.ssh/10.0.0.7")]);
    assert!(identities.only && identities.file_first && identities.named);
    assert_eq!(identities.agent.as_deref(), Some(Path::new("/run/gpu07")));
    assert_eq!(identities.certificates, [Path::new("/home/kim/c")]);
    assert_eq!((identities.least_rsa_bits, settings.host_keys.least_rsa_bits), (3072, 3072));
    assert_eq!(settings.login.methods, [LoginMethod::PublicKey]);
    assert_eq!(settings.host_keys.files, [Path::new("/home/kim/k_gpu07"), Path::new("/b")]);
    assert_eq!(settings.host_keys.own_file.as_deref(), Some(Path::new("/home/kim/k_gpu07")));
    assert_eq!(settings.host_keys.alias.as_deref(), Some("gpu"));
    assert_eq!((settings.host_keys.checking, settings.host_keys.hash), (HostKeyChecking::AcceptNew, true));
    let network = &settings.network;
    assert_eq!((network.connect_timeout, network.keepalive_interval), (Duration::from_secs(3), Duration::from_secs(5)));
    assert_eq!((network.keepalive_max, network.attempts, network.family), (2, 4, AddressFamily::V6));
    assert_eq!((network.rekey_bytes, network.rekey_time), (Some(1_048_576), Some(Duration::from_secs(60))));
    assert_eq!(settings.algorithms.ciphers.as_ref().map(Vec::len), Some(1));
    assert!(settings.algorithms.compression);
    let environment: Vec<_> = settings.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["A=b c", "SITE=x", "SITE_ID=7"]);
}

#[test]
fn ways_through_other_hosts_are_read() {
    let way = |lines: &str| settings(lines).unwrap().way;
    assert_eq!(way("proxycommand nc %h %p"), Way::Command("nc gpu07 22".into()));
    assert_eq!(way("proxycommand none"), Way::Direct);
    let jump =
        |user: Option<&str>, name: &str, port| JumpHost { user: user.map(str::to_owned), name: name.into(), port };
    assert_eq!(
        way("proxyjump kim@a:2022,[::1]:33,%r@j-%h,::2,ssh://x@y:4/"),
        Way::Jump(vec![
            jump(Some("kim"), "a", Some(2022)),
            jump(None, "::1", Some(33)),
            jump(Some("kim"), "j-gpu07", None),
            jump(None, "::2", None),
            jump(Some("x"), "y", Some(4)),
        ])
    );
    for wrong in ["a b", "-oProxyCommand=x", "a:port", "[::1", "", "a,,b", "@a", "a:0x"] {
        assert!(settings(&format!("proxyjump {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn what_can_not_be_used_is_an_error_that_names_the_keyword() {
    for (lines, about) in [
        ("port x", "port to \"x\""),
        ("userknownhostsfile /a b", "a full path was expected"),
        ("identityfile /x%z", "%z means nothing here"),
        ("identityfile ~other/x", "another user's home"),
        ("ciphers 3des-cbc", "for Ciphers is supported: 3des-cbc"),
        ("kexalgorithms sntrup761x25519-sha512", "for KexAlgorithms"),
        ("hostkeyalgorithms ssh-dss", "for HostKeyAlgorithms"),
        ("rekeylimit x y", "two numbers"),
        ("connecttimeout soon", "a number was expected"),
        ("revokedhostkeys /x", "must not be ignored"),
    ] {
        let error = settings(lines).unwrap_err();
        assert!(error.contains(about), "{lines}: {error}");
    }
}
