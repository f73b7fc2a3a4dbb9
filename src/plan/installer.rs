//! The command that installs packages into an environment, by whatever the site declares as installer. Pure.

use std::fmt::Write as _;

use crate::model::shell_quote as q;
use crate::release::Release;
use crate::resource::component::{Component, Installer};

/// What is to be installed.
pub(super) enum Wanted<'a> {
    /// These requirements and whatever they need, newer than what is there.
    Upgrade(&'a [String]),
    /// What this requirements file names, and whatever that needs.
    File(&'a str),
    /// Exactly what this requirements file names, by its digests.
    Locked(&'a str),
}

/// The lines up to the command itself, which is the last one and has no end of line: what follows it says what happens
/// when it fails. It sets `$@`, and with uv `$u`; `release` chooses the constraint files.
pub(super) fn install_into(component: &Component, release: &Release, environment: &str, wanted: &Wanted<'_>) -> String {
    let mut text = String::from("set --\n");
    let constrained = match wanted {
        Wanted::Upgrade(_) | Wanted::File(_) => component.constraints_for(release),
        // Where every digest is given, there is nothing left to constrain.
        Wanted::Locked(_) => Vec::new(),
    };
    for constraint in constrained {
        let file = q(&constraint.path);
        let _ = match constraint.optional {
            true => writeln!(text, "[ -e {file} ] && set -- \"$@\" -c {file}"),
            false => writeln!(text, "set -- \"$@\" -c {file}"),
        };
    }
    let python = q(&format!("{environment}/bin/python"));
    let _ = match &component.environments.installer {
        Installer::Pip => write!(text, "{python} -I -m pip --disable-pip-version-check --no-input install \"$@\""),
        // What pip compiles here would otherwise be compiled at the first start, while nothing answers.
        Installer::Uv { path } => {
            write!(text, "{}\"$u\" pip install --python {python} --compile-bytecode \"$@\"", find_uv(path, "exit 1"))
        }
    };
    for word in &component.pip_args {
        let _ = write!(text, " {}", q(word));
    }
    let _ = match wanted {
        Wanted::Upgrade(requirements) => {
            let words: Vec<String> = requirements.iter().map(|requirement| q(requirement)).collect();
            write!(text, " -U {}", words.join(" "))
        }
        Wanted::File(file) => write!(text, " -r {}", q(file)),
        Wanted::Locked(file) => write!(text, " --require-hashes --no-deps -r {}", q(file)),
    };
    text
}

/// Sets `u` to the path of uv, or does `otherwise` where there is none.
pub(super) fn find_uv(path: &str, otherwise: &str) -> String {
    let found = if path.starts_with('/') {
        format!("u={}", q(path))
    } else {
        format!("u=$(command -v {0}) || u=$HOME/.local/bin/{0}", q(path))
    };
    format!(
        "{found}\n[ -x \"$u\" ] || {{ echo \"there is no $u, which is declared as installer\" >&2; {otherwise}; }}\n"
    )
}
