//! The inventory of a cluster, in Ansible's YAML, with the overrides that bend the bundled roles to it.

use std::fmt::Write as _;

use super::{Component, Host, Rehearsal, text};

/// Writes the inventory as text.
pub(super) fn render(cluster: &Rehearsal) -> String {
    let mut out = String::from(
        "# Three hosts on loopback; each has its own SSH server, home and virtual environment.\nall:\n  vars:\n",
    );
    let keys = cluster.keys();
    variable(&mut out, 4, "release", cluster.declared());
    variable(&mut out, 4, "ansible_host", "127.0.0.1");
    variable(&mut out, 4, "ansible_user", keys.user());
    variable(&mut out, 4, "ansible_ssh_private_key_file", &text(&keys.private_key()));
    variable(&mut out, 4, "pip_args", &format!("--no-index --find-links {}", text(&cluster.wheelhouse())));
    out.push_str("  children:\n");
    for component in [Component::Manager, Component::StorageProxy, Component::Webserver] {
        let hosts: Vec<&Host> = cluster.hosts().iter().filter(|host| host.service().component() == component).collect();
        if hosts.is_empty() {
            continue;
        }
        writeln!(out, "    {}:\n      hosts:", component.name()).expect("writing to a string succeeds");
        hosts.iter().for_each(|host| render_host(&mut out, host, keys.user()));
    }
    out
}

fn render_host(out: &mut String, host: &Host, user: &str) {
    let service = host.service();
    let component = service.component();
    let home = text(host.directory());
    writeln!(out, "        {}:", host.name()).expect("writing to a string succeeds");
    writeln!(out, "          ansible_port: {}", host.server().port()).expect("writing to a string succeeds");
    variable(out, 10, "home", &home);
    if component == Component::Manager {
        variable(out, 10, "manager_alembic_ini", &text(&service.alembic_ini()));
        variable(out, 10, "backup_directory", &format!("{home}/backups"));
    }
    let mut own = |name: &str, value: &str| {
        variable(out, 10, &format!("{}_{name}", component.name().replace('-', "_")), value);
    };
    own("package", &component.package());
    own("directory", &text(&service.directory()));
    own("venv", &text(&service.venv()));
    own("unit", "");
    own("command", &service.command_line());
    own("log", &text(&service.log()));
    own("title", &service.title());
    own("process_user", user);
    own("stop_signal", "SIGTERM");
    own("health_url", &service.health_url());
    own("health_version", component.health().1);
    let prefix = component.name().replace('-', "_");
    // A start takes a fifth of a second, a stop less; the rest is for a busy machine.
    writeln!(out, "          {prefix}_start_timeout: 20").expect("writing to a string succeeds");
    writeln!(out, "          {prefix}_stop_timeout: 10").expect("writing to a string succeeds");
}

/// Writes one variable; a JSON string is a double-quoted YAML scalar.
fn variable(out: &mut String, indent: usize, name: &str, value: &str) {
    writeln!(out, "{:indent$}{name}: {}", "", serde_json::Value::from(value)).expect("writing to a string succeeds");
}
