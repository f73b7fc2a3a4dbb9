//! The same vaults, written and read by converge and by the real `ansible-vault`: each reads what the other wrote.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::ansible;

fn converge(home: &Path, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
    command.current_dir(home).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap());
    command.env("EDITOR", "sed -i s/first/second/").args(words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn ours(home: &Path, words: &[&str]) -> String {
    let output = converge(home, words, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(home: &Path, words: &[&str]) -> String {
    let output = converge(home, words, "");
    assert!(!output.status.success(), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn theirs(home: &Path, words: &[&str]) -> String {
    let settings = home.join("ansible.cfg");
    fs::write(&settings, "").unwrap();
    String::from_utf8(ansible::run(ansible::program("ansible-vault", home).env("ANSIBLE_CONFIG", settings).args(words)))
        .unwrap()
}

fn file(home: &Path, name: &str, text: &str, mode: u32) {
    fs::write(home.join(name), text).unwrap();
    fs::set_permissions(home.join(name), fs::Permissions::from_mode(mode)).unwrap();
}

const PLAIN: &str = "db_password: first hunter2\nnote: \"é\"\n";

#[test]
fn each_reads_what_the_other_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    file(home, "pw", "correct horse\n", 0o600);
    file(home, "prod-client", "#!/bin/sh\n[ \"$1 $2\" = '--vault-id prod' ] && echo staple\n", 0o700);
    // Format 1.1 and 1.2, one password alone and among several.
    let alone: &[&str] = &["--vault-password-file", "pw"];
    let both: &[&str] = &["--vault-id", "dev@pw", "--vault-id", "prod@prod-client"];
    let prod: &[&str] = &["--encrypt-vault-id", "prod"];
    for (format, passwords, label) in [("1.1;AES256", alone, &[][..]), ("1.2;AES256;prod", both, prod)] {
        for (name, by_us) in [("ours", true), ("theirs", false)] {
            file(home, name, PLAIN, 0o640);
            let words = [passwords, label, &[name]].concat();
            match by_us {
                true => ours(home, &[&["vault", "encrypt"], &words[..]].concat()),
                false => theirs(home, &[&["encrypt"], &words[..]].concat()),
            };
            let text = fs::read_to_string(home.join(name)).unwrap();
            assert_eq!(text.lines().next(), Some(format!("$ANSIBLE_VAULT;{format}").as_str()));
            let view = [passwords, &[name]].concat();
            assert_eq!(theirs(home, &[&["view"], &view[..]].concat()).trim_end(), PLAIN.trim_end());
            assert_eq!(ours(home, &[&["vault", "view"], &view[..]].concat()), PLAIN);
        }
        assert_eq!(fs::metadata(home.join("ours")).unwrap().permissions().mode() & 0o777, 0o640, "the mode is kept");
    }
    // Changed by an editor, under the same password and label.
    ours(home, &[&["vault", "edit"], both, &["ours"]].concat());
    assert!(fs::read_to_string(home.join("ours")).unwrap().starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert!(theirs(home, &[&["view"], both, &["ours"]].concat()).contains("second hunter2"));
    // Under another one.
    file(home, "new", "battery", 0o600);
    let rekey: &[&str] = &["--new-vault-id", "new@new", "ours"];
    ours(home, &[&["vault", "rekey"], both, rekey].concat());
    let new: &[&str] = &["--vault-id", "new@new"];
    assert!(theirs(home, &[&["view"], new, &["ours"]].concat()).contains("second hunter2"));
    theirs(home, &["rekey", "--vault-id", "new@new", "--new-vault-password-file", "pw", "ours"]);
    ours(home, &[&["vault", "decrypt"], alone, &["ours"]].concat());
    assert_eq!(fs::read_to_string(home.join("ours")).unwrap(), PLAIN.replace("first", "second"));
    // Single values, in the YAML that each of them prints.
    let string: &[&str] = &["--name", "token", "s3cret: x"];
    let by_us = ours(home, &[&["vault", "encrypt-string"], both, prod, string].concat());
    let by_them = theirs(home, &[&["encrypt_string"], both, prod, string].concat());
    let (begin, end) = (by_us.lines().take(2), by_them.lines().take(2));
    assert!(begin.eq(end), "{by_us}{by_them}");
    for text in [by_us, by_them] {
        let vars = format!("{text}\nall: {{hosts: {{h: }}}}\n");
        let value = text.split_once('\n').unwrap().1.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        file(home, "value", &(value + "\n"), 0o600);
        assert_eq!(ours(home, &[&["vault", "view"], both, &["value"]].concat()), "s3cret: x");
        assert_eq!(theirs(home, &[&["view"], both, &["value"]].concat()).trim_end(), "s3cret: x");
        fs::create_dir_all(home.join("group_vars")).unwrap();
        file(home, "group_vars/all.yaml", vars.split("\nall:").next().unwrap(), 0o600);
        file(home, "inv.yaml", "all: {hosts: {h: {also: \"x{{token}}\"}}}", 0o600);
        // Known, and never shown.
        let listed = ours(home, &[&["inventory", "host", "h", "-i", "inv.yaml"], both].concat());
        assert!(listed.contains("<redacted>") && !listed.contains("s3cret"), "{listed}");
    }
}

#[test]
fn what_cant_be_decrypted_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    file(home, "pw", "correct horse\n", 0o600);
    file(home, "other", "wrong\n", 0o600);
    file(home, "silent", "#!/bin/sh\nexit 3\n", 0o700);
    file(home, "all.yaml", "all: {hosts: {h: {a: b}}}\n", 0o600);
    ours(home, &["vault", "encrypt", "--vault-id", "dev@pw", "all.yaml"]);
    let list = |words: &[&str]| refused(home, &[&["inventory", "list", "-i", "all.yaml"], words].concat());
    let shown = list(&[]);
    assert!(shown.contains("all.yaml:1:1: this file can't be decrypted"), "{shown}");
    assert!(shown.contains("(vault id dev), and no vault password was given"), "{shown}");
    assert!(shown.contains("hint: give the password with --vault-password-file FILE"), "{shown}");
    let shown = list(&["--vault-id", "prod@other"]);
    assert!(shown.contains("no password that was given opens it (tried: prod from other)"), "{shown}");
    let shown = list(&["--vault-id", "dev@silent"]);
    assert!(shown.contains("silent was asked for the vault password of dev, and ended with exit status: 3"), "{shown}");
    assert!(list(&["--vault-password-file", "gone"]).contains("can't read the vault password file gone"));
    ours(home, &["inventory", "list", "-i", "all.yaml", "--vault-id", "dev@pw"]);
    // A torn file is told from a wrong password.
    let text = fs::read_to_string(home.join("all.yaml")).unwrap();
    file(home, "all.yaml", &text[..text.len() - 8], 0o600);
    let shown = list(&["--vault-id", "dev@pw"]);
    assert!(shown.contains("the encrypted text is torn") && shown.contains("all.yaml:"), "{shown}");
    // What is declared in an encrypted file isn't shown by a mistake in it.
    file(home, "all.yaml", "all: {hosts: {h: {a: b}}, hunter2: [}\n", 0o600);
    ours(home, &["vault", "encrypt", "--vault-id", "dev@pw", "all.yaml"]);
    let shown = list(&["--vault-id", "dev@pw"]);
    assert!(shown.contains("not valid YAML") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_copy_that_is_edited_is_gone_on_every_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    file(home, "pw", "correct horse\n", 0o600);
    file(home, "v.yaml", PLAIN, 0o600);
    fs::create_dir(home.join("tmp")).unwrap();
    ours(home, &["vault", "encrypt", "--vault-password-file", "pw", "v.yaml"]);
    let before = fs::read(home.join("v.yaml")).unwrap();
    file(
        home,
        "editor",
        "#!/bin/sh\nstat -c '%a' \"$1\" \"${1%/*}\" >modes; echo backup >\"$1~\"; : >up; exec sleep 60\n",
        0o700,
    );
    for signal in ["INT", "TERM", "HUP"] {
        let _ = fs::remove_file(home.join("up"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
        command.current_dir(home).env("HOME", home).env("EDITOR", home.join("editor")).env("TMPDIR", home.join("tmp"));
        let mut edit = command.args(["vault", "edit", "--vault-password-file", "pw", "v.yaml"]).spawn().unwrap();
        while !home.join("up").exists() {
            assert!(edit.try_wait().unwrap().is_none(), "it ended before the editor was up");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(fs::read_to_string(home.join("modes")).unwrap(), "600\n700\n");
        let pid = edit.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert!(!edit.wait().unwrap().success(), "{signal}");
        assert_eq!(fs::read_dir(home.join("tmp")).unwrap().count(), 0, "{signal}");
        assert_eq!(fs::read(home.join("v.yaml")).unwrap(), before);
    }
}
