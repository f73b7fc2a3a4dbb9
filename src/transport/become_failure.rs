//! Why another user couldn't be become, read from what sudo, su and doas say: they have one exit status for everything. Pure.
//!
//! What is read here decides what a message says and whether a terminal is tried; nothing of the script has run in any of
//! these cases.

use std::fmt;

use super::capture::last_words;
use super::start::ASKS;
use crate::model::{BecomeMethod, BecomeUser};

/// Why a script wasn't started as another user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BecomeFailure {
    /// A password is asked for, and there is none.
    PasswordNeeded,
    /// The password isn't right, or the account takes none.
    WrongPassword,
    /// The user who logs in may not do this.
    NotAllowed {
        /// What the host said.
        said: String,
    },
    /// There is no such user.
    NoSuchUser,
    /// The program isn't there.
    NotInstalled,
    /// The program works on a terminal only, and none can be had here.
    NeedsTerminal,
    /// Something else.
    Other {
        /// What the host said.
        said: String,
    },
}

impl fmt::Display for BecomeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordNeeded => f.write_str("it asks for a password, and none was given"),
            Self::WrongPassword => {
                f.write_str("the password is wrong; it was tried once, and isn't tried again in this run")
            }
            Self::NotAllowed { said } => write!(f, "the user who logs in may not: {said}"),
            Self::NoSuchUser => f.write_str("the host has no such user"),
            Self::NotInstalled => f.write_str("it isn't installed there"),
            Self::NeedsTerminal => {
                f.write_str("it works on a terminal only, and there is none on this way to the host")
            }
            Self::Other { said } => f.write_str(said),
        }
    }
}

/// What each program says, in English and in part; the first that fits counts.
const SAYINGS: [(&str, Saying); 21] = [
    ("must have a tty", Saying::NeedsTerminal),
    ("must be run from a terminal", Saying::NeedsTerminal),
    ("a tty is required", Saying::NeedsTerminal),
    ("a terminal is required", Saying::NeedsTerminal),
    (ASKS, Saying::PasswordNeeded),
    ("a password is required", Saying::PasswordNeeded),
    ("authentication required", Saying::PasswordNeeded),
    ("authorization required", Saying::PasswordNeeded),
    ("not in the sudoers file", Saying::NotAllowed),
    ("may not run sudo", Saying::NotAllowed),
    ("is not allowed to execute", Saying::NotAllowed),
    ("is not allowed to run", Saying::NotAllowed),
    ("operation not permitted", Saying::NotAllowed),
    ("permission denied", Saying::NotAllowed),
    ("unknown user", Saying::NoSuchUser),
    ("does not exist", Saying::NoSuchUser),
    ("incorrect password attempt", Saying::WrongPassword),
    ("no password was provided", Saying::WrongPassword),
    ("authentication fail", Saying::WrongPassword),
    ("authentication error", Saying::WrongPassword),
    ("authorization failed", Saying::WrongPassword),
];

#[derive(Debug, Clone, Copy)]
enum Saying {
    NeedsTerminal,
    PasswordNeeded,
    NotAllowed,
    NoSuchUser,
    WrongPassword,
}

/// What `said` means, from a program that ended with `status` before the script began.
pub(super) fn read_failure(become_user: &BecomeUser, status: Option<u32>, said: &str) -> BecomeFailure {
    let lower = said.to_lowercase();
    let words = || last_words(said).unwrap_or_else(|| "it ended without a word".to_owned());
    match SAYINGS.iter().find(|(saying, _)| lower.contains(saying)).map(|(_, meaning)| *meaning) {
        Some(Saying::NeedsTerminal) => BecomeFailure::NeedsTerminal,
        Some(Saying::PasswordNeeded) => BecomeFailure::PasswordNeeded,
        Some(Saying::NotAllowed) => BecomeFailure::NotAllowed { said: words() },
        Some(Saying::NoSuchUser) => BecomeFailure::NoSuchUser,
        Some(Saying::WrongPassword) if become_user.password.is_some() => BecomeFailure::WrongPassword,
        Some(Saying::WrongPassword) => BecomeFailure::PasswordNeeded,
        None if status == Some(127) => BecomeFailure::NotInstalled,
        None => BecomeFailure::Other { said: words() },
    }
}

/// What the operator can do about it.
pub(super) fn hint(method: BecomeMethod, user: &str, failure: &BecomeFailure) -> Option<String> {
    let whose = match method {
        BecomeMethod::Sudo | BecomeMethod::Doas => "of the user who logs in".to_owned(),
        BecomeMethod::Su => format!("of {user}"),
    };
    let by_hand = match method {
        BecomeMethod::Sudo => format!("sudo -k -u {user} true"),
        BecomeMethod::Su => format!("su -s /bin/sh {user} -c true"),
        BecomeMethod::Doas => format!("doas -u {user} true"),
    };
    Some(match failure {
        BecomeFailure::PasswordNeeded => format!(
            "give the password {whose} with -K, --become-password-file or ansible_become_password, or have the host ask for none"
        ),
        BecomeFailure::WrongPassword => {
            format!("it is the password {whose} that counts; try it there by hand: {by_hand}")
        }
        BecomeFailure::NotAllowed { .. } => {
            let allow = match method {
                BecomeMethod::Sudo => {
                    format!("a rule in /etc/sudoers.d lets it run /bin/sh as {user}; `sudo -l` there lists what it may")
                }
                BecomeMethod::Doas => format!("a rule in /etc/doas.conf permits it as {user}"),
                BecomeMethod::Su => "PAM's rules for su let it in".to_owned(),
            };
            format!("log in as another user (ansible_user), or see that {allow}")
        }
        BecomeFailure::NoSuchUser => "name a user of that host: ansible_become_user".to_owned(),
        BecomeFailure::NotInstalled => {
            "install it there, or name another way: ansible_become_method is sudo, su or doas".to_owned()
        }
        BecomeFailure::NeedsTerminal => format!("have {method} ask for no password and no terminal on this host"),
        BecomeFailure::Other { .. } => format!("try it there by hand: {by_hand}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn failure(password: bool, status: u32, said: &str) -> BecomeFailure {
        let password = password.then(|| Secret::new("x"));
        read_failure(&BecomeUser { method: BecomeMethod::Sudo, user: "bai".into(), password }, Some(status), said)
    }

    /// As sudo 1.9.13, util-linux's su 2.38 and opendoas 6.8.2 say it.
    #[test]
    fn what_programs_say_is_understood() {
        use BecomeFailure as F;
        let not_allowed = |said: &str| F::NotAllowed { said: said.into() };
        for (said, expected) in [
            ("sudo: a password is required\n", F::PasswordNeeded),
            (
                "n1-password:Sorry, try again.\nn1-password:\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n",
                F::WrongPassword,
            ),
            ("Password: su: Authentication failure\n", F::WrongPassword),
            ("doas: Authentication failed\n", F::WrongPassword),
            ("doas: Authentication required\n", F::PasswordNeeded),
            ("sudo: unknown user nosuch\nsudo: error initializing audit plugin sudoers_audit\n", F::NoSuchUser),
            (
                "su: user cvgx does not exist or the user entry does not contain all the required fields\n",
                F::NoSuchUser,
            ),
            ("doas: unknown user\n", F::NoSuchUser),
            ("sudo: sorry, you must have a tty to run sudo\n", F::NeedsTerminal),
            ("Sorry, user kim may not run sudo on vm.\n", not_allowed("Sorry, user kim may not run sudo on vm.")),
            ("kim is not in the sudoers file.\n", not_allowed("kim is not in the sudoers file.")),
            ("doas: Operation not permitted\n", not_allowed("doas: Operation not permitted")),
            ("su: Permission denied\n", not_allowed("su: Permission denied")),
        ] {
            assert_eq!(failure(true, 1, said), expected, "{said}");
        }
        assert_eq!(failure(false, 1, "su: Authentication failure"), F::PasswordNeeded);
        assert_eq!(failure(true, 127, "/bin/sh: 1: exec: sudo: not found\n"), F::NotInstalled);
        assert_eq!(failure(true, 1, "sudo: policy plugin\n"), F::Other { said: "sudo: policy plugin".into() });
        assert_eq!(failure(true, 1, ""), F::Other { said: "it ended without a word".into() });
    }
}
