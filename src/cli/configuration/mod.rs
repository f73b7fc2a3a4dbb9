//! What is set outside of the command line: variables of the environment, the project's `converge.yaml`, an `ansible.cfg`.
//! I/O: finds and reads them, and lays them below the command line's options.
//!
//! None of it ever names hosts. What is taken is said with `-v`; docs/configuration.md lists it all.

#![expect(clippy::disallowed_methods, reason = "looks for the files of configuration")]

mod cfg_file;
mod project_file;
mod settings;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::{Options, Verb};
use super::project::read_source;
use super::{machine, output};
use crate::document::{Diagnostic, Diagnostics, Node, Source};
use crate::inventory::{GivenVariables, Level, read_variables};
use cfg_file::Entries;
use settings::{IGNORED, REFUSED, SETTINGS, Setting};

/// The name of the project's file, looked for from the working directory upwards.
const PROJECT_FILE: &str = "converge.yaml";

/// What no option of the command line says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// Connection variables of all hosts, weaker than any that an inventory gives.
    pub connection: GivenVariables,
    /// Directories in which roles are looked for behind the project's own.
    pub roles_path: Vec<PathBuf>,
    /// An inventory that is named somewhere, and where. It is never taken; the message that one is missing names it.
    pub named_inventory: Option<String>,
}

/// A value that is set, with where that stands and what a relative path in it is relative to.
#[derive(Debug, Clone)]
struct Found {
    node: Node,
    base: PathBuf,
}

impl Found {
    /// A path: `~` is the home directory, and a relative one is relative to the file that names it.
    fn path(&self, text: &str) -> PathBuf {
        let text = text.replace("{{CWD}}", ".");
        self.base.join(machine::expand_home(Path::new(&text)))
    }
}

/// Everything that is set somewhere.
#[derive(Debug, Default)]
struct Places {
    environment: BTreeMap<String, String>,
    project: Option<(Vec<(String, Node)>, PathBuf)>,
    ansible: Option<(Entries, PathBuf)>,
}

impl Places {
    /// The value of a setting: of the environment, or else of the project's file, or else of `ansible.cfg`.
    fn find(&self, setting: Setting) -> Option<Found> {
        let of_environment = setting.variables.iter().find_map(|name| self.variable(name));
        let of_project = || {
            let (fields, base) = self.project.as_ref()?;
            let (_, node) = fields.iter().find(|(word, _)| word == setting.word)?;
            Some(Found { node: node.clone(), base: base.clone() })
        };
        let of_ansible = || {
            let (entries, base) = self.ansible.as_ref()?;
            let found = |(section, key): &(&str, &str)| entries.get(&((*section).to_owned(), (*key).to_owned()));
            let node = setting.keys.iter().find_map(found).filter(|node| !node.is_blank())?;
            Some(Found { node: node.clone(), base: base.clone() })
        };
        of_environment.or_else(of_project).or_else(of_ansible)
    }

    fn variable(&self, name: &str) -> Option<Found> {
        let value = self.environment.get(name).filter(|value| !value.is_empty())?;
        Some(Found { node: Node::text_from(name, value), base: PathBuf::new() })
    }
}

/// Reads what is set, and lays it below the options: what the command line says stays. `-v` says what was taken.
///
/// # Errors
/// All mistakes of all files and variables.
pub(super) fn apply(options: &mut Options) -> Result<(), Diagnostics> {
    let places = read_places()?;
    let mut reader = Reader { places: &places, mistakes: refused(&places), taken: Vec::new() };
    reader.fill(options);
    options.configuration = reader.configuration();
    let Reader { mistakes, taken, .. } = reader;
    if options.verbose > 0 {
        for line in taken {
            output::say(&format!("configuration: {line}\n"));
        }
        if let Some(line) = unused(&places) {
            output::say(&format!("configuration: {line}\n"));
        }
    }
    mistakes.or_ok(())
}

/// The part that is no option, for a run that goes on with the options of an earlier one.
///
/// # Errors
/// As [`apply`].
pub(super) fn read() -> Result<Configuration, Diagnostics> {
    let places = read_places()?;
    let mut reader = Reader { places: &places, mistakes: refused(&places), taken: Vec::new() };
    let configuration = reader.configuration();
    reader.mistakes.or_ok(configuration)
}

/// Whatever is wrong with a `converge.yaml` that isn't this directory's own.
pub(super) fn check_project_file(source: &Arc<Source>) -> Result<(), Diagnostics> {
    project_file::parse(source).map(|_| ())
}

fn read_places() -> Result<Places, Diagnostics> {
    let environment = machine::environment();
    let mut mistakes = Diagnostics::new();
    let project = project_path().and_then(|path| mistakes.keep(read_source(&path)).map(|source| (path, source)));
    let project = project.and_then(|(path, source)| {
        Some((mistakes.keep(project_file::parse(&source))?, path.parent().unwrap_or(Path::new("")).to_path_buf()))
    });
    let ansible =
        ansible_path(&environment).and_then(|path| mistakes.keep(read_source(&path)).map(|source| (path, source)));
    let ansible = ansible.and_then(|(path, source): (PathBuf, Arc<Source>)| {
        Some((mistakes.keep(cfg_file::parse(&source))?, path.parent().unwrap_or(Path::new("")).to_path_buf()))
    });
    mistakes.or_ok(Places { environment, project, ansible })
}

/// The nearest `converge.yaml` from here upwards, unless somebody else may have put it there.
fn project_path() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let path = here.ancestors().map(|directory| directory.join(PROJECT_FILE)).find(|path| path.is_file())?;
    let shown = path.strip_prefix(&here).map_or_else(|_| path.clone(), Path::to_path_buf);
    if let Some(why) = distrust(&path) {
        output::say(&format!("note: {} isn't read: {why}\n", shown.display()));
        return None;
    }
    Some(shown)
}

/// Why a file that was found, not named, isn't to be trusted.
fn distrust(path: &Path) -> Option<String> {
    let (file, directory) = (path.metadata().ok()?, path.parent()?.metadata().ok()?);
    let me = std::fs::metadata("/proc/self").ok()?.uid();
    if ![me, 0].contains(&file.uid()) {
        return Some(format!("it belongs to another user (number {})", file.uid()));
    }
    (directory.mode() & 0o002 != 0 || file.mode() & 0o002 != 0).then(|| "everybody may write there".to_owned())
}

/// The `ansible.cfg` that Ansible would take: the one that `ANSIBLE_CONFIG` names, of the working directory unless everybody
/// may write there, of the home directory, of the machine.
fn ansible_path(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    const NAME: &str = "ansible.cfg";
    if let Some(named) = environment.get("ANSIBLE_CONFIG").filter(|named| !named.is_empty()) {
        let path = machine::expand_home(Path::new(named));
        let path = if path.is_dir() { path.join(NAME) } else { path };
        return path.is_file().then_some(path);
    }
    let here = PathBuf::from(NAME);
    if here.is_file() {
        if Path::new(".").metadata().is_ok_and(|directory| directory.mode() & 0o002 == 0) {
            return Some(here);
        }
        output::say("note: ./ansible.cfg isn't read: everybody may write into this directory\n");
    }
    let others = [machine::expand_home(Path::new("~/.ansible.cfg")), PathBuf::from("/etc/ansible/ansible.cfg")];
    others.into_iter().find(|path| path.is_file())
}

/// Settings that would change what inventories mean.
fn refused(places: &Places) -> Diagnostics {
    let mut mistakes = Diagnostics::new();
    for (section, key, variable, harmless, hint) in REFUSED {
        let keys: &[(&str, &str)] = &[(section, key)];
        let of_ansible = || {
            let (entries, _) = places.ansible.as_ref()?;
            keys.iter().find_map(|(section, key)| entries.get(&((*section).to_owned(), (*key).to_owned()))).cloned()
        };
        let node =
            places.variable(variable).map(|found| found.node).or_else(of_ansible).filter(|node| !node.is_blank());
        if let Some(node) = node.filter(|node| harmless != Some(node.key_text())) {
            let message = format!("`{key}` (`{variable}`) isn't supported, and would change what the inventory means");
            mistakes.push(Diagnostic::at(&node.span, message).hint(hint));
        }
    }
    mistakes
}

/// What is set and means nothing here.
fn unused(places: &Places) -> Option<String> {
    let known = |section: &str, key: &str| {
        let used = SETTINGS.iter().flat_map(|setting| setting.keys);
        let refused = REFUSED.iter().map(|(section, key, ..)| (section, key));
        used.map(|(section, key)| (section, key)).chain(refused).any(|(s, k)| (*s, *k) == (section, key))
    };
    let reason = |section: &str, key: &str| {
        let found = IGNORED.iter().find(|(s, k, ..)| (*s, *k) == (section, key));
        found.map_or_else(String::new, |(.., why)| format!(" ({why})"))
    };
    let entries = places.ansible.iter().flat_map(|(entries, _)| entries.keys());
    let keys = entries.filter(|(section, key)| !known(section, key));
    let keys = keys.map(|(section, key)| format!("[{section}] {key}{}", reason(section, key)));
    let variables = IGNORED.iter().filter(|(_, _, variable, _)| places.environment.contains_key(*variable));
    let all: Vec<String> = keys.chain(variables.map(|(.., variable, why)| format!("{variable} ({why})"))).collect();
    (!all.is_empty()).then(|| format!("not used: {}", all.join("; ")))
}

/// Reads settings one by one and keeps what is wrong with them.
struct Reader<'p> {
    places: &'p Places,
    mistakes: Diagnostics,
    taken: Vec<String>,
}

impl Reader<'_> {
    /// The value of a setting, and what it is for.
    fn value<T>(
        &mut self,
        setting: Setting,
        what: &str,
        read: impl FnOnce(&Found) -> Result<T, Diagnostic>,
    ) -> Option<T> {
        let found = self.places.find(setting)?;
        let value = self.mistakes.keep(read(&found))?;
        let shown = found.node.as_text().unwrap_or_else(|_| "…".to_owned());
        self.taken.push(format!("{what}: {} (from {})", shown.replace('\n', " "), found.node.span));
        Some(value)
    }

    /// Fills an option that the command line leaves out.
    fn option<T>(
        &mut self,
        option: &mut Option<T>,
        setting: Setting,
        what: &str,
        read: impl FnOnce(&Found) -> Result<T, Diagnostic>,
    ) {
        if option.is_none() {
            *option = self.value(setting, what, read);
        }
    }

    fn flag(&mut self, flag: &mut bool, setting: Setting, what: &str) {
        if !*flag {
            *flag = self.value(setting, what, truth).unwrap_or(false);
        }
    }

    fn fill(&mut self, options: &mut Options) {
        self.option(&mut options.state_dir, settings::STATE_DIR, "--state-dir", path);
        self.how_it_is_shown(options);
        // These look at earlier runs, which have options of their own.
        if !matches!(options.verb, Some(Verb::Resume(_) | Verb::History(_) | Verb::Show(_))) {
            self.how_it_is_done(options);
        }
    }

    fn how_it_is_shown(&mut self, options: &mut Options) {
        let verbosity = self.value(settings::VERBOSITY, "--verbose", |found| number(found, 0, 4));
        options.verbose = options.verbose.max(verbosity.and_then(|level| u8::try_from(level).ok()).unwrap_or(0));
        if self.value(settings::NO_COLOR, "no colour", truth) == Some(true) {
            anstream::ColorChoice::Never.write_global();
        } else if self.value(settings::FORCE_COLOR, "colour", truth) == Some(true) {
            anstream::ColorChoice::Always.write_global();
        }
    }

    fn how_it_is_done(&mut self, options: &mut Options) {
        self.option(&mut options.playbook, settings::PLAYBOOK, "--playbook", path);
        self.option(&mut options.releases, settings::RELEASES, "--releases", path);
        self.option(&mut options.waivers, settings::WAIVERS, "--waivers", path);
        self.option(&mut options.max_failures, settings::MAX_FAILURES, "--max-failures", |found| {
            number(found, 1, u32::MAX)
        });
        self.option(&mut options.forks, settings::FORKS, "--forks", |found| number(found, 1, 65_535));
        self.option(&mut options.timeout, settings::TIMEOUT, "--timeout", |found| number(found, 1, 3600));
        self.option(&mut options.user, settings::USER, "--user", text);
        self.option(&mut options.private_key, settings::PRIVATE_KEY, "--private-key", path);
        self.flag(&mut options.ask_pass, settings::ASK_PASS, "--ask-pass");
        self.flag(&mut options.r#become, settings::BECOME, "--become");
        self.option(&mut options.become_user, settings::BECOME_USER, "--become-user", text);
        self.option(&mut options.become_method, settings::BECOME_METHOD, "--become-method", text);
        if options.vault_password_file.is_empty() && !options.ask_vault_pass {
            options.vault_password_file.extend(self.value(
                settings::VAULT_PASSWORD_FILE,
                "--vault-password-file",
                path,
            ));
        }
        // As with Ansible they come before those of the command line.
        let listed = self.value(settings::VAULT_IDENTITY_LIST, "--vault-id", vault_ids);
        options.vault_id.splice(0..0, listed.unwrap_or_default());
        // One password: the command line's way of giving it leaves no room for another one.
        if options.become_password_file.is_none() && !options.ask_become_pass {
            self.option(
                &mut options.become_password_file,
                settings::BECOME_PASSWORD_FILE,
                "--become-password-file",
                path,
            );
            if options.become_password_file.is_none() {
                self.flag(&mut options.ask_become_pass, settings::ASK_BECOME_PASS, "--ask-become-pass");
            }
        }
    }

    fn configuration(&mut self) -> Configuration {
        let mut variables: Vec<(Node, Node)> = Vec::new();
        for (setting, name) in [
            (settings::PORT, "ansible_port"),
            (settings::PYTHON, "ansible_python_interpreter"),
            (settings::SSH_ARGS, "ansible_ssh_args"),
            (settings::SSH_COMMON_ARGS, "ansible_ssh_common_args"),
            (settings::SSH_EXTRA_ARGS, "ansible_ssh_extra_args"),
        ] {
            let node = self.value(setting, name, |found| found.node.as_str().map(|_| found.node.clone()));
            variables.extend(node.map(|node| (Node::text(node.span.clone(), name), node)));
        }
        self.host_keys(&mut variables);
        let source = Source::new("configuration", "");
        let span = crate::document::Span::whole(&source);
        let mapping = Node { span, tag: None, value: crate::document::Value::Mapping(variables) };
        let connection = read_variables(&mapping, Level::Configuration, "all hosts");
        let connection = self.mistakes.keep(connection).unwrap_or_default();
        let roles_path = self.value(settings::ROLES_PATH, "roles", |found| {
            let texts = match found.node.as_list() {
                Ok(items) => items.iter().map(Node::as_text).collect::<Result<Vec<_>, _>>()?,
                Err(_) => found.node.as_text()?.split(':').map(str::to_owned).collect(),
            };
            Ok(texts.iter().filter(|text| !text.is_empty()).map(|text| found.path(text.trim())).collect())
        });
        let named_inventory = self.places.find(settings::INVENTORY).map(|found| {
            let names = found.node.as_text().unwrap_or_default();
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            let names: Vec<String> = names.map(|name| format!("-i {}", found.path(name).display())).collect();
            format!("{} (as {} has it)", names.join(" "), found.node.span)
        });
        Configuration { connection, roles_path: roles_path.unwrap_or_default(), named_inventory }
    }

    /// Without checking of host keys `ssh` is told so behind everything else that it is told.
    fn host_keys(&mut self, variables: &mut Vec<(Node, Node)>) {
        const NAME: &str = "ansible_ssh_extra_args";
        if self.value(settings::HOST_KEY_CHECKING, "checking of host keys", truth) != Some(false) {
            return;
        }
        let Some(found) = self.places.find(settings::HOST_KEY_CHECKING) else { return };
        output::say(&format!("note: host keys that changed are accepted: {} says so\n", found.node.span));
        let known = variables.iter().position(|(name, _)| name.key_text() == NAME).map(|at| variables.remove(at).1);
        let before = known.map(|node| format!("{} ", node.key_text())).unwrap_or_default();
        let span = found.node.span;
        let value = Node::text(span.clone(), format!("{before}-o StrictHostKeyChecking=no"));
        variables.push((Node::text(span, NAME), value));
    }
}

fn text(found: &Found) -> Result<String, Diagnostic> {
    found.node.as_filled_text()
}

fn path(found: &Found) -> Result<PathBuf, Diagnostic> {
    Ok(found.path(&found.node.as_filled_text()?))
}

/// `label@source, …`, or a list of them; a source that is a file is relative to where it is named.
fn vault_ids(found: &Found) -> Result<Vec<String>, Diagnostic> {
    let texts = match found.node.as_list() {
        Ok(items) => items.iter().map(Node::as_text).collect::<Result<Vec<_>, _>>()?,
        Err(_) => found.node.as_text()?.split(',').map(str::to_owned).collect(),
    };
    let placed = |text: &str| {
        let (label, source) = text.split_once('@').map_or((None, text), |(label, source)| (Some(label), source));
        let source =
            if source.starts_with("prompt") { source.to_owned() } else { found.path(source).display().to_string() };
        label.map_or_else(|| source.clone(), |label| format!("{label}@{source}"))
    };
    Ok(texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(placed).collect())
}

/// Ansible's spellings of truth values.
fn truth(found: &Found) -> Result<bool, Diagnostic> {
    match found.node.as_str()?.to_lowercase().as_str() {
        "1" | "t" | "y" => Ok(true),
        "0" | "f" | "n" => Ok(false),
        _ => found.node.as_bool(),
    }
}

fn number(found: &Found, least: u32, most: u32) -> Result<u32, Diagnostic> {
    let number = found.node.as_i64().ok().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| found.node.unexpected(&format!("a whole number from {least} to {most}")))
}

/// The words of `converge.yaml`.
#[cfg(test)]
pub(crate) fn configuration_words() -> Vec<&'static str> {
    SETTINGS.iter().map(|setting| setting.word).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests;
