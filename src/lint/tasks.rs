//! The way through plays and tasks as they are written, whether or not they can be decoded.

use super::{Linter, Place, WarningKind, stem};
use crate::document::{Node, Value};
use crate::playbook::{TaskKind, is_template};

impl Linter {
    pub(super) fn play(&mut self, play: &Node, place: Place<'_>) {
        for (key, value) in play.as_mapping().unwrap_or_default() {
            match key.key_text() {
                "pre_tasks" | "tasks" | "post_tasks" => self.entries(value, place),
                "handlers" => self.entries(value, Place { handlers: true, ..place }),
                "roles" => self.role_entries(value, place),
                "vars" => self.variables(value, false),
                "when" => self.condition(value),
                _ => self.values(value),
            }
        }
    }

    pub(super) fn role_entries(&mut self, entries: &Node, place: Place<'_>) {
        for entry in entries.as_list().unwrap_or_default() {
            if entry.as_str().is_ok() {
                self.role_calls.push((entry.clone(), None));
                continue;
            }
            if let Some(name) = entry.get("role").or_else(|| entry.get("name")) {
                self.role_calls.push((name.clone(), None));
            }
            for (key, value) in entry.as_mapping().unwrap_or_default() {
                self.shared(key.key_text(), value, place);
            }
        }
    }

    pub(super) fn entries(&mut self, list: &Node, place: Place<'_>) {
        for entry in list.as_list().unwrap_or_default() {
            if place.handlers && entry.get("block").is_none() {
                self.handler(entry);
            }
            for (key, value) in entry.as_mapping().unwrap_or_default() {
                self.field(key, value, place);
            }
        }
    }

    fn handler(&mut self, entry: &Node) {
        let listens: Vec<&Node> = match entry.get("listen") {
            Some(Node { value: Value::Sequence(items), .. }) => items.iter().collect(),
            one => one.into_iter().collect(),
        };
        let names: Vec<&Node> = entry.get("name").into_iter().chain(listens).collect();
        self.untold_names |= names.iter().any(|name| is_template(name.key_text()));
        if let Some(first) = names.first() {
            let texts = names.iter().map(|name| name.key_text().to_owned()).collect();
            self.handlers.push((texts, first.span.clone()));
        }
    }

    fn field(&mut self, key: &Node, value: &Node, place: Place<'_>) {
        let word = key.key_text();
        let short = word.strip_prefix("ansible.builtin.").unwrap_or(word);
        match short {
            "block" | "rescue" | "always" if value.as_list().is_ok() => self.entries(value, place),
            "import_tasks" | "include_tasks" => {
                let file = value.get("file").unwrap_or(value);
                self.imported.insert((place.role.to_owned(), stem(file.key_text()).to_owned()));
            }
            "import_role" | "include_role" => {
                if let Some(name) = value.get("name") {
                    self.role_calls.push((name.clone(), value.get("tasks_from").cloned()));
                }
            }
            "loop_control" => {
                for name in ["loop_var", "index_var"] {
                    self.given.extend(value.get(name).map(|name| name.key_text().to_owned()));
                }
                self.values(value);
            }
            _ => match TaskKind::of(short) {
                Some(kind) => self.body(kind, value, place),
                None => self.shared(short, value, place),
            },
        }
    }

    /// What tasks, blocks and entries of roles have alike.
    fn shared(&mut self, word: &str, value: &Node, _place: Place<'_>) {
        match word {
            "when" | "until" => self.condition(value),
            "vars" => self.variables(value, false),
            "notify" => {
                let names = match &value.value {
                    Value::Sequence(items) => items.as_slice(),
                    Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(value),
                };
                for name in names {
                    self.untold_names |= is_template(name.key_text());
                    if !is_template(name.key_text()) && !name.is_blank() {
                        self.notified.push((name.key_text().to_owned(), name.span.clone()));
                    }
                }
                self.values(value);
            }
            _ => self.values(value),
        }
    }

    /// The mode of a file without quotes.
    pub(super) fn mode(&mut self, body: &Node) {
        if let Some(mode) = body.get("mode")
            && let Value::Scalar(scalar) = &mode.value
            && scalar.style == crate::document::ScalarStyle::Plain
            && scalar.text.starts_with(|c: char| c.is_ascii_digit())
        {
            let text = &scalar.text;
            let message = format!("readers of YAML don't agree on what {text} is without quotes");
            self.warn(WarningKind::UnquotedMode, &mode.span, message, Some(format!("write \"{text}\"")));
        }
    }
}
