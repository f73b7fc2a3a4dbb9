//! Configuration from texts; that files are found is a matter of `tests/configuration.rs`.

use clap::Parser as _;

use super::*;

const DOCUMENTATION: &str = include_str!("../../../docs/configuration.md");

fn places(environment: &[(&str, &str)], project: &str, ansible: &str) -> Places {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let project = project_file::parse(&Source::new("sub/converge.yaml", project)).unwrap();
    let ansible = cfg_file::parse(&Source::new("/etc/ansible/ansible.cfg", ansible)).unwrap();
    Places { environment, project: Some((project, "sub".into())), ansible: Some((ansible, "/etc/ansible".into())) }
}

fn options(words: &[&str], places: &Places) -> Result<(Options, Vec<String>), String> {
    let mut options = Options::try_parse_from(std::iter::once(&"converge").chain(words)).unwrap();
    let mut reader = Reader { places, mistakes: refused(places), taken: Vec::new() };
    reader.fill(&mut options);
    options.configuration = reader.configuration();
    let Reader { mistakes, taken, .. } = reader;
    if mistakes.is_empty() { Ok((options, taken)) } else { Err(mistakes.to_string()) }
}

#[test]
fn the_command_line_wins_then_the_environment_then_the_project_then_ansible() {
    let ansible = "[defaults]\nforks = 1\nremote_user = cfg\ntimeout = 30\nprivate_key_file = keys/id\n[privilege_escalation]\nbecome = true\n";
    let project = "forks: 2\nuser: project\nprivate_key: id\nreleases: r.yaml\n";
    let places = places(&[("ANSIBLE_FORKS", "3"), ("ANSIBLE_BECOME", "no")], project, ansible);
    let (given, taken) = options(&[], &places).unwrap();
    assert_eq!((given.forks, given.user.as_deref(), given.timeout), (Some(3), Some("project"), Some(30)));
    assert_eq!(given.private_key, Some("sub/id".into()));
    assert_eq!(given.releases, Some("sub/r.yaml".into()));
    assert!(!given.r#become);
    assert!(taken.contains(&"--user: project (from sub/converge.yaml:2:7)".to_owned()), "{taken:?}");
    assert!(taken.contains(&"--timeout: 30 (from /etc/ansible/ansible.cfg:4:11)".to_owned()), "{taken:?}");
    let (given, _) = options(&["-f", "9", "-u", "kim", "-b"], &places).unwrap();
    assert_eq!((given.forks, given.user.as_deref(), given.r#become), (Some(9), Some("kim"), true));
}

#[test]
fn commands_about_earlier_runs_keep_those_runs_options() {
    let places = places(&[("ANSIBLE_FORKS", "3")], "state_dir: state\nuser: x\n", "");
    for verb in ["resume", "history", "show"] {
        let (given, _) = options(&[verb], &places).unwrap();
        assert_eq!((given.forks, given.user, given.state_dir), (None, None, Some("sub/state".into())), "{verb}");
    }
}

#[test]
fn a_password_is_come_by_in_one_way() {
    let places = places(&[], "ask_become_pass: yes\n", "[defaults]\nbecome_password_file = pw\n");
    let (given, _) = options(&[], &places).unwrap();
    assert_eq!((given.ask_become_pass, given.become_password_file), (false, Some("/etc/ansible/pw".into())));
    let (given, _) = options(&["-K"], &places).unwrap();
    assert_eq!((given.ask_become_pass, given.become_password_file), (true, None));
}

#[test]
fn how_hosts_are_reached_is_weaker_than_any_inventory() {
    let ansible = "[ssh_connection]\nssh_args = -C\nssh_extra_args = -4\n[defaults]\nroles_path = roles:/srv/roles\ninventory = hosts,more\nhost_key_checking = False\n";
    let (given, _) = options(&[], &places(&[], "python: /usr/bin/python3\n", ansible)).unwrap();
    let shown: Vec<String> = given
        .configuration
        .connection
        .iter()
        .map(|(name, given)| format!("{name}={} ({})", given.value.as_str().unwrap(), given.level))
        .collect();
    assert_eq!(
        shown,
        [
            "ansible_python_interpreter=/usr/bin/python3 (configuration)",
            "ansible_ssh_args=-C (configuration)",
            "ansible_ssh_extra_args=-4 -o StrictHostKeyChecking=no (configuration)",
        ]
    );
    let roles: [PathBuf; 2] = ["/etc/ansible/roles".into(), "/srv/roles".into()];
    assert_eq!(given.configuration.roles_path, roles);
    assert_eq!(
        given.configuration.named_inventory.as_deref(),
        Some("-i /etc/ansible/hosts -i /etc/ansible/more (as /etc/ansible/ansible.cfg:6:13 has it)")
    );
    assert!(given.inventory.is_empty(), "nothing ambient ever chooses hosts");
}

#[test]
fn all_mistakes_are_shown_with_their_places() {
    let project = "forks: many\ntimeout: 0\nplaybook: ''\n";
    let ansible = "[defaults]\nhash_behaviour = merge\nremote_port = 22\n";
    let shown = options(
        &[],
        &places(&[("ANSIBLE_PRECEDENCE", "all_inventory"), ("ANSIBLE_ASK_PASS", "perhaps")], project, ansible),
    );
    let shown = shown.unwrap_err();
    for part in [
        "sub/converge.yaml:1:8: expected a whole number from 1 to 65535, found `many`\n    1 | forks: many",
        "sub/converge.yaml:2:10: expected a whole number from 1 to 3600, found `0`",
        "sub/converge.yaml:3:11: expected a text, found an empty one",
        "ANSIBLE_ASK_PASS:1:1: expected yes or no, found `perhaps`",
        "ansible.cfg:2:18: `hash_behaviour` (`ANSIBLE_HASH_BEHAVIOUR`) isn't supported, and would change what the inventory means",
        "ANSIBLE_PRECEDENCE:1:1: `precedence`",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(options(&[], &places(&[("ANSIBLE_HASH_BEHAVIOUR", "replace")], "", "")).is_ok());
    let wrong = |text: &str| project_file::parse(&Source::new("converge.yaml", text)).unwrap_err().to_string();
    assert!(wrong("froks: 3").contains("hint: did you mean `forks`?"), "{}", wrong("froks: 3"));
    assert!(wrong("inventory: prod.yaml").contains("converge.yaml:1:1: `inventory` can't be set"));
}

#[test]
fn what_means_nothing_here_is_told_with_the_reason() {
    let told = unused(&places(&[("ANSIBLE_NOCOWS", "1")], "", "[defaults]\nforks = 3\nstrategy = free\nodd = 1\n"));
    assert_eq!(
        told.as_deref(),
        Some(
            "not used: [defaults] odd; [defaults] strategy (the plan says what goes side by side); ANSIBLE_NOCOWS (there are no cows)"
        )
    );
    assert_eq!(unused(&places(&[], "forks: 1", "[defaults]\nforks = 3\nhash_behaviour = replace\n")), None);
}

#[test]
fn the_documentation_lists_every_setting() {
    let mut missing = Vec::new();
    let mut look_for = |text: String| {
        if !DOCUMENTATION.contains(&format!("`{text}`")) {
            missing.push(text);
        }
    };
    for Setting { word, keys, variables } in SETTINGS {
        if !word.is_empty() {
            look_for(word.to_owned());
        }
        keys.iter().for_each(|(section, key)| look_for(format!("[{section}] {key}")));
        variables.iter().for_each(|variable| look_for((*variable).to_owned()));
    }
    for (section, key, variable) in REFUSED
        .map(|(section, key, variable, ..)| (section, key, variable))
        .into_iter()
        .chain(IGNORED.map(|(section, key, variable, _)| (section, key, variable)))
    {
        look_for(format!("[{section}] {key}"));
        look_for(variable.to_owned());
    }
    assert_eq!(missing, Vec::<String>::new());
}
