//! How a host is reached.

use super::ssh_arguments::SshArguments;
use crate::document::{Diagnostic, Diagnostics, Node, place_of};
use crate::model::{BecomeUser, HostName, Secret};

/// Over what a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// SSH (Ansible's `ssh`, and its `smart`, which means the same today).
    Ssh,
    /// Processes of this machine.
    Local,
}

/// How a host is reached, as far as the inventory says; the rest is SSH configuration's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name or address to connect to; the host's own name unless `ansible_host` says otherwise.
    pub host: String,
    /// Port; SSH configuration's, or 22, when not given.
    pub port: Option<u16>,
    /// User to log in as; the caller's own or SSH configuration's when not given.
    pub user: Option<String>,
    /// Private key, as written (`~/` not expanded).
    pub private_key_file: Option<String>,
    /// Password to log in with, where keys don't do.
    pub password: Option<Secret>,
    /// Options of the ssh command, weaker than what is above: `ansible_ssh_args`, `ansible_ssh_common_args` and
    /// `ansible_ssh_extra_args`, in this order.
    pub ssh_arguments: SshArguments,
    /// Over what.
    pub kind: ConnectionKind,
    /// `ansible_python_interpreter`: a Python on the host that probes may use when they need one.
    pub python: Option<String>,
    /// Whom everything there is done as, where that isn't who logs in. It isn't read with the rest: plays and tasks have a
    /// say in it.
    pub become_user: Option<BecomeUser>,
}

impl Connection {
    /// Reads the connection variables of a host; `value` gives the finished (templated) value of a variable.
    ///
    /// # Errors
    /// When a value isn't usable, an old alias contradicts its new name, or the kind of connection isn't supported.
    /// Mistakes of `value` itself are passed on.
    pub fn read(
        default_host: &HostName,
        mut value: impl FnMut(&str) -> Result<Option<Node>, Diagnostics>,
    ) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut either = |names: &[&'static str]| -> Option<Node> {
            let mut found: Option<(&'static str, Node)> = None;
            for name in names {
                let node = mistakes.keep(value(name)).flatten().filter(|node| !node.is_blank() || node.tag.is_some());
                match (&found, node) {
                    (_, None) => {}
                    (None, Some(node)) => found = Some((name, node)),
                    (Some((first, known)), Some(node)) => {
                        if known.value != node.value {
                            mistakes.push(contradiction(name, &node, first, known).hint("keep one of them"));
                        }
                    }
                }
            }
            found.map(|(_, node)| node)
        };
        let address = either(&["ansible_host", "ansible_ssh_host"]);
        let port = either(&["ansible_port", "ansible_ssh_port"]);
        let user = either(&["ansible_user", "ansible_ssh_user"]);
        let key = either(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
        let password = either(&PASSWORD_NAMES);
        let arguments =
            ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"].map(|name| either(&[name]));
        let kind = either(&["ansible_connection"]);
        let python = either(&["ansible_python_interpreter"]);

        let is_reached = address.is_some() || port.is_some();
        let host = address.and_then(|node| mistakes.keep(word(&node, "a host name or address")));
        let port = port.and_then(|node| mistakes.keep(node.as_port()));
        let user = user.and_then(|node| mistakes.keep(word(&node, "a user name")));
        let private_key_file = key.and_then(|node| mistakes.keep(node.as_text()));
        let password = password.and_then(|node| mistakes.keep(read_password(&node)));
        let mut ssh_arguments = SshArguments::default();
        for node in arguments.iter().flatten() {
            mistakes.keep(ssh_arguments.add(node));
        }
        let kind = kind.and_then(|node| mistakes.keep(read_kind(&node)));
        let python = python.and_then(|node| mistakes.keep(node.as_text())).filter(|path| !path.starts_with("auto"));
        let connection = Self {
            host: host.unwrap_or_else(|| default_host.to_string()),
            port,
            user,
            private_key_file,
            password,
            ssh_arguments,
            kind: kind.unwrap_or_else(|| {
                if is_this_machine(default_host) && !is_reached { ConnectionKind::Local } else { ConnectionKind::Ssh }
            }),
            python,
            become_user: None,
        };
        mistakes.or_ok(connection)
    }
}

/// Names that mean the machine that converge runs on, as Ansible has it.
const THIS_MACHINE: [&str; 2] = ["localhost", "127.0.0.1"];

fn is_this_machine(host: &HostName) -> bool {
    THIS_MACHINE.contains(&host.as_str())
}

/// The variable of the password, and its older names.
const PASSWORD_NAMES: [&str; 3] = ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];

/// A diagnostic shows the line that it is about: not so where that is a password's.
fn contradiction(name: &str, node: &Node, first: &str, known: &Node) -> Diagnostic {
    let message = format!("`{name}` contradicts `{first}` at {}", known.span);
    if PASSWORD_NAMES.contains(&name) {
        Diagnostic::nowhere(format!("{}: {message}", place_of(&node.span)))
    } else {
        Diagnostic::at(&node.span, message)
    }
}

fn read_password(node: &Node) -> Result<Secret, Diagnostic> {
    match node.as_text() {
        Ok(text) => Ok(Secret::new(text)),
        // A vaulted one has its own words, and no secret in its line.
        Err(error) if node.tag.is_some() => Err(error),
        Err(_) => Err(Diagnostic::nowhere(format!("{}: a password was expected, as a text", place_of(&node.span)))),
    }
}

/// A word that may stand in a command or a message: no blanks, no control characters, no leading dash.
fn word(node: &Node, expected: &str) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if text.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(node.unexpected(expected));
    }
    Ok(text.to_owned())
}

fn read_kind(node: &Node) -> Result<ConnectionKind, Diagnostic> {
    match node.as_str()? {
        "ssh" | "smart" => Ok(ConnectionKind::Ssh),
        "local" => Ok(ConnectionKind::Local),
        other => Err(Diagnostic::at(&node.span, format!("the connection `{other}` isn't supported in this release"))
            .hint("it is `ssh` or `local`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn read(text: &str) -> Result<Connection, String> {
        let node = Node::parse(&Source::new("t.yaml", text)).unwrap();
        let host = HostName::parse("mgr1").unwrap();
        Connection::read(&host, |name| Ok(node.get(name).cloned())).map_err(|d| d.to_string())
    }

    #[test]
    fn the_host_s_own_name_is_the_default_and_nothing_else() {
        let connection = read("").unwrap();
        assert_eq!((connection.host.as_str(), connection.port, connection.user), ("mgr1", None, None));
        assert_eq!(connection.kind, ConnectionKind::Ssh);
    }

    #[test]
    fn localhost_is_this_machine_unless_it_says_how_it_is_reached() {
        let kind_of = |name: &str, text: &str| {
            let node = Node::parse(&Source::new("t.yaml", text)).unwrap();
            Connection::read(&HostName::parse(name).unwrap(), |name| Ok(node.get(name).cloned())).unwrap().kind
        };
        for (name, text, kind) in [
            ("localhost", "ansible_user: bai\n", ConnectionKind::Local),
            ("127.0.0.1", "", ConnectionKind::Local),
            ("localhost", "ansible_connection: ssh\n", ConnectionKind::Ssh),
            ("localhost", "ansible_port: 2222\n", ConnectionKind::Ssh),
            ("localhost", "ansible_host: gpu07\n", ConnectionKind::Ssh),
            ("localhost.example.org", "", ConnectionKind::Ssh),
            ("mgr1", "ansible_connection: local\n", ConnectionKind::Local),
        ] {
            assert_eq!(kind_of(name, text), kind, "{name} {text}");
        }
    }

    #[test]
    fn old_aliases_are_honoured_unless_they_contradict() {
        let connection = read("ansible_ssh_host: 10.0.0.1\nansible_ssh_port: 2222\nansible_ssh_user: bai\n").unwrap();
        assert_eq!((connection.host.as_str(), connection.port), ("10.0.0.1", Some(2222)));
        assert_eq!(connection.user.as_deref(), Some("bai"));
        let shown = read("ansible_host: a\nansible_ssh_host: b\n").unwrap_err();
        assert!(
            shown.starts_with("t.yaml:2:19: `ansible_ssh_host` contradicts `ansible_host` at t.yaml:1:15"),
            "{shown}"
        );
    }

    #[test]
    fn a_password_is_read_and_its_line_never_shown() {
        let connection = read("ansible_ssh_pass: hunter2\n").unwrap();
        assert_eq!(connection.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{connection:?}").contains("hunter2"));
        for text in ["ansible_password: hunter2\nansible_ssh_pass: hunter3\n", "ansible_password: [hunter2]\n"] {
            let shown = read(text).unwrap_err();
            assert!(shown.contains("t.yaml:") && !shown.contains("hunter"), "{shown}");
        }
    }

    #[test]
    fn options_of_ssh_stand_one_behind_the_other() {
        let text = "ansible_ssh_extra_args: -o User=x\nansible_ssh_common_args: -J bastion\nansible_ssh_args: -C\n";
        assert_eq!(read(text).unwrap().ssh_arguments.options, ["-C", "-J", "bastion", "-o", "User=x"]);
        let shown = read("ansible_ssh_common_args: -L 1:a:2\n").unwrap_err();
        assert!(shown.contains("t.yaml:1:26: ssh's option `-L` isn't supported"), "{shown}");
    }

    #[test]
    fn what_cant_be_used_is_refused_with_its_place() {
        let shown =
            read("ansible_port: ssh\nansible_connection: docker\nansible_user: -oProxyCommand=x\n").unwrap_err();
        for part in [
            "t.yaml:1:15: expected a port",
            "t.yaml:3:15: expected a user name",
            "t.yaml:2:21: the connection `docker`",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
