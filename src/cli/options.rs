//! The command line's words. Flags are Ansible's where they mean the same.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::configuration::Configuration;
use super::path::PathArguments;

/// Moves a cluster of Python services from the release that it runs to the release that is declared, over SSH, and
/// only as far as is safe.
///
/// Without a command: plans, asks (on a terminal), carries the plan out, and proves by an empty second plan that it is
/// done.
#[derive(Debug, Clone, Parser)]
#[command(name = "converge", version, propagate_version = true, subcommand_negates_reqs = true)]
pub struct Options {
    /// Inventory: a file in YAML or INI, a directory of them, a program, or a list (`host1,host2,`). Several are one; the
    /// later wins. Nothing else ever chooses hosts.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub inventory: Vec<String>,
    /// Playbook [default: playbooks/site.yaml of the current directory, or the bundled one]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub playbook: Option<PathBuf>,
    /// Only hosts that match this pattern, such as 'gpu*:!gpu07'; `@FILE` for a file of hosts or patterns, a line each. What
    /// matches nothing is an error.
    #[arg(short, long, value_name = "PATTERN", global = true)]
    pub limit: Option<String>,
    /// A variable that wins over all others: name=value, or @FILE.
    #[arg(short = 'e', long = "extra-vars", value_name = "NAME=VALUE", global = true)]
    pub extra: Vec<String>,
    /// Only tasks with one of these tags; always, never, tagged, untagged and all mean what they mean to Ansible.
    #[arg(short, long, value_name = "TAGS", value_delimiter = ',', global = true)]
    pub tags: Vec<String>,
    /// Leave out tasks with one of these tags.
    #[arg(long, value_name = "TAGS", value_delimiter = ',', global = true)]
    pub skip_tags: Vec<String>,
    /// List the tasks of each play that would be looked at, and stop.
    #[arg(long)]
    pub list_tasks: bool,
    /// List the tags of each play, and stop.
    #[arg(long)]
    pub list_tags: bool,
    /// Ask before each stage of the plan: yes, no (nothing more begins), or continue without asking.
    #[arg(long, conflicts_with = "yes")]
    pub step: bool,
    /// Ansible's; refused with what to do instead.
    #[arg(long, value_name = "NAME", hide = true)]
    pub start_at_task: Option<String>,
    /// Hosts at work at the same time [default: as many as this machine bears, at most 256]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535), global = true)]
    pub forks: Option<u32>,
    /// User to log in as where the inventory names none [default: what SSH configuration says]
    #[arg(short, long, value_name = "NAME", global = true)]
    pub user: Option<String>,
    /// Private key to try first where the inventory names none [default: what SSH configuration says]
    #[arg(long, value_name = "FILE", global = true)]
    pub private_key: Option<PathBuf>,
    /// Ask for the password to log in with, once, before anything is connected.
    #[arg(short = 'k', long, global = true)]
    pub ask_pass: bool,
    /// Do everything on the hosts as another user, where inventory and playbook don't say.
    #[arg(short, long, global = true)]
    pub r#become: bool,
    /// Whom to become, where inventory and playbook don't say [default: root]
    #[arg(long, value_name = "NAME", global = true)]
    pub become_user: Option<String>,
    /// How, where inventory and playbook don't say: sudo, su, doas [default: sudo]
    #[arg(long, value_name = "METHOD", global = true)]
    pub become_method: Option<String>,
    /// Ask, once, for the password that becoming another user takes; for hosts whose inventory has none.
    #[arg(short = 'K', long, conflicts_with = "become_password_file", global = true)]
    pub ask_become_pass: bool,
    /// Take that password from the first line of a file that nobody else can read.
    #[arg(long, value_name = "FILE", global = true)]
    pub become_password_file: Option<PathBuf>,
    /// Where a vault password is to be had: LABEL@SOURCE, or a source alone. It is a file, a program that prints it, or
    /// `prompt`. Several are tried, that of the label first.
    #[arg(long, value_name = "LABEL@SOURCE", global = true)]
    pub vault_id: Vec<String>,
    /// A file that holds a vault password, or a program that prints it.
    #[arg(long, alias = "vault-pass-file", value_name = "FILE", global = true)]
    pub vault_password_file: Vec<PathBuf>,
    /// Ask for the vault password, once something encrypted is met.
    #[arg(short = 'J', long, alias = "ask-vault-password", conflicts_with = "vault_password_file", global = true)]
    pub ask_vault_pass: bool,
    /// Seconds to wait for a connection [default: what SSH configuration says, or 10]
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), global = true)]
    pub timeout: Option<u32>,
    /// How long a connection that was lost in the middle of an action is tried to be had again: 90s, 5m. The action goes on
    /// on its host meanwhile.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = crate::release::parse_age, global = true)]
    pub reconnect: Duration,
    /// How long another run's lock is waited for: 90s, 10m [default: not at all]
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = crate::release::parse_age, global = true)]
    pub lock_wait: Duration,
    /// How long after this run's last sign of life its locks may be taken over by another.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = lock_ttl, global = true)]
    pub lock_ttl: Duration,
    /// Take published releases from a snapshot that `converge releases --save` wrote, and ask nobody.
    #[arg(long, value_name = "FILE", global = true)]
    pub offline: Option<PathBuf>,
    /// What the project knows of releases, laid over what is bundled [default: releases.yaml of the current directory,
    /// where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub releases: Option<PathBuf>,
    /// How old an answer of a package index may be that is used without asking again: 90s, 30m, 1h, 2d. 0 asks always;
    /// otherwise an answer of up to 12 hours stands in for an index that can't be reached, and that is said.
    #[arg(long, value_name = "AGE", default_value = "1h", value_parser = crate::release::parse_age, global = true)]
    pub max_age: Duration,
    /// Let a major upgrade be planned: the way to the next train, never more.
    #[arg(long, global = true)]
    pub major: bool,
    /// Have a major upgrade wait this long until no work runs, behind a freeze: 30m, 8h. Without it, running work refuses
    /// the upgrade.
    #[arg(long, value_name = "TIME", value_parser = crate::release::parse_age, global = true)]
    pub drain_timeout: Option<Duration>,
    /// Begin nothing more when this much time has passed since the start: 90m, 4h. What runs then is finished, as after
    /// Ctrl-C.
    #[arg(long, value_name = "TIME", value_parser = crate::release::parse_age, global = true)]
    pub deadline: Option<Duration>,
    /// Begin nothing more once so many hosts of this run have failed or can't be reached, whatever the failure budgets of
    /// plays would still allow.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), global = true)]
    pub max_failures: Option<u32>,
    /// Answer for a broken rule, by its code and with a reason; `converge explain` lists them.
    #[arg(long, value_name = "RULE[@WHAT]=REASON", global = true)]
    pub waive: Vec<String>,
    /// File of waivers with owners and ends [default: waivers.yaml of the current directory, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub waivers: Option<PathBuf>,
    /// Where converge keeps its own state, such as the journal of each run [default: $XDG_STATE_HOME/converge, or
    /// ~/.local/state/converge]
    #[arg(long, value_name = "DIR", env = "CONVERGE_STATE_DIR", hide_env_values = true, global = true)]
    pub state_dir: Option<PathBuf>,
    /// Say more; twice for debugging.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Stop after the plan: nothing is changed.
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Say which hosts each play is about, and stop. No host is asked.
    #[arg(long)]
    pub list_hosts: bool,
    /// Check what a run would read, for all hosts where an inventory is named, and stop. No host is asked.
    #[arg(long)]
    pub syntax_check: bool,
    /// Don't ask before carrying the plan out.
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// What is set elsewhere and is no option.
    #[arg(skip)]
    pub configuration: Configuration,
    /// The command.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Show what would be done; save it with -o.
    Plan(PlanArguments),
    /// Carry a saved plan out, if its digest matches and what it relies on still holds.
    Apply(ApplyArguments),
    /// Go on with a run: ask the hosts for what it left in doubt, then gather and plan again with its arguments.
    Resume(ResumeArguments),
    /// List the runs that were started from here, newest first.
    History(HistoryArguments),
    /// Show what happened in a run.
    Show(ShowArguments),
    /// Compare what is declared with what is there: exit code 0 in sync, 2 on drift, others for errors.
    Drift(DriftArguments),
    /// Check the rules alone, and say all that is found: exit code 0 when a run may begin, 3 when it would be refused.
    Preflight(PreflightArguments),
    /// Say what a rule demands, why, and what to do; without a name, list all rules. With --inventory and a host: each value that is
    /// declared for it, where it came from and what lost against it, what is there, what rules say, what a run would do.
    Explain(ExplainArguments),
    /// Show everything that is observed on the hosts.
    Facts(FactsArguments),
    /// Show what the inventories say, as `ansible-inventory` does; no host is asked.
    #[command(subcommand)]
    Inventory(InventoryVerb),
    /// List what is published, by train; save it with --save for --offline.
    Releases(ReleasesArguments),
    /// Look at databases, whether they have all that their revisions bring, and complete them.
    #[command(subcommand)]
    Schema(SchemaVerb),
    /// Write down what exactly would be installed for each release on the way, with digests; installs then take nothing else.
    /// `lock show` and `lock break` are about something else: the locks that keep two runs apart.
    Lock(LockArguments),
    /// Download exactly the locked files into a directory of wheels.
    Fetch(FetchArguments),
    /// Encrypt and decrypt files and values, in the format of `ansible-vault` and with its words.
    #[command(subcommand)]
    Vault(VaultVerb),
    /// Check a whole project without any host or network: inventories, playbooks, roles, templates, variables, releases.yaml,
    /// waivers.yaml, converge.yaml. All mistakes at once; exit code 0 without any, 1 otherwise. With --inventory, playbook and
    /// roles are resolved for all of its hosts as well.
    Lint(LintArguments),
    /// Show the releases to go through from one to another: exit code 0 with a path, 3 without.
    Path(PathArguments),
}

/// Commands about encrypted files and values.
#[derive(Debug, Clone, Subcommand)]
pub enum VaultVerb {
    /// Encrypt files, in place or to --output; without a file, from standard input to standard output.
    Encrypt(VaultEncryptArguments),
    /// Decrypt files, in place or to --output; without a file, from standard input to standard output.
    Decrypt(VaultOutputArguments),
    /// Change an encrypted file by $EDITOR.
    Edit(VaultEditArguments),
    /// Print encrypted files as they are when decrypted.
    View(VaultFilesArguments),
    /// Encrypt files under another password.
    Rekey(VaultRekeyArguments),
    /// Encrypt a text as a value for a YAML file.
    #[command(alias = "encrypt_string")]
    EncryptString(EncryptStringArguments),
}

/// Files of `vault`, and where the result goes.
#[derive(Debug, Clone, Args)]
pub struct VaultOutputArguments {
    /// The files.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write to another file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `vault encrypt`.
#[derive(Debug, Clone, Args)]
pub struct VaultEncryptArguments {
    /// The files.
    #[command(flatten)]
    pub files: VaultOutputArguments,
    /// The label of the password to encrypt with, where there are several.
    #[arg(long, value_name = "LABEL")]
    pub encrypt_vault_id: Option<String>,
}

/// Arguments of `vault view`.
#[derive(Debug, Clone, Args)]
pub struct VaultFilesArguments {
    /// The files.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `vault edit`.
#[derive(Debug, Clone, Args)]
pub struct VaultEditArguments {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `vault rekey`.
#[derive(Debug, Clone, Args)]
pub struct VaultRekeyArguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The new password, as for --vault-id; its label becomes that of the files.
    #[arg(long, value_name = "LABEL@SOURCE", conflicts_with = "new_vault_password_file")]
    pub new_vault_id: Option<String>,
    /// A file that holds the new password, or a program that prints it.
    #[arg(long, value_name = "FILE")]
    pub new_vault_password_file: Option<PathBuf>,
}

/// Arguments of `vault encrypt-string`.
#[derive(Debug, Clone, Args)]
pub struct EncryptStringArguments {
    /// The texts; without one, standard input. What is given here is in the history of the shell.
    #[arg(value_name = "TEXT")]
    pub strings: Vec<String>,
    /// The name of each text's variable.
    #[arg(short, long, value_name = "NAME")]
    pub name: Vec<String>,
    /// The name of the variable whose value comes from standard input.
    #[arg(long, value_name = "NAME")]
    pub stdin_name: Option<String>,
    /// Ask for the text.
    #[arg(long)]
    pub prompt: bool,
    /// Write to a file.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The label of the password to encrypt with, where there are several.
    #[arg(long, value_name = "LABEL")]
    pub encrypt_vault_id: Option<String>,
}

/// Arguments of `lint`.
#[derive(Debug, Clone, Args)]
pub struct LintArguments {
    /// Projects, or single files of them [default: the current directory]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Exit with 1 for warnings too.
    #[arg(long)]
    pub strict: bool,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Commands about inventories.
#[derive(Debug, Clone, Subcommand)]
pub enum InventoryVerb {
    /// All hosts within the limit, groups and variables, in the form that an inventory program prints.
    List(ExportArguments),
    /// The variables of one host.
    Host(HostArguments),
    /// The groups as a tree, with their hosts.
    Graph(GraphArguments),
    /// Make an inventory of a cluster file of bssh.
    Import(ImportArguments),
}

/// In which form an inventory is shown, and where.
#[derive(Debug, Clone, Args)]
pub struct ShapeArguments {
    /// YAML instead of JSON; a list in it is an inventory itself.
    #[arg(long)]
    pub yaml: bool,
    /// Write to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `inventory list`.
#[derive(Debug, Clone, Args)]
pub struct ExportArguments {
    /// In which form.
    #[command(flatten)]
    pub shape: ShapeArguments,
    /// Show each variable at the group or host that it is given to, rather than all of a host's at the host.
    #[arg(long)]
    pub export: bool,
}

/// Arguments of `inventory host`.
#[derive(Debug, Clone, Args)]
pub struct HostArguments {
    /// The host.
    #[arg(value_name = "HOST")]
    pub host: String,
    /// How it is shown.
    #[command(flatten)]
    pub list: ExportArguments,
}

/// Arguments of `inventory graph`.
#[derive(Debug, Clone, Args)]
pub struct GraphArguments {
    /// The group at the top [default: all]
    #[arg(value_name = "GROUP")]
    pub group: Option<String>,
    /// Show variables too.
    #[arg(long)]
    pub vars: bool,
}

/// Arguments of `inventory import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// The cluster file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write to a file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Commands about schemas.
#[derive(Debug, Clone, Subcommand)]
pub enum SchemaVerb {
    /// Compare every database with what its revisions bring, not with what alembic_version says: exit code 0 complete,
    /// 2 incomplete or behind, others for errors.
    Check(SchemaCheckArguments),
    /// Run late what an earlier upgrade left out of a database that stands at its package's head, where that is sound:
    /// stops what uses it, backs it up, and asks before it does.
    Mend(SchemaMendArguments),
    /// Write JSON Schemas of what operators write (inventories, playbooks, roles, …), for editors. This is about files, not
    /// about databases.
    Json(SchemaJsonArguments),
}

/// Arguments of `schema check`.
#[derive(Debug, Clone, Args)]
pub struct SchemaCheckArguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `schema mend`.
#[derive(Debug, Clone, Args)]
pub struct SchemaMendArguments {
    /// Stop after the plan: nothing is changed.
    #[arg(short = 'C', long)]
    pub check: bool,
}

/// Arguments of `schema json`.
#[derive(Debug, Clone, Args)]
pub struct SchemaJsonArguments {
    /// Print this one; without a name, and without a directory, the names are listed.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Write it, or all of them, into this directory as NAME.schema.json; made where it isn't there.
    #[arg(short, long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArguments {
    /// Save the plan for `converge apply`.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArguments {
    /// A file that `converge plan -o` has written.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeArguments {
    /// The run: the beginning of its name, or `last` [default: the newest that left something in doubt, or the newest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
}

/// Arguments of `history`.
#[derive(Debug, Clone, Args)]
pub struct HistoryArguments {
    /// How many are shown.
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    pub number: usize,
    /// Check the digests of all journals instead: exit code 0 when all fit, 1 when one doesn't or can't be read.
    #[arg(long, conflicts_with_all = ["number", "output"])]
    pub verify: bool,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArguments {
    /// The run: the beginning of its name, or `last`.
    #[arg(value_name = "RUN", default_value = "last")]
    pub run: String,
    /// Only what concerns this host.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `drift`.
#[derive(Debug, Clone, Args)]
pub struct DriftArguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `lock`.
#[derive(Debug, Clone, Args)]
pub struct LockArguments {
    /// The lock file [default: the declared one, or converge.lock]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Without one of these, the lock file of packages is written.
    #[command(subcommand)]
    pub verb: Option<LockVerb>,
}

/// Commands about the locks of runs.
#[derive(Debug, Clone, Subcommand)]
pub enum LockVerb {
    /// Show who has the locks of the cluster and of its hosts: the locks of runs, not the lock file of packages.
    Show(LockShowArguments),
    /// Take the locks of runs from whoever has them, so that another run may begin. They expire by themselves as well.
    Break(LockBreakArguments),
}

/// Arguments of `lock show`.
#[derive(Debug, Clone, Args)]
pub struct LockShowArguments {
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `lock break`.
#[derive(Debug, Clone, Args)]
pub struct LockBreakArguments {
    /// Why: it is kept beside the lock, and told to its holder and to the next one.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only the locks that lie on this host.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

/// The least: four signs of life, each of which may take a moment.
const LEAST_LOCK_TTL: Duration = Duration::from_secs(2);

fn lock_ttl(text: &str) -> Result<Duration, String> {
    let ttl = crate::release::parse_age(text)?;
    if ttl < LEAST_LOCK_TTL { Err(format!("at least {} s", LEAST_LOCK_TTL.as_secs())) } else { Ok(ttl) }
}

/// Arguments of `fetch`.
#[derive(Debug, Clone, Args)]
pub struct FetchArguments {
    /// The directory; made where it isn't there.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The lock file.
    #[arg(long, value_name = "FILE", default_value = super::lock::DEFAULT_FILE)]
    pub lock: PathBuf,
    /// Where the files come from.
    #[command(flatten)]
    pub source: SourceArguments,
}

/// Arguments of `preflight`.
#[derive(Debug, Clone, Args)]
pub struct PreflightArguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArguments {
    /// A rule's code; with --inventory, a host that the inventory has: a host goes before a rule of the same name.
    #[arg(value_name = "RULE|HOST")]
    pub name: Option<String>,
    /// Only this component or resource of the host, by its name in plans or a part of it.
    #[arg(value_name = "RESOURCE", requires = "name")]
    pub resource: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// All rules as the page of the documentation.
    #[arg(long, conflicts_with_all = ["name", "output"])]
    pub markdown: bool,
}

/// Arguments of `facts`.
#[derive(Debug, Clone, Args)]
pub struct FactsArguments {
    /// Only this host or pattern.
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Where this machine gets packages from, other than from where its pip does.
#[derive(Debug, Clone, Args)]
pub struct SourceArguments {
    /// Ask this package index, not where pip looks: that of this machine, or, where an inventory is listed, the hosts'.
    #[arg(long, value_name = "URL", conflicts_with = "wheelhouse")]
    pub index: Option<String>,
    /// Look into this directory of wheels instead.
    #[arg(long, value_name = "DIR")]
    pub wheelhouse: Option<PathBuf>,
}

impl SourceArguments {
    /// Whether a place is named.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.index.is_some() || self.wheelhouse.is_some()
    }
}

/// Arguments of `releases`.
#[derive(Debug, Clone, Args)]
pub struct ReleasesArguments {
    /// Packages [default: those that the inventory declares, or backend.ai-manager]
    #[arg(value_name = "PACKAGE")]
    pub packages: Vec<String>,
    /// Where they come from.
    #[command(flatten)]
    pub source: SourceArguments,
    /// Save what was found for --offline.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_or_behind_the_command() {
        for words in [["converge", "-i", "x.yaml", "drift"], ["converge", "drift", "-i", "x.yaml"]] {
            assert_eq!(Options::try_parse_from(words).unwrap().inventory, ["x.yaml"]);
        }
    }
}
