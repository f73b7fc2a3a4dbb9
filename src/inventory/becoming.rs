//! Which user everything on a host is done as.

use crate::document::{Diagnostic, Diagnostics, Node};
use crate::model::{BecomeMethod, BecomeUser, Secret};

/// Variables that say it, the old name of the password among them.
pub(super) const VARIABLES: [&str; 5] = [
    "ansible_become",
    "ansible_become_user",
    "ansible_become_method",
    "ansible_become_password",
    "ansible_become_pass",
];

/// What one place says of it by keywords: a play, a role's entry, a task, or the command line. Templates are not rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Becoming {
    /// `become`.
    pub enabled: Option<Node>,
    /// `become_user`.
    pub user: Option<Node>,
    /// `become_method`.
    pub method: Option<Node>,
}

impl Becoming {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let Self { enabled, user, method } = self;
        enabled.is_none() && user.is_none() && method.is_none()
    }
}

/// The user to become, and how. Variables win over keywords, inner places over outer ones, each of the three for itself;
/// without a word the user who logs in stays, and where only the user or the method isn't named it is root, by sudo.
///
/// `places` are those that have a say, the innermost first; `value` gives the finished value of a variable, and `render` that
/// of a keyword.
///
/// # Errors
/// When a value isn't usable. Mistakes of `value` and `render` are passed on.
pub fn read_becoming(
    places: &[&Becoming],
    mut value: impl FnMut(&str) -> Result<Option<Node>, Diagnostics>,
    mut render: impl FnMut(&Node) -> Result<Node, Diagnostics>,
) -> Result<Option<BecomeUser>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let is_given = |node: &Node| !node.is_blank() || node.tag.is_some();
    let mut said = |variable: &str, keyword: fn(&Becoming) -> Option<&Node>| -> Option<Node> {
        if let Some(node) = mistakes.keep(value(variable)).flatten().filter(is_given) {
            return Some(node);
        }
        let node = places.iter().find_map(|place| keyword(place).filter(|node| is_given(node)))?;
        mistakes.keep(render(node))
    };
    let enabled = said("ansible_become", |place| place.enabled.as_ref());
    let user = said("ansible_become_user", |place| place.user.as_ref());
    let method = said("ansible_become_method", |place| place.method.as_ref());
    let password = said("ansible_become_password", |_| None).or_else(|| said("ansible_become_pass", |_| None));

    let enabled = enabled.and_then(|node| mistakes.keep(node.as_bool())).unwrap_or(false);
    let user = user.and_then(|node| mistakes.keep(user_name(&node)));
    let method = method.and_then(|node| mistakes.keep(method_of(&node)));
    let password = password.and_then(|node| mistakes.keep(read_password(&node)));
    let become_user = BecomeUser {
        method: method.unwrap_or(BecomeMethod::Sudo),
        user: user.unwrap_or_else(|| "root".to_owned()),
        password,
    };
    mistakes.or_ok(enabled.then_some(become_user))
}

/// A name that can stand behind an option, in a shell's command and in a message.
fn user_name(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '\\' | '#' | '$');
    if text.starts_with('-') || !text.chars().all(plain) {
        return Err(node.unexpected("a user name"));
    }
    Ok(text.to_owned())
}

fn method_of(node: &Node) -> Result<BecomeMethod, Diagnostic> {
    let word = node.as_str()?;
    // Ansible's full names mean the same.
    let short = word.rsplit('.').next().unwrap_or(word);
    BecomeMethod::of(short).ok_or_else(|| {
        let known = BecomeMethod::ALL.map(BecomeMethod::word).join(", ");
        Diagnostic::at(&node.span, format!("`{word}` is no way to become a user in this release"))
            .hint(format!("it is one of {known}"))
    })
}

/// A mistake of it names no value.
fn read_password(node: &Node) -> Result<Secret, Diagnostic> {
    let text = node.as_str()?;
    if text.contains(['\n', '\r', '\0']) {
        return Err(Diagnostic::nowhere("a password to become a user (`ansible_become_password`) is one line")
            .hint("a block of YAML ends with a line break unless it begins with `|-`"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn node(text: &str) -> Node {
        Node::parse(&Source::new("t.yaml", text)).unwrap()
    }

    fn place(text: &str) -> Becoming {
        let node = node(text);
        let of = |key: &str| node.get(key).cloned();
        Becoming { enabled: of("become"), user: of("become_user"), method: of("become_method") }
    }

    fn read(variables: &str, places: &[&str]) -> Result<String, String> {
        let (variables, places) = (node(variables), places.iter().map(|text| place(text)).collect::<Vec<_>>());
        let places: Vec<&Becoming> = places.iter().collect();
        read_becoming(&places, |name| Ok(variables.get(name).cloned()), |node| Ok(node.clone()))
            .map(|become_user| match become_user {
                None => "nobody".to_owned(),
                Some(BecomeUser { method, user, password }) => {
                    format!("{user} by {method}{}", if password.is_some() { " with a password" } else { "" })
                }
            })
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn variables_win_over_keywords_and_inner_places_over_outer_ones() {
        for (variables, places, expected) in [
            ("", &[][..], "nobody"),
            ("", &["become: yes"], "root by sudo"),
            ("", &["become: no", "become: yes"], "nobody"),
            ("", &["become_user: bai", "become: yes\nbecome_user: root\nbecome_method: su"], "bai by su"),
            ("", &["become_user: bai"], "nobody"),
            ("ansible_become: yes", &["become: no"], "root by sudo"),
            ("ansible_become: no", &["become: yes"], "nobody"),
            ("ansible_become_user: pg", &["become: yes\nbecome_user: bai"], "pg by sudo"),
            ("ansible_become_method: doas\nansible_become_user: ''", &["become: yes\nbecome_user: bai"], "bai by doas"),
            ("ansible_become_method: community.general.doas", &["become: yes"], "root by doas"),
            ("ansible_become_pass: x", &["become: yes"], "root by sudo with a password"),
            ("ansible_become_password: x", &["become: yes"], "root by sudo with a password"),
        ] {
            assert_eq!(read(variables, places), Ok(expected.to_owned()), "{variables} {places:?}");
        }
    }

    #[test]
    fn what_cant_be_used_is_refused_with_its_place() {
        for (variables, expected) in [
            ("ansible_become: maybe", "t.yaml:1:17: expected yes or no"),
            ("ansible_become_user: -u root", "t.yaml:1:22: expected a user name"),
            ("ansible_become_user: a;b", "expected a user name"),
            ("ansible_become_method: runas", "t.yaml:1:24: `runas` is no way to become a user"),
        ] {
            let shown = read(variables, &[]).unwrap_err();
            assert!(shown.contains(expected), "{shown}");
        }
        let shown = read("ansible_become_password: |\n  hunter2\n", &[]).unwrap_err();
        assert!(shown.contains("is one line") && !shown.contains("hunter2"), "{shown}");
    }
}
