//! The command line of a run as its journal keeps it: enough to go on with, and no secret.

use super::options::{ApplyArguments, Options, SchemaMendArguments, SchemaVerb, Verb};
use crate::model::is_secret_name;
use crate::release::Release;

/// What stands for a value that isn't kept.
pub(super) const HIDDEN: &str = "****";

/// The words that make the same run again. What only concerns how it is shown, asked about or recorded is left out.
pub(super) fn words(options: &Options) -> Vec<String> {
    let Options {
        inventory,
        playbook,
        limit,
        extra,
        tags,
        skip_tags,
        list_tasks: _,
        list_tags: _,
        step: _,
        start_at_task: _,
        forks,
        user,
        private_key,
        ask_pass,
        r#become,
        become_user,
        become_method,
        ask_become_pass,
        become_password_file,
        vault_id,
        vault_password_file,
        ask_vault_pass,
        timeout,
        reconnect,
        lock_wait: _,
        lock_ttl,
        offline,
        releases,
        max_age,
        major,
        drain_timeout,
        // The time of that run; whoever goes on gives one of its own.
        deadline: _,
        max_failures,
        waive,
        waivers,
        state_dir: _,
        verbose: _,
        check: _,
        list_hosts: _,
        syntax_check: _,
        yes: _,
        // Whoever goes on finds it again.
        configuration: _,
        verb,
    } = options;
    let mut words: Vec<String> = Vec::new();
    let mut named = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    inventory.iter().for_each(|name| named("--inventory", Some(name.clone())));
    named("--playbook", path(playbook));
    named("--limit", limit.clone());
    extra.iter().for_each(|argument| named("--extra-vars", Some(kept(argument))));
    tags.iter().for_each(|tag| named("--tags", Some(tag.clone())));
    skip_tags.iter().for_each(|tag| named("--skip-tags", Some(tag.clone())));
    named("--forks", forks.map(|forks| forks.to_string()));
    named("--user", user.clone());
    named("--private-key", path(private_key));
    named("--become-user", become_user.clone());
    named("--become-method", become_method.clone());
    named("--become-password-file", path(become_password_file));
    vault_id.iter().for_each(|id| named("--vault-id", Some(id.clone())));
    vault_password_file.iter().for_each(|file| named("--vault-password-file", Some(file.display().to_string())));
    named("--timeout", timeout.map(|seconds| seconds.to_string()));
    named("--reconnect", Some(format!("{}s", reconnect.as_secs())));
    named("--max-failures", max_failures.map(|hosts| hosts.to_string()));
    named("--lock-ttl", Some(format!("{}s", lock_ttl.as_secs())));
    named("--offline", path(offline));
    named("--releases", path(releases));
    named("--max-age", Some(format!("{}s", max_age.as_secs())));
    named("--drain-timeout", drain_timeout.map(|time| format!("{}s", time.as_secs())));
    waive.iter().for_each(|waiver| named("--waive", Some(waiver.clone())));
    named("--waivers", path(waivers));
    for (word, is_given) in [
        ("--major", major),
        ("--become", r#become),
        ("--ask-become-pass", ask_become_pass),
        ("--ask-vault-pass", ask_vault_pass),
    ] {
        if *is_given {
            words.push(word.into());
        }
    }
    if *ask_pass {
        words.push("--ask-pass".into());
    }
    if let Some(Verb::Apply(ApplyArguments { file })) = verb {
        words.extend(["apply".to_owned(), file.display().to_string()]);
    }
    if let Some(Verb::Schema(SchemaVerb::Mend(SchemaMendArguments { check: _ }))) = verb {
        words.extend(["schema", "mend"].map(str::to_owned));
    }
    words
}

/// An argument of `--extra-vars` as it is kept. A value is kept only where it can't be a secret: a release, a number, a
/// truth value, a path, under a name that doesn't speak of secrets. Everything else may be a password.
fn kept(argument: &str) -> String {
    if argument.starts_with('@') {
        return argument.to_owned();
    }
    match argument.split_once('=') {
        Some((name, value)) if is_harmless(name, value) => argument.to_owned(),
        Some((name, _)) if is_name(name) => format!("{name}={HIDDEN}"),
        Some(_) | None => HIDDEN.to_owned(),
    }
}

/// The names of the variables whose values were not kept.
pub(super) fn hidden(words: &[String]) -> Vec<String> {
    let of = |pair: &[String]| match pair {
        [option, value] if option == "--extra-vars" && value.ends_with(HIDDEN) => {
            Some(value.strip_suffix(HIDDEN)?.trim_end_matches('=').to_owned())
        }
        _ => None,
    };
    words.windows(2).filter_map(of).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_harmless(name: &str, value: &str) -> bool {
    let is_path = value.starts_with('/') && !value.contains(char::is_whitespace) && !value.contains("://");
    is_name(name)
        && !is_secret_name(name)
        && (Release::parse(value).is_ok()
            || value.parse::<i64>().is_ok()
            || matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no")
            || is_path)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn options(words: &[&str]) -> Options {
        Options::try_parse_from(std::iter::once("converge").chain(words.iter().copied())).unwrap()
    }

    #[test]
    fn the_words_make_the_same_run_again() {
        for words in [
            &["-i", "prod.yaml"][..],
            &["-i", "prod.yaml", "-i", "extra/", "--inventory", "h1,h2,"],
            &["-i", "prod.yaml", "-l", "gpu*:!gpu07", "-e", "release=25.6.4", "-e", "@site.yaml", "--major", "-f", "3"],
            &["-i", "p", "--waive", "change-log@25.6.4=read on Monday", "--drain-timeout", "8h", "--max-age", "0"],
            &["-i", "p", "--waivers", "w.yaml", "--offline", "s", "--releases", "r", "-u", "bai", "--private-key", "k"],
            &["-i", "p", "-b", "--become-user", "bai", "--become-method", "su", "-K"],
            &["-i", "p", "--become", "--become-password-file", "/etc/pw"],
            &["-i", "p", "--vault-id", "dev@pw", "--vault-id", "prod@prompt", "--vault-password-file", "f"],
            &["-i", "p", "-J"],
            &["-i", "p", "-t", "a,b", "--skip-tags", "never"],
            &["apply", "plan.json", "-T", "3"],
            &["-i", "p", "schema", "mend"],
        ] {
            let kept = super::words(&options(words));
            let again: Vec<&str> = kept.iter().map(String::as_str).collect();
            assert_eq!(super::words(&options(&again)), kept, "{words:?}");
            assert_eq!(hidden(&kept), Vec::<String>::new());
            assert_eq!(format!("{:?}", options(&again)), format!("{:?}", options(words)));
        }
    }

    #[test]
    fn values_that_may_be_secrets_are_not_kept() {
        for (argument, expected) in [
            ("release=25.6.4", "release=25.6.4"),
            ("storage_proxy_start_timeout=3", "storage_proxy_start_timeout=3"),
            ("home=/srv/bai", "home=/srv/bai"),
            ("notify=false", "notify=false"),
            ("@vars.yaml", "@vars.yaml"),
            ("announcement=hunter2", "announcement=****"),
            ("db_password=123456", "db_password=****"),
            ("API_TOKEN=25.6.4", "API_TOKEN=****"),
            ("index=https://u:p@x/", "index=****"),
            ("a=1 b=hunter2", "a=****"),
            ("{\"a\": \"hunter2\"}", "****"),
            ("hunter2", "****"),
            ("hunter2 =x", "****"),
        ] {
            assert_eq!(kept(argument), expected);
        }
        let words = super::words(&options(&["-i", "p", "-e", "a=hunter2", "-e", "release=1.2", "-e", "{\"b\": 1}"]));
        assert_eq!(hidden(&words), ["a", ""]);
    }
}
