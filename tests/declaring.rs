//! Declarations from files: every `tests/cases/inventory/NAME.yaml` and `.ini` against what `NAME.expected` says that it means,
//! or how its mistakes read. `CONVERGE_WRITE_EXPECTED=1 cargo test --test declaring` writes the expectations anew;
//! read the difference before committing it.

#[path = "declaring/schemas.rs"]
mod schemas;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use converge::cli::inventories::read_inventories;
use converge::cli::project::{self, ProjectFiles};
use converge::desired::{Declaration, Desired, Facts, ResolvedTask, resolve, resolve_connections};
use converge::document::{Diagnostics, Source};
use converge::inventory::{Becoming, Inventory, InventorySources, Pattern, read_extra_vars};
use converge::model::{GroupName, HostName};
use converge::playbook::TagSelection;

fn cases(below: &str, kind: &[&str]) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(below);
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| kind.contains(&extension.to_str().unwrap())));
    files.sort();
    files
}

/// What an inventory means: hosts in order with their groups, how they are reached, and each variable with its
/// place and level; then its groups.
fn describe(inventory: &Inventory) -> Result<String, Diagnostics> {
    let mut shown = String::new();
    for (host, connection) in resolve_connections(inventory, &[], None)? {
        let groups: Vec<String> = inventory.groups_of(&host).iter().map(GroupName::to_string).collect();
        let user = connection.user.unwrap_or_default();
        writeln!(
            shown,
            "{host} in {}: {:?} {user}@{}:{}",
            groups.join(","),
            connection.kind,
            connection.host,
            connection.port.unwrap_or(22)
        )
        .unwrap();
        for (name, variable) in inventory.variables(&host).iter() {
            let (given, lost) = (&variable.given, variable.lost.len());
            let place = format!("{}:{}", given.value.span.start.line, given.value.span.start.column);
            let value = given.value.to_json()?;
            writeln!(shown, "  {name} = {value} from {place}, {} {}, {lost} lost", given.level, given.giver).unwrap();
        }
    }
    for group in inventory.groups() {
        let hosts = inventory.group_hosts(group.as_str()).unwrap();
        writeln!(shown, "group {group}: {}", hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")).unwrap();
    }
    Ok(shown)
}

/// Compares what each case means with what is expected of it; those that begin with `error-` must have mistakes.
fn compare(cases: &[PathBuf], mean: impl Fn(&str, String) -> Result<String, Diagnostics>) {
    let write = std::env::var_os("CONVERGE_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for path in cases {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let described = mean(&name, fs::read_to_string(path).unwrap());
        assert_eq!(described.is_err(), name.starts_with("error-"), "{name}: {described:?}");
        let shown = described.unwrap_or_else(|mistakes| format!("{mistakes}\n"));
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{name} would send control characters to a terminal"
        );
        let expected = path.with_extension("expected");
        if write {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn inventories_mean_what_is_expected_of_them() {
    let all = cases("inventory", &["yaml", "ini"]);
    assert!(all.len() >= 12, "the cases are gone: {all:?}");
    compare(&all, |name, text| {
        let source = Source::new(name, text);
        Inventory::parse(&InventorySources::of(source)).and_then(|inventory| describe(&inventory))
    });
}

/// A task on a host in a line: what it is, and all that it says beside it.
fn line_of(task: &ResolvedTask) -> Result<String, Diagnostics> {
    let role = task.role.as_ref().map_or_else(String::new, |role| format!("{role} : "));
    let item = task.item.as_ref().map_or_else(String::new, |item| format!(" (item={item})"));
    let mut line = format!("{} {:?} [{role}{}]{item} {}", task.host, task.section, task.task, task.kind);
    write!(line, " {}", task.body.to_json()?).unwrap();
    let tags: Vec<&str> = task.tags.iter().map(String::as_str).collect();
    let listed = |name: &str, what: String| if what.is_empty() { what } else { format!(" {name}={what}") };
    line.push_str(&listed("tags", tags.join(",")));
    line.push_str(&listed("notify", task.notify.join(",")));
    line.push_str(&listed("handlers", task.handlers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")));
    let environment = task.environment.iter().map(|(name, value)| format!("{name}:{value}"));
    line.push_str(&listed("environment", environment.collect::<Vec<_>>().join(",")));
    line.push_str(&listed("become", task.become_user.as_ref().map(|user| user.user.clone()).unwrap_or_default()));
    line.push_str(&listed("delegate_to", task.delegate_to.as_ref().map(ToString::to_string).unwrap_or_default()));
    let retry =
        task.retry.as_ref().map(|retry| format!("{}x{}s, {} until", retry.retries, retry.delay, retry.until.len()));
    line.push_str(&listed("retry", retry.unwrap_or_default()));
    let blocks = task.blocks.iter().map(|block| format!("{}:{:?}", block.block, block.part));
    line.push_str(&listed("blocks", blocks.collect::<Vec<_>>().join(",")));
    for (name, is_so) in [("no_log", task.no_log), ("ignore_errors", task.ignore_errors), ("run_once", task.run_once)] {
        line.push_str(if is_so { " " } else { "" });
        line.push_str(if is_so { name } else { "" });
    }
    Ok(line)
}

fn describe_desired(desired: &Desired) -> Result<String, Diagnostics> {
    let mut shown = String::new();
    for task in &desired.tasks {
        writeln!(shown, "{}", line_of(task)?).unwrap();
    }
    for (number, handler) in desired.handlers.iter().enumerate() {
        writeln!(shown, "handler {number}: {}", line_of(handler)?).unwrap();
    }
    for message in &desired.messages {
        writeln!(shown, "message: {} [{}] {:?} {}", message.host, message.task, message.item, message.text).unwrap();
    }
    for refusal in &desired.refusals {
        let (host, task, observed) = (&refusal.host, &refusal.task, &refusal.observed);
        writeln!(shown, "refusal: {host} [{task}] {observed}: {:?} at {:?}", refusal.message, refusal.span).unwrap();
    }
    for skipped in &desired.skipped {
        writeln!(shown, "skipped: {}", skipped.pattern).unwrap();
    }
    Ok(shown)
}

/// Writes a case, which is a whole project: `=== PATH` begins each of its files. Gives what stands in `arguments`: words of the
/// command line.
fn write_case(root: &Path, text: &str) -> String {
    let mut arguments = String::new();
    for file in text.split("=== ").skip(1) {
        let (path, text) = file.split_once('\n').unwrap();
        if path == "arguments" {
            arguments = text.trim().to_owned();
        }
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    arguments
}

fn desired_of_case(text: &str) -> Result<String, Diagnostics> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let arguments = write_case(root, text);
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let given = |option: &str| -> Vec<String> {
        words.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].to_owned()).collect()
    };
    let playbook = root.join("site.yaml");
    let sources = read_inventories(&[root.join("inventory.yaml").display().to_string()], None)?;
    let inventory = Inventory::parse(&sources)?;
    let (playbook, roles) = project::read_playbook(root, Some(&playbook), &[])?;
    let desired = resolve(&Declaration {
        inventory: &inventory,
        playbook: &playbook,
        roles: &roles,
        files: &ProjectFiles,
        extra: &[],
        becoming: &Becoming::default(),
        limit: None,
        within: None,
        tags: &TagSelection::of(&given("--tags"), &given("--skip-tags")),
        facts: Facts::Unasked,
    })?;
    describe_desired(&desired)
}

#[test]
fn playbooks_mean_what_is_expected_of_them() {
    let all = cases("playbooks", &["project"]);
    assert!(all.len() >= 8, "the cases are gone: {all:?}");
    compare(&all, |_, text| {
        // Paths begin at the project, wherever it lies.
        let mean = desired_of_case(&text);
        mean.map(|shown| without_root(&shown)).map_err(|mistakes| {
            mistakes
                .iter()
                .map(|mistake| {
                    let mut mistake = mistake.clone();
                    if let Some(span) = &mut mistake.span {
                        span.source = Source::new(without_root(&span.source.path), span.source.text.clone());
                    }
                    mistake.message = without_root(&mistake.message);
                    mistake.hint = mistake.hint.as_deref().map(without_root);
                    mistake
                })
                .collect()
        })
    });
}

/// The real program in the directory of a case: what it prints, says and exits with.
fn ran(root: &Path, words: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_converge"))
        .args(words)
        .current_dir(root)
        .env_clear()
        .env("HOME", root)
        .output()
        .unwrap();
    let (out, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    format!("{out}{said}exit code {}\n", output.status.code().unwrap())
}

/// Every class of mistake shows file, line, column, the line with a marker, and what to write instead; all at once.
#[test]
fn whole_projects_are_checked_without_any_host() {
    let all = cases("lint", &["project"]);
    assert!(all.len() >= 8, "the cases are gone: {all:?}");
    let write = std::env::var_os("CONVERGE_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for path in all {
        let root = tempfile::tempdir().unwrap();
        let arguments = write_case(root.path(), &fs::read_to_string(&path).unwrap());
        fs::remove_file(root.path().join("arguments")).unwrap();
        let shown = ran(root.path(), &arguments.split_whitespace().collect::<Vec<_>>());
        let expected = path.with_extension("expected");
        if write {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn says(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
}

/// The example of docs/roles.md, as it lies there: checked, listed, planned on this machine, explained; and the page shows what it
/// holds.
#[test]
fn the_worked_example_is_checked_planned_and_explained() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    copy_directory(&project.join("examples/web-service"), root);
    assert_eq!(ran(root, &["lint", "--strict"]), "6 files, 0 mistakes, 0 warnings\nexit code 0\n");
    let inventory = "inventories/example.yaml";
    says(&ran(root, &["-i", inventory, "--syntax-check"]), &["5 files without a mistake", "exit code 0"]);
    says(&ran(root, &["--list-tasks"]), &["hello : the user", "hello : the service", "hello : it answers"]);

    let here = "web: { hosts: { localhost: { hello_port: 8097 } }, vars: { hello_greeting: Good morning, hello_home: ROOT } }\n";
    fs::write(root.join("here.yaml"), here.replace("ROOT", root.join("home").to_str().unwrap())).unwrap();
    let plan = ran(root, &["-i", "here.yaml", "plan"]);
    says(
        &plan,
        &["+<p>Good morning from localhost.</p>", "hello.service: absent -> ", "wait for port 8097", "exit code 2"],
    );
    let explained = ran(root, &["-i", "here.yaml", "explain", "localhost", "wait for port"]);
    says(
        &explained,
        &[
            "localhost: wait for port 8097\n  declared by it answers at roles/hello/tasks/main.yaml:51:3\n",
            "  port = 8097  (roles/hello/tasks/main.yaml:52:21)\n    hello_port = 8097 from host in the inventory file (localhost) at here.yaml:1:42\n      over 8080 from role defaults (hello) at roles/hello/defaults/main.yaml:1:13\n",
            "rules: none has anything to say",
            "action: wait for port 8097",
            "exit code 0",
        ],
    );
    says(
        &ran(root, &["-i", "here.yaml", "-e", "hello_port=80", "plan"]),
        &["isn't root and can't listen on 80", "exit code 3"],
    );

    let page = fs::read_to_string(project.join("docs/roles.md")).unwrap();
    for file in ["defaults/main.yaml", "handlers/main.yaml"] {
        let text = fs::read_to_string(root.join("roles/hello").join(file)).unwrap();
        assert!(page.contains(&format!("# roles/hello/{file}\n{text}")), "docs/roles.md doesn't show {file} as it is");
    }
    let tasks = fs::read_to_string(root.join("roles/hello/tasks/main.yaml")).unwrap();
    let shown = page.split("# roles/hello/tasks/main.yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    assert_eq!(shown.filter(|part| !tasks.contains(*part)).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Where a value came from, what lost, and no secret in any of it.
#[test]
fn explain_tells_levels_losers_rules_and_actions_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write_case(
        root,
        "=== prod.yaml
web:
  hosts: { localhost: { port: 81, db_password: hunter2 }, downgrade: { ansible_connection: local, db_password: hunter2 } }
  vars: { port: 80, index: \"https://me:s3cr3t@x/\", nested: { token: abcdef, plain: shown } }
=== group_vars/web.yaml
port: 82
=== playbooks/site.yaml
- hosts: web
  vars: { url: \"db:{{db_password}}\" }
  roles: [{ role: web, vars: { name: app } }]
=== roles/web/tasks/main.yaml
- name: conf
  copy: { dest: \"{{home}}/{{name}}.conf\", content: \"port {{port}}\\n\", mode: \"0600\" }
- copy: { dest: /nonexistent/pw, content: \"{{url}}\" }
- copy: { dest: /nonexistent/index, content: \"{{index}}\" }
- copy: { dest: /nonexistent/nested, content: \"{{json nested}}\" }
- command: { cmd: \"{{item}}\", creates: /nonexistent/made }
  loop: [one, two]
=== roles/web/defaults/main.yaml
home: \"{{base}}/home\"
base: /nonexistent
port: 1
",
    );
    let all = ran(root, &["-i", "prod.yaml", "explain", "localhost"]);
    says(
        &all,
        &[
            "  dest = \"/nonexistent/home/app.conf\"  (roles/web/tasks/main.yaml:2:17)\n    home = \"{{base}}/home\" from role defaults (web) at roles/web/defaults/main.yaml:1:7\n    base = \"/nonexistent\" from role defaults (web)",
            "    name = \"app\" from vars of the role's entry in the play",
            "    port = 81 from host in the inventory file (localhost) at prod.yaml:2:31\n      over 82 from group_vars beside the inventory (web) at group_vars/web.yaml:1:7\n      over 80 from group in the inventory file (web) at prod.yaml:3:17\n      over 1 from role defaults (web) at roles/web/defaults/main.yaml:3:7\n",
            "  content = \"****\"",
            "https://****@x/",
            "  cmd = \"one\"",
            "  cmd = \"two\"",
            "observed: absent",
            "action: copy /nonexistent/home/app.conf: absent -> 8 bytes (prepare: play 1)\n    because conf",
        ],
    );
    let json = ran(root, &["-i", "prod.yaml", "explain", "localhost", "--output", "json"]);
    for secret in ["hunter2", "s3cr3t", "abcdef"] {
        assert!(!all.contains(secret) && !json.contains(secret), "{secret}:\n{all}{json}");
    }
    let json: serde_json::Value = serde_json::from_str(json.split("exit code").next().unwrap()).unwrap();
    let port = &json["resources"][0]["fields"][1]["variables"][0];
    assert_eq!(
        (port["level"].as_str(), port["lost"].as_array().map(Vec::len)),
        (Some("host in the inventory file"), Some(3))
    );
    // A host goes before a rule of the same name, and without an inventory every name is a rule's.
    says(&ran(root, &["-i", "prod.yaml", "explain", "downgrade"]), &["downgrade: copy /nonexistent/home/app.conf"]);
    says(&ran(root, &["explain", "downgrade"]), &["downgrade (mandatory)", "exit code 0"]);
    says(&ran(root, &["-i", "prod.yaml", "explain", "change-log"]), &["change-log (waivable)", "exit code 0"]);
    says(&ran(root, &["-i", "prod.yaml", "explain", "localhots"]), &["did you mean `localhost`?", "exit code 64"]);
    says(
        &ran(root, &["-i", "prod.yaml", "explain", "localhost", "nothing"]),
        &["nothing of localhost is called", "exit code 64"],
    );
    says(&ran(root, &["explain", "localhost", "x"]), &["name the inventory", "exit code 64"]);
}

/// The text without the temporary directory that paths in it begin with.
fn without_root(text: &str) -> String {
    let root = std::env::temp_dir().display().to_string();
    let marker = format!("{root}/.tmp");
    let mut parts = text.split(marker.as_str());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| shown + part.split_once('/').map_or(part, |(_, rest)| rest))
}

#[test]
fn patterns_choose_what_ansible_chooses() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory/nested.yaml")).unwrap();
    let inventory = Inventory::parse(&InventorySources::of(Source::new("nested.yaml", text))).unwrap();
    for (pattern, expected) in [
        ("all", "lone gpu03 mgr2 mgr1 store1 gpu01 gpu02"),
        ("site", "mgr1 mgr2 store1 gpu01 gpu02 gpu03"),
        ("site:!agent", "mgr1 mgr2 store1"),
        ("site:&edge", "mgr2 gpu03"),
        ("!edge", "mgr1 store1 gpu01 gpu02"),
        ("agent[0]:manager[-1]", "gpu01 store1"),
        ("agent[0:1]", "gpu01 gpu02"),
        ("site[0]", "mgr1"),
        ("~gpu0[23]", "gpu02 gpu03"),
        ("*1", "mgr1 store1 gpu01"),
        ("ungrouped", ""),
        ("e*:&a*", "gpu03 lone mgr2"),
    ] {
        let chosen = Pattern::parse(pattern).unwrap().select(&inventory).hosts;
        assert_eq!(chosen.iter().map(HostName::as_str).collect::<Vec<_>>().join(" "), expected, "{pattern}");
    }
}

/// The way that the command line goes: files of a project to what each host should have.
fn desired_of(root: &Path, inventory: &Path, extra: &[&str], limit: Option<&str>) -> Result<Desired, Diagnostics> {
    let extra: Vec<String> = extra.iter().map(|text| (*text).to_owned()).collect();
    let names = [inventory.display().to_string()];
    let sources = read_inventories(&names, Some(&project::playbook_directory(root, None)))?;
    let inventory = Inventory::parse(&sources)?;
    let (playbook, roles) = project::read_playbook(root, None, &[])?;
    let extra = read_extra_vars(&project::read_extra_arguments(&extra)?)?;
    let becoming = &Becoming::default();
    resolve(&Declaration {
        inventory: &inventory,
        playbook: &playbook,
        roles: &roles,
        files: &ProjectFiles,
        extra: &extra,
        becoming,
        limit,
        within: None,
        tags: &TagSelection::default(),
        facts: Facts::Unasked,
    })
}

#[test]
fn the_example_inventory_resolves_with_nothing_else_there() {
    let empty = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/example.yaml");
    let desired = desired_of(empty.path(), &example, &[], None).unwrap();
    let tasks: Vec<String> = desired.tasks.iter().map(|task| format!("{}@{}", task.task, task.host)).collect();
    assert_eq!(tasks[..3], ["Backend.AI manager@mgr1", "Backend.AI manager@mgr2", "Backend.AI storage proxy@store1"]);
    assert_eq!((tasks.len(), desired.connections.len(), desired.skipped.len()), (8, 8, 3));
    assert_eq!(desired.connections["web1"].port, Some(2222));
}

#[test]
fn a_project_s_own_files_are_layered_as_ansible_layers_them() {
    let project = tempfile::tempdir().unwrap();
    let root = project.path();
    for (path, text) in [
        ("inventories/prod.yaml", "manager: { hosts: { m1: , m2: }, vars: { release: \"25.6.1\", home: /file } }\n"),
        (
            "inventories/group_vars/manager/main.yml",
            "home: /group\nmanager_unit: \"\"\nmanager_command: run {{shellquote home}}\n",
        ),
        ("inventories/host_vars/m2", "home: '/host dir'\n"),
        ("playbooks/group_vars/all.yaml", "home: /all\npip_args: --no-index\n"),
        ("roles/webserver/tasks/main.yaml", "- shell: ls\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let inventory = root.join("inventories/prod.yaml");
    let shown = desired_of(root, &inventory, &[], None).unwrap_err().to_string();
    assert!(
        shown.contains("roles/webserver/tasks/main.yaml:1:3: `shell` isn't a kind of task in this release"),
        "{shown}"
    );
    fs::remove_dir_all(root.join("roles")).unwrap();

    let desired =
        desired_of(root, &inventory, &["release=25.10 manager_pid_file=/run/m.pid"], Some("manager[1]")).unwrap();
    assert_eq!(desired.left_out.iter().map(HostName::as_str).collect::<Vec<_>>(), ["m1"]);
    let [task] = desired.tasks.as_slice() else { panic!("one task: {:?}", desired.tasks) };
    let field = |path: &[&str]| {
        let node = path.iter().try_fold(&task.body, |node, key| node.get(key)).unwrap();
        node.as_text().unwrap()
    };
    assert_eq!(field(&["release"]), "25.10");
    assert_eq!(field(&["venv"]), "/host dir/manager/.venv");
    assert_eq!(field(&["pip_args"]), "--no-index");
    assert_eq!(field(&["process", "command"]), "run '/host dir'");
    assert_eq!(field(&["process", "pid_file"]), "/run/m.pid");
    let home = task.variables.get("home").unwrap();
    let lost: Vec<String> = home.lost.iter().map(|given| given.level.to_string()).collect();
    assert_eq!(home.given.level.to_string(), "host_vars beside the inventory");
    assert_eq!(
        lost,
        [
            "group_vars beside the inventory",
            "group_vars/all beside the playbook",
            "group in the inventory file",
            "role defaults"
        ]
    );
}
