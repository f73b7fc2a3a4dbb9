//! `%h` and its likes, `~` and `${NAME}`, as ssh_config(5) has them under TOKENS. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha1::{Digest as _, Sha1};

/// What the controller is like, as far as configuration can refer to it.
#[derive(Debug, Clone, Default)]
pub struct LocalFacts {
    /// The user's home directory.
    pub home: PathBuf,
    /// Who runs converge.
    pub user: String,
    /// Their number.
    pub uid: u32,
    /// The name of this machine.
    pub machine: String,
    /// The environment, for `${NAME}` and `SendEnv`.
    pub environment: BTreeMap<String, String>,
}

/// What the tokens of one host stand for.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) local: &'a LocalFacts,
    /// `%n`: the name that was asked about.
    pub(super) name: &'a str,
    /// `%h`.
    pub(super) address: &'a str,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`.
    pub(super) user: &'a str,
    /// `%k`, where it isn't the name.
    pub(super) alias: Option<&'a str>,
    /// `%j`, as written.
    pub(super) jump: &'a str,
}

impl Tokens<'_> {
    /// A text with its tokens replaced.
    pub(super) fn replace(&self, text: &str) -> Result<String, String> {
        let mut replaced = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                replaced.push(character);
                continue;
            }
            match characters.next() {
                Some(token) => replaced.push_str(&self.token(token)?),
                None => return Err("it ends with a single %".into()),
            }
        }
        Ok(replaced)
    }

    /// A file name with its tokens, its `~` and its `${NAME}` replaced.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.environment(text)?;
        let text = match text.strip_prefix('~') {
            None => text,
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", self.local.home.display()),
            Some(_) => return Err("it names another user's home; write it out".into()),
        };
        self.replace(&text).map(PathBuf::from)
    }

    fn environment(&self, text: &str) -> Result<String, String> {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').ok_or("a ${ isn't closed")?;
            let value = self.local.environment.get(name).ok_or_else(|| format!("${name} is not set"))?;
            replaced.push_str(before);
            replaced.push_str(value);
            rest = after;
        }
        replaced.push_str(rest);
        Ok(replaced)
    }

    fn token(&self, token: char) -> Result<String, String> {
        let LocalFacts { home, user, uid, machine, environment: _ } = self.local;
        Ok(match token {
            '%' => "%".into(),
            'C' => self.digest(),
            'd' => home.display().to_string(),
            'h' => self.address.into(),
            'i' => uid.to_string(),
            'j' => self.jump.into(),
            'k' => self.alias.unwrap_or(self.name).into(),
            'L' => machine.split('.').next().unwrap_or_default().into(),
            'l' => machine.clone(),
            'n' => self.name.into(),
            'p' => self.port.to_string(),
            'r' => self.user.into(),
            'u' => user.clone(),
            other => return Err(format!("%{other} means nothing here")),
        })
    }

    /// `%C`: the SHA-1 of `%l%h%p%r%j`.
    fn digest(&self) -> String {
        let text = format!("{}{}{}{}{}", self.local.machine, self.address, self.port, self.user, self.jump);
        Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(local: &LocalFacts) -> Tokens<'_> {
        Tokens { local, name: "gpu07", address: "10.0.0.7", port: 2222, user: "bai", alias: Some("gpu"), jump: "b" }
    }

    #[test]
    fn tokens_homes_and_variables_are_replaced() {
        let environment = BTreeMap::from([("KEYS".to_owned(), "/srv/keys".to_owned())]);
        let local = LocalFacts {
            home: "/home/kim".into(),
            user: "kim".into(),
            uid: 7,
            machine: "ops.example".into(),
            environment,
        };
        let tokens = tokens(&local);
        for (text, path) in [
            ("~/.ssh/id_%h", "/home/kim/.ssh/id_10.0.0.7"),
            ("%d/%u-%i", "/home/kim/kim-7"),
            ("${KEYS}/%n.%r.%p.%k.%j", "/srv/keys/gpu07.bai.2222.gpu.b"),
            ("/%l/%L/100%%", "/ops.example/ops/100%"),
            ("~", "/home/kim"),
        ] {
            assert_eq!(tokens.path(text), Ok(PathBuf::from(path)));
        }
        for text in ["~root/x", "/x/%z", "/x/%", "${NO}/x", "${KEYS"] {
            assert!(tokens.path(text).is_err(), "{text}");
        }
        // printf %s ops.example10.0.0.72222baib | sha1sum
        assert_eq!(tokens.replace("%C").unwrap().len(), 40);
    }
}
