//! The resolver against the real `ssh -G`: some hundred configurations made at random, and how often it is asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::resolver::{ConfigError, Request, Resolver, SshConfig};
use super::settings::{HostKeyChecking, SshSettings, Way};
use super::tokens::LocalFacts;
use crate::transport::{Notices, SshOptions};

/// A generator of numbers that gives the same ones for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const NAMES: [&str; 7] = ["gpu01", "gpu02", "gpu10", "mgr1", "mgr2", "web.example", "10.0.0.7"];

const BLOCKS: [&str; 12] = [
    "Host *",
    "Host gpu*",
    "Host gpu0? !gpu02",
    "Host mgr1 web.example",
    "Host 10.0.0.*",
    "Match host gpu*,mgr*",
    "Match originalhost gpu01 user bai",
    "Match all",
    "Match user bai",
    "Match host *.example exec \"true\"",
    "Match final host gpu*",
    "Match !host gpu* exec \"test %h = mgr2\"",
];

const OPTIONS: [&str; 34] = [
    "HostName %h.internal",
    "HostName 10.9.8.7",
    "Port 2222",
    "Port=2200",
    "User bai",
    "User kim",
    "IdentityFile ~/.ssh/id_%h_%r",
    "IdentityFile \"/srv/my keys/%n\"",
    "IdentityFile none",
    "IdentitiesOnly yes",
    "IdentityAgent none",
    "IdentityAgent /run/agent-%p",
    "CertificateFile ~/certs/%n-cert.pub",
    "UserKnownHostsFile /srv/known_%h /srv/known",
    "UserKnownHostsFile /dev/null",
    "GlobalKnownHostsFile none",
    "HostKeyAlias alias-of-%n",
    "HostKeyAlias gpu",
    "StrictHostKeyChecking yes",
    "StrictHostKeyChecking accept-new",
    "StrictHostKeyChecking no",
    "ConnectTimeout 7",
    "ServerAliveInterval 20",
    "ServerAliveCountMax 5",
    "ProxyJump kim@jump-%h:2022,last",
    "ProxyCommand nc -X 5 %h %p",
    "Compression yes",
    "HashKnownHosts yes",
    "SetEnv SITE=seoul RACK=\"4 b\"",
    "AddressFamily inet",
    "BindAddress 127.0.0.1",
    "Ciphers aes256-ctr,aes128-ctr",
    "RekeyLimit 1G 1h",
    "RequiredRSASize 3072",
];

fn config_text(random: &mut Random, include: Option<&Path>) -> String {
    let mut text = String::new();
    for _ in 0..random.below(3) {
        text.push_str(&format!("{}\n", random.of(&OPTIONS)));
    }
    for _ in 0..1 + random.below(5) {
        text.push_str(&format!("\n{}\n", random.of(&BLOCKS)));
        for _ in 0..1 + random.below(4) {
            text.push_str(&format!("\t{}\n", random.of(&OPTIONS)));
        }
        if let Some(file) = include.filter(|_| random.below(3) == 0) {
            text.push_str(&format!("  Include {}\n", file.display()));
        }
    }
    text
}

fn options(home: &Path, config: Option<SshConfig>) -> SshOptions {
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap().trim().to_owned();
    let mut options = SshOptions::for_home(user, home);
    options.local = LocalFacts { machine: "ops".into(), ..options.local };
    options.config = config;
    options
}

fn config(file: &Path) -> SshConfig {
    SshConfig {
        program: Some("/usr/bin/ssh".into()),
        user_file: file.into(),
        system_file: "/nonexistent".into(),
        instead: Some(file.into()),
        cache: None,
    }
}

/// What `ssh -G` says, by keyword.
fn oracle(file: &Path, words: &[String], name: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let said =
        std::process::Command::new("/usr/bin/ssh").args(["-T", "-G", "-F"]).arg(file).args(words).arg(name).output();
    let said = said.expect("ssh runs: is openssh-client installed?");
    let mut answer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(said.stdout).unwrap().lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        answer.entry(keyword.into()).or_default().push(value.into());
    }
    said.status.success().then_some(answer)
}

/// The settings in the words of `ssh -G`, as far as both have them.
fn compare(settings: &SshSettings, said: &BTreeMap<String, Vec<String>>, name: &str, home: &Path) -> Vec<String> {
    let first = |keyword: &str| said.get(keyword).and_then(|values| values.first()).cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    let mut equal = |keyword: &str, ours: String, theirs: String| {
        if ours != theirs {
            wrong.push(format!("{name}: {keyword}: ours {ours:?}, ssh's {theirs:?}"));
        }
    };
    let (address, port, user) = (first("hostname"), first("port"), first("user"));
    // Written out once more, as the manual has it.
    let expand = |text: &str| {
        let home = home.display().to_string();
        let text = text.strip_prefix("~/").map_or(text.to_owned(), |rest| format!("{home}/{rest}"));
        text.replace("%h", &address).replace("%n", name).replace("%r", &user).replace("%p", &port)
    };
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("|");
    equal("hostname", settings.address.clone(), address.clone());
    equal("port", settings.port.to_string(), port.clone());
    equal("user", settings.user.clone(), user.clone());
    let identities = &settings.login.identities;
    if identities.named {
        let theirs: Vec<String> =
            said["identityfile"].iter().filter(|file| *file != "none").map(|file| expand(file)).collect();
        equal("identityfile", paths(&identities.files), theirs.join("|"));
    } else {
        equal("identityfile", "~/.ssh/id_rsa".into(), first("identityfile"));
    }
    equal("identitiesonly", identities.only.to_string(), (first("identitiesonly") == "yes").to_string());
    let certificates: Vec<_> = said.get("certificatefile").into_iter().flatten().map(|file| expand(file)).collect();
    equal("certificatefile", paths(&identities.certificates), certificates.join("|"));
    let agent = identities.agent.as_ref().map_or("none".into(), |agent| agent.display().to_string());
    equal(
        "identityagent",
        agent,
        Some(first("identityagent")).filter(|agent| !agent.is_empty()).unwrap_or("none".into()),
    );
    let host_keys = &settings.host_keys;
    equal("hostkeyalias", host_keys.alias.clone().unwrap_or_default(), first("hostkeyalias"));
    let checking = match host_keys.checking {
        HostKeyChecking::Strict => ["true", "ask", "yes"].contains(&first("stricthostkeychecking").as_str()),
        HostKeyChecking::AcceptNew => first("stricthostkeychecking") == "accept-new",
        HostKeyChecking::Off => ["false", "no", "off"].contains(&first("stricthostkeychecking").as_str()),
    };
    equal("stricthostkeychecking", checking.to_string(), "true".into());
    equal("hashknownhosts", host_keys.hash.to_string(), (first("hashknownhosts") == "yes").to_string());
    let known = first("userknownhostsfile");
    if known.starts_with("/srv") || known == "/dev/null" {
        equal("userknownhostsfile", paths(&host_keys.files[..known.split(' ').count()]), known.replace(' ', "|"));
    }
    let way = match &settings.way {
        Way::Direct => String::new(),
        Way::Command(command) => command.clone(),
        Way::Jump(hosts) => {
            let word = |host: &super::settings::JumpHost| {
                let user = host.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
                format!("{user}{}{}", host.name, host.port.map_or(String::new(), |port| format!(":{port}")))
            };
            hosts.iter().map(word).collect::<Vec<_>>().join(",")
        }
    };
    equal("proxy", way, expand(&(first("proxyjump") + &first("proxycommand"))));
    let network = &settings.network;
    if first("connecttimeout") != "none" {
        equal("connecttimeout", network.connect_timeout.as_secs().to_string(), first("connecttimeout"));
    }
    if first("serveraliveinterval") != "0" {
        equal("serveraliveinterval", network.keepalive_interval.as_secs().to_string(), first("serveraliveinterval"));
        equal("serveralivecountmax", network.keepalive_max.to_string(), first("serveralivecountmax"));
    }
    equal("bindaddress", network.bind_address.clone().unwrap_or_default(), first("bindaddress"));
    let rekey = (network.rekey_bytes.unwrap_or(0), network.rekey_time.map_or(0, |time| time.as_secs()));
    equal("rekeylimit", format!("{} {}", rekey.0, rekey.1), first("rekeylimit"));
    equal("compression", settings.algorithms.compression.to_string(), (first("compression") == "yes").to_string());
    let environment: Vec<_> = settings.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    equal("setenv", environment.join("|"), said.get("setenv").cloned().unwrap_or_default().join("|"));
    equal("requiredrsasize", host_keys.least_rsa_bits.to_string(), first("requiredrsasize"));
    wrong
}

/// 200 configurations, each for three names by one resolver, which may take one answer for another name's.
#[tokio::test]
async fn some_hundred_configurations_mean_here_what_they_mean_to_ssh() {
    let mut random = Random(0x5EED_1234_ABCD_0001);
    let dir = tempfile::tempdir().unwrap();
    let (file, include) = (dir.path().join("config"), dir.path().join("more"));
    let (mut wrong, mut compared, mut refused) = (Vec::new(), 0, 0);
    for round in 0..200 {
        fs::write(&include, config_text(&mut random, None)).unwrap();
        let text = config_text(&mut random, Some(&include));
        fs::write(&file, &text).unwrap();
        let options = options(dir.path(), Some(config(&file)));
        let resolver = Resolver::new();
        let port = (random.below(4) == 0).then_some(4022);
        let user = (random.below(4) == 0).then(|| "lee".to_owned());
        let extra: Vec<String> = if random.below(4) == 0 {
            vec!["-o".into(), random.of(&OPTIONS).replacen(' ', "=", 1)]
        } else {
            Vec::new()
        };
        let mut words: Vec<String> = Vec::new();
        port.iter().for_each(|port: &u16| words.extend(["-p".to_owned(), port.to_string()]));
        user.iter().for_each(|user| words.extend(["-l".to_owned(), user.clone()]));
        words.extend(extra.iter().cloned());
        for _ in 0..3 {
            let name = random.of(&NAMES);
            let request =
                Request { name: name.into(), port, user: user.clone(), options: extra.clone(), ..Request::default() };
            match (resolver.settings(request, &options).await, oracle(&file, &words, name)) {
                (Ok(settings), Some(said)) => {
                    compared += 1;
                    let found = compare(&settings, &said, name, dir.path());
                    wrong.extend(found.into_iter().map(|found| format!("{round} {words:?}: {found}\n{text}")));
                }
                (Err(error), None) if matches!(*error, ConfigError::Ask(_)) => refused += 1,
                (ours, theirs) => wrong.push(format!("{round}: {name}: {ours:?} but ssh {theirs:?}\n{text}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences, the first: {}", wrong.len(), wrong[0]);
    // The ones that ssh itself refuses are few, or the test would show little.
    assert!(compared > 500 && refused < 80, "{compared} compared, {refused} refused");
}

/// A program that notes each question and passes it on to the real one.
fn counting(dir: &Path) -> (PathBuf, impl Fn() -> usize) {
    use std::os::unix::fs::PermissionsExt as _;
    let (program, log) = (dir.join("ssh"), dir.join("asked"));
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >>'{}'\nexec /usr/bin/ssh \"$@\"\n", log.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, move || fs::read_to_string(&log).unwrap_or_default().lines().count())
}

async fn ask_for(config: &SshConfig, home: &Path, names: &[String]) -> Vec<Arc<SshSettings>> {
    let (resolver, options) = (Resolver::new(), options(home, Some(config.clone())));
    let mut settings = Vec::new();
    for name in names {
        let request = Request { name: name.clone(), ..Request::default() };
        settings.push(resolver.settings(request, &options).await.unwrap());
    }
    settings
}

#[tokio::test]
async fn one_answer_holds_for_all_hosts_that_the_configuration_does_not_tell_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (program, asked) = counting(dir.path());
    let file = dir.path().join("config");
    let config = SshConfig { program: Some(program), ..config(&file) };
    let names: Vec<String> = (1..=50).map(|n| format!("gpu{n:02}")).collect();

    // Once for an empty configuration, once for most, once for the one that is told apart.
    fs::write(&file, "Host gpu07\n  User other\nHost gpu*\n  User bai\n  IdentityFile ~/.ssh/%h\n").unwrap();
    let settings = ask_for(&config, dir.path(), &names).await;
    assert_eq!(asked(), 3);
    assert_eq!((settings[0].user.as_str(), settings[6].user.as_str()), ("bai", "other"));
    assert_eq!(settings[9].login.identities.files, [dir.path().join(".ssh/gpu10")]);
    assert_eq!(settings[9].address, "gpu10");

    // Where the address depends on the name, or on this machine, each is asked for.
    for text in ["HostName %h.internal\n", "Match exec true\n  User bai\n", "Host *\n  HostName 10.0.0.1\n"] {
        let before = asked();
        fs::write(&file, text).unwrap();
        ask_for(&config, dir.path(), &names[..10]).await;
        assert_eq!(asked() - before, 11, "{text}");
    }
}

#[tokio::test]
async fn answers_are_kept_as_long_as_no_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (program, asked) = counting(dir.path());
    let (file, more) = (dir.path().join("config"), dir.path().join("more"));
    let config =
        SshConfig { program: Some(program.clone()), cache: Some(dir.path().join("cache/ssh")), ..config(&file) };
    let names: Vec<String> = (1..=10).map(|n| format!("gpu{n:02}")).collect();
    fs::write(&file, format!("HostName %h.internal\nInclude {}\n", more.display())).unwrap();
    fs::write(&more, "User bai\n").unwrap();
    ask_for(&config, dir.path(), &names).await;
    assert_eq!(asked(), 11);
    let settings = ask_for(&config, dir.path(), &names).await;
    assert_eq!((asked(), settings[4].address.as_str(), settings[4].user.as_str()), (11, "gpu05.internal", "bai"));

    // A file that is taken in changes: everything is asked anew.
    fs::write(&more, "User kim\n").unwrap();
    assert_eq!(ask_for(&config, dir.path(), &names).await[4].user, "kim");
    assert_eq!(asked(), 22);

    // What asks something of the machine is never kept.
    fs::write(&more, "Match exec true\nUser lee\n").unwrap();
    for _ in 0..2 {
        ask_for(&config, dir.path(), &names).await;
    }
    assert_eq!(asked(), 22 + 2 * 11);
}

#[tokio::test]
async fn what_is_ignored_is_named_once_and_what_must_not_be_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    fs::write(&file, "Host bad\n  CheckHostIP yes\nHost *\n  ForwardAgent yes\n  RemoteCommand true\n").unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let mut options = options(dir.path(), Some(config(&file)));
    options.notices = Notices::to(move |notice| listener.lock().unwrap().push(notice.to_owned()));
    let resolver = Resolver::new();
    let ask = |name: &str| resolver.settings(Request { name: name.into(), ..Request::default() }, &options);
    for name in ["gpu01", "gpu02"] {
        ask(name).await.unwrap();
    }
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].contains("forwardagent to yes (for gpu01") && heard[1].contains("remotecommand to true"));
    let error = ask("bad").await.unwrap_err().to_string();
    assert!(error.contains("checkhostip") && error.contains("must not be ignored"), "{error}");

    fs::write(&file, "Bogus yes\n").unwrap();
    let error =
        Resolver::new().settings(Request { name: "x".into(), ..Request::default() }, &options).await.unwrap_err();
    assert!(error.to_string().contains("config: line 1: Bad configuration option: bogus"), "{error}");
}

#[tokio::test]
async fn without_ssh_the_inventory_is_all_there_is_and_a_configuration_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    let config = SshConfig { program: None, ..config(&file) };
    let options = options(dir.path(), Some(config));
    let request = Request { name: "gpu01".into(), port: Some(2222), user: Some("bai".into()), ..Request::default() };
    let settings = Resolver::new().settings(request.clone(), &options).await.unwrap();
    assert_eq!((settings.address.as_str(), settings.port, settings.user.as_str()), ("gpu01", 2222, "bai"));
    let with_options = Request { options: vec!["-C".into()], ..request.clone() };
    let error = Resolver::new().settings(with_options, &options).await.unwrap_err();
    assert!(matches!(*error, ConfigError::NoProgram { .. }), "{error}");
    fs::write(&file, "").unwrap();
    let error = Resolver::new().settings(request, &options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} would be ignored: there is no ssh program here to say what it means", file.display())
    );
}

/// Seconds of CPU that this process and its ended children have used.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(4);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The numbers of docs/performance.md: `cargo nextest run --release --lib --run-ignored only --no-capture what_configuration`.
#[tokio::test]
#[ignore = "it measures"]
async fn what_configuration_costs_a_host() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    let hosts: String =
        (0..500).map(|n| format!("Host gpu{n:03}\n  HostName 10.0.{}.{}\n", n / 250, n % 250)).collect();
    let names: Vec<String> = (0..500).map(|n| format!("gpu{n:03}")).collect();
    let kept = Some(dir.path().join("cache"));
    for (what, text, cache) in [
        ("a block of each host's own", hosts.as_str(), None),
        ("the same, kept: first run", &hosts, kept.clone()),
        ("the same, kept: later", &hosts, kept),
        ("one block for all", "Host gpu*\n  User bai\n", None),
        ("no configuration", "", None),
    ] {
        fs::write(&file, text).unwrap();
        let options = options(dir.path(), Some(SshConfig { cache, ..config(&file) }));
        let resolver = Arc::new((Resolver::new(), options));
        let (start, before) = (std::time::Instant::now(), cpu());
        let mut asking = tokio::task::JoinSet::new();
        for name in &names {
            let (resolver, request) = (Arc::clone(&resolver), Request { name: name.clone(), ..Request::default() });
            asking.spawn(async move { resolver.0.settings(request, &resolver.1).await.unwrap() });
        }
        asking.join_all().await;
        let each = |seconds: f64| seconds * 1000.0 / 500.0;
        let (wall, cpu) = (each(start.elapsed().as_secs_f64()), each(cpu() - before));
        println!("{what}: {wall:.2} ms, {cpu:.2} ms of CPU a host");
    }
}

proptest::proptest! {
    /// Whatever stands in a file or comes from `ssh`: a mistake is an error, and nothing else.
    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}", value in "[-%$~{}@:,\\[\\] a-zA-Z0-9/.*?!\"=]{0,60}", keyword in 0..KEYWORDS.len()) {
        let config = super::text::ConfigText::parse(&format!("{text}\n{} {value}\nMatch {value}\nInclude {value}", KEYWORDS[keyword]));
        let _ = (config.signature(&text), config.signature(&value));
        let dump = super::dump::Dump::parse(&format!("{text}\n{} {value}\n", KEYWORDS[keyword]));
        let question = super::read::Question { name: "gpu07", file_is_named: true };
        let options = SshOptions::for_home("kim", Path::new("/home/kim"));
        let _ = super::read::read(question, &dump, &super::dump::Dump::default(), &options);
    }
}

const KEYWORDS: [&str; 20] = [
    "hostname",
    "port",
    "user",
    "proxyjump",
    "proxycommand",
    "identityfile",
    "certificatefile",
    "identityagent",
    "userknownhostsfile",
    "hostkeyalias",
    "rekeylimit",
    "connecttimeout",
    "serveraliveinterval",
    "connectionattempts",
    "ciphers",
    "hostkeyalgorithms",
    "setenv",
    "sendenv",
    "requiredrsasize",
    "preferredauthentications",
];
