//! Credentials from `.netrc`, where pip's HTTP library looks for them. No I/O.

use crate::model::Secret;

/// A login and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// The login for `host`: its own, or else the one behind `default`. Macros (`macdef`) end at an empty line and are passed
/// over.
pub(super) fn login_for(text: &str, host: &str) -> Option<Login> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        let line = line.trim();
        if in_macro {
            in_macro = !line.is_empty();
        } else if line.starts_with("macdef") {
            in_macro = true;
        } else if !line.starts_with('#') {
            words.extend(line.split_whitespace());
        }
    }
    let mut found: Option<Login> = None;
    let mut words = words.into_iter();
    // Whether the entry that is being read is of this host; `default` counts where nothing was found before it.
    let mut matches = false;
    let (mut user, mut password) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                found = found.or_else(|| login(user.take(), password.take()));
                (user, password) = (None, None);
                matches = found.is_none() && (word == "default" || words.next() == Some(host));
                if word == "machine" && found.is_some() {
                    break;
                }
            }
            "login" => user = words.next().filter(|_| matches),
            "password" => password = words.next().filter(|_| matches),
            "account" => drop(words.next()),
            _ => {}
        }
    }
    found.or_else(|| login(user, password))
}

fn login(user: Option<&str>, password: Option<&str>) -> Option<Login> {
    let unquoted = |word: &str| word.trim_matches('"').to_owned();
    Some(Login { user: unquoted(user?), password: Secret::new(unquoted(password?)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_the_host_counts_or_else_the_default() {
        let text = "# mine\nmachine a.example login ann password one\nmachine b.example\n  login bob\n  password \"two\"\n\
                    macdef init\nmachine c.example login x password y\n\ndefault login eve password three\n";
        let of = |host: &str| login_for(text, host).map(|login| (login.user, login.password.expose().to_owned()));
        let expect = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("a.example"), expect("ann", "one"));
        assert_eq!(of("b.example"), expect("bob", "two"));
        assert_eq!(of("c.example"), expect("eve", "three"));
        assert_eq!(login_for("machine a login ann", "a"), None);
        assert_eq!(login_for("", "a"), None);
    }
}
