//! Becoming another user on a host, behind the login.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Secret;

/// What makes another user of the one who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BecomeMethod {
    /// `sudo`, with the password of the user who logs in.
    Sudo,
    /// `su`, with the password of the user to become.
    Su,
    /// `doas`, with the password of the user who logs in.
    Doas,
}

impl BecomeMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sudo, Self::Su, Self::Doas];

    /// The program, which is also the word that declarations use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Su => "su",
            Self::Doas => "doas",
        }
    }

    /// The method of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == word)
    }
}

impl fmt::Display for BecomeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The user that everything on a host is done as, where that isn't the one who logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BecomeUser {
    /// How.
    pub method: BecomeMethod,
    /// Whom: a name that can stand behind an option of the program, or a number behind `#`.
    pub user: String,
    /// The password that is given where one is asked for. It never gets into a file.
    #[serde(skip)]
    pub password: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_gets_into_no_file_and_no_message() {
        let password = Some(Secret::new("hunter2"));
        let become_user = BecomeUser { method: BecomeMethod::Sudo, user: "bai".into(), password };
        let text = serde_json::to_string(&become_user).unwrap();
        assert_eq!(text, r#"{"method":"sudo","user":"bai"}"#);
        assert!(!format!("{become_user:?}").contains("hunter2"));
        let read: BecomeUser = serde_json::from_str(&text).unwrap();
        assert_eq!(read, BecomeUser { password: None, ..become_user });
    }
}
