//! Handlebars templates in values, strict throughout.
//!
//! The library's own strict mode checks only what is printed: `{{#if typo}}` would be false and a map would print
//! as `[object]`. So each parsed template is rewritten before it is used: every argument of a helper is wrapped in
//! a check that it is defined, and everything that is printed goes through one that refuses maps, lists and
//! nothing. Only the helpers of [`super::helpers`] exist.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use handlebars::template::{BlockParam, HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{Context, Handlebars, Output, Path, PathSeg, RenderContext, Renderable};
use serde_json::Value as Json;

use super::helpers::{self, CHECKED, LONGEST, PATIENCE, PRINTED, Patience};
use crate::document::{did_you_mean, nearest};

/// Why a template can't be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The word of the template that it is about, for a marker under it.
    pub word: Option<String>,
    /// Line and column in the template, both from 1, where only they are known.
    pub at: Option<(usize, usize)>,
}

impl TemplateError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, word: None, at: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A parsed and checked template.
#[derive(Debug)]
pub struct Template {
    parsed: handlebars::Template,
    /// Variables that must be defined for it to be rendered.
    pub required: BTreeSet<String>,
    /// Variables that it uses if they are defined: arguments of `default` and `defined`, and names inside
    /// `each` and `with`, which may as well be fields of the item.
    pub possible: BTreeSet<String>,
}

/// Parses templates (each text once) and renders them.
#[derive(Debug)]
pub struct Templates {
    registry: Handlebars<'static>,
    patience: Patience,
    parsed: RefCell<BTreeMap<String, Result<Rc<Template>, TemplateError>>>,
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

impl Templates {
    /// An empty cache with all helpers registered.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        let patience = Patience::default();
        helpers::register(&mut registry, &patience);
        Self { registry, patience, parsed: RefCell::new(BTreeMap::new()) }
    }

    /// Parses a template, or takes the one that was parsed from the same text before.
    ///
    /// # Errors
    /// When it doesn't parse, or uses a helper, partial or decorator that doesn't exist here.
    pub fn parse(&self, text: &str) -> Result<Rc<Template>, TemplateError> {
        if let Some(known) = self.parsed.borrow().get(text) {
            return known.clone();
        }
        let parsed = parse(text).map(Rc::new);
        self.parsed.borrow_mut().insert(text.to_owned(), parsed.clone());
        parsed
    }

    /// Renders a template with the values of its variables, a JSON object that holds at least
    /// [`Template::required`].
    ///
    /// # Errors
    /// When something that it uses isn't defined, something that it prints isn't a single value, or it makes more than any
    /// template should.
    pub fn render(&self, template: &Template, values: Json) -> Result<String, TemplateError> {
        let failed = |error: handlebars::RenderError| {
            let (message, word) = helpers::explain(&error);
            TemplateError { message, hint: None, word, at: None }
        };
        let context = Context::from(values);
        let mut output = Text(String::new());
        self.patience.store(PATIENCE, Ordering::Relaxed);
        let mut scope = RenderContext::new(None);
        template.parsed.render(&self.registry, &context, &mut scope, &mut output).map_err(failed)?;
        Ok(output.0)
    }
}

/// Most blocks and branches of a template, and deepest nesting of its expressions: both are read by recursion.
const MOST_BLOCKS: usize = 200;
const DEEPEST: usize = 50;

/// What a template has made so far.
struct Text(String);

impl Output for Text {
    fn write(&mut self, piece: &str) -> Result<(), std::io::Error> {
        if self.0.len() + piece.len() > LONGEST {
            let reason = format!("the text that it makes is longer than {LONGEST} bytes");
            return Err(std::io::Error::other(reason));
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// Whether a template has more blocks, or deeper nested expressions, than a person writes.
fn is_too_deep(text: &str) -> bool {
    let (mut blocks, mut deepest) = (0, 0);
    for expression in text.split("{{").skip(1) {
        let words = expression.trim_start_matches(['{', '~', ' ', '\t', '\r', '\n']);
        blocks += usize::from(words.starts_with(['#', '^', '>', '*']) || words.starts_with("else"));
        let inside = expression.split("}}").next().unwrap_or_default();
        let mut depth = 0_usize;
        for byte in inside.bytes() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
    }
    blocks > MOST_BLOCKS || deepest > DEEPEST
}

/// The path, when the text is exactly one expression that names a value: `"{{db.host}}"`. Such a value keeps its
/// type instead of becoming a text.
#[must_use]
pub fn whole_path(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_name = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut parts = inner.split('.');
    (inner != "this" && inner != "else" && parts.all(is_name)).then(|| inner.split('.').collect())
}

/// The call, when the text is exactly one that a helper answers: `"{{lookup groups \"web\"}}"`. Its value keeps its type.
#[must_use]
pub fn whole_call(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_call = inner.chars().next().is_some_and(|c| c.is_ascii_alphabetic()) && inner.contains(char::is_whitespace);
    let is_one = !inner.contains("{{") && !inner.contains("}}") && !inner.contains('|') && !inner.starts_with("else");
    (is_call && is_one).then_some(inner)
}

fn parse(text: &str) -> Result<Template, TemplateError> {
    if text.contains("{%") {
        return Err(TemplateError::new("Jinja statements aren't supported")
            .hint("templates are Handlebars: {{#if x}}…{{else}}…{{/if}}, {{#each list}}…{{/each}}"));
    }
    if is_too_deep(text) {
        let most = format!("it has more than {MOST_BLOCKS} blocks, or expressions nested more than {DEEPEST} deep");
        return Err(TemplateError::new(format!("the template is too large: {most}")));
    }
    let mut parsed = handlebars::Template::compile(text).map_err(|error| syntax(text, &error))?;
    let mut names = Names::default();
    rewrite(&mut parsed, &mut names, &Inside::root()).map_err(|error| match jinja(text) {
        Some(hint) => TemplateError { hint: Some(hint.to_owned()), ..error },
        None => error,
    })?;
    Ok(Template { parsed, required: names.required, possible: names.possible })
}

fn syntax(text: &str, error: &handlebars::TemplateError) -> TemplateError {
    if let Some(filter) = filter_in(text) {
        return filter;
    }
    let at = error.pos();
    if let Some(open) = text.match_indices("{{").map(|(at, _)| at).find(|at| !text[*at..].contains("}}")) {
        let word = text[open + 2..].trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let word = Some(word.to_owned()).filter(|word| !word.is_empty());
        return TemplateError { at, word, ..TemplateError::new("not a template: `{{` isn't closed by `}}`") }
            .hint("write \\{{ for two braces as they are");
    }
    if let Some(block) = open_block(text) {
        let message = format!("not a template: the block `{{{{#{block}}}}}` isn't closed");
        return TemplateError { at, word: Some(block.clone()), ..TemplateError::new(message) }
            .hint(format!("write {{{{/{block}}}}} at its end"));
    }
    let wrong = TemplateError {
        at,
        ..TemplateError::new(format!("not a template: {}", first_sentence(&error.reason().to_string())))
    };
    match jinja(text) {
        Some(hint) => wrong.hint(hint),
        None => {
            wrong.hint("an expression is {{name}}, {{name.field}} or {{helper argument}}; write \\{{ for two braces")
        }
    }
}

/// A filter of Jinja's in the first expression that has one.
fn filter_in(text: &str) -> Option<TemplateError> {
    let (before, after) = text
        .split("{{")
        .skip(1)
        .filter_map(|expression| expression.split("}}").next()?.split_once('|'))
        // `as |item|` of a block.
        .find(|(before, _)| !before.trim_end().ends_with(" as"))?;
    let (value, after) = (before.trim_start_matches('{').trim(), after.trim());
    let filter: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = after[filter.len()..].trim();
    let arguments = rest.strip_prefix('(').and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let arguments = arguments.replace(',', "").replace('\'', "\"");
    let hint = helpers::instead_of(&filter, value, arguments.trim());
    let message = format!("not a template: `| {filter}` is a filter of Jinja's");
    Some(
        TemplateError { word: Some(filter).filter(|filter| !filter.is_empty()), ..TemplateError::new(message) }
            .hint(hint),
    )
}

/// The innermost block that is opened and not closed.
fn open_block(text: &str) -> Option<String> {
    let mut open: Vec<String> = Vec::new();
    for expression in text.split("{{").skip(1) {
        let name = |rest: &str| rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        match expression.trim_start_matches(['~', ' ']).split_at_checked(1) {
            Some(("#", rest)) => open.push(name(rest)),
            Some(("/", _)) => drop(open.pop()),
            Some(_) | None => {}
        }
    }
    open.pop()
}

/// What to write instead of an expression of Jinja's.
fn jinja(text: &str) -> Option<&'static str> {
    if inside(text, "[") {
        Some("a field is written {{groups.web}} or {{lookup groups \"web\"}}, an item {{lookup list 0}}")
    } else if inside(text, " if ") {
        Some("write {{#if y}}x{{else}}z{{/if}}")
    } else if inside(text, "==") || inside(text, "!=") {
        Some("comparisons are helpers: {{#if (eq x \"y\")}}…{{/if}}; ne, lt, le, gt, ge as well")
    } else {
        None
    }
}

/// Whether the first expression of a template has a part.
fn inside(text: &str, part: &str) -> bool {
    let expression = text.split_once("{{").map_or("", |(_, rest)| rest.split("}}").next().unwrap_or_default());
    expression.contains(part)
}

/// The library's parser explains itself over several lines with a picture; the first words are enough here.
fn first_sentence(reason: &str) -> String {
    let last = reason.lines().last().unwrap_or(reason);
    last.trim_start_matches([' ', '=', '|']).to_owned()
}

#[derive(Default)]
struct Names {
    required: BTreeSet<String>,
    possible: BTreeSet<String>,
}

/// Where in a template a name stands.
#[derive(Clone)]
struct Inside {
    /// Inside `each` or `with`, plain names are fields of the item.
    item: bool,
    /// Names that enclosing blocks give to their items (`as |x|`).
    locals: Vec<String>,
}

impl Inside {
    fn root() -> Self {
        Self { item: false, locals: Vec::new() }
    }
}

impl Names {
    fn note(&mut self, path: &Path, inside: &Inside, must: bool) {
        let Path::Relative((segments, _)) = path else { return };
        let named = segments.iter().find_map(|segment| match segment {
            PathSeg::Named(name) => Some(name),
            _ => None,
        });
        let Some(name) = named.filter(|name| !inside.locals.contains(name)) else { return };
        match must && !inside.item {
            true => self.required.insert(name.clone()),
            false => self.possible.insert(name.clone()),
        };
    }
}

fn rewrite(template: &mut handlebars::Template, names: &mut Names, inside: &Inside) -> Result<(), TemplateError> {
    for element in &mut template.elements {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(expression) | TemplateElement::HtmlExpression(expression) => {
                rewrite_expression(expression, names, inside)?;
            }
            TemplateElement::HelperBlock(block) => rewrite_block(block, names, inside)?,
            _ => {
                return Err(TemplateError::new("partials and decorators ({{> x}}, {{* x}}) aren't supported")
                    .hint("put the text into a variable and write {{name}}"));
            }
        }
    }
    Ok(())
}

/// `{{x}}` → `{{printed x}}`, `{{helper x}}` → `{{printed (checked (helper (checked x)))}}`.
fn rewrite_expression(
    expression: &mut HelperTemplate,
    names: &mut Names,
    inside: &Inside,
) -> Result<(), TemplateError> {
    let name = std::mem::replace(&mut expression.name, Parameter::Name(PRINTED.to_owned()));
    let printed = if expression.params.is_empty() && expression.hash.is_empty() {
        match name {
            Parameter::Subexpression(_) => checked(name, names, inside, true)?,
            _ => {
                let path = name.as_name().and_then(|raw| Path::parse(raw).ok());
                let path = path.ok_or_else(|| TemplateError::new("this expression names no value"))?;
                // What prints also checks, and can name the path.
                names.note(&path, inside, true);
                Parameter::Path(path)
            }
        }
    } else {
        let (params, hash) = (std::mem::take(&mut expression.params), std::mem::take(&mut expression.hash));
        checked(Parameter::Subexpression(Subexpression::new(name, params, hash)), names, inside, true)?
    };
    expression.params = vec![printed];
    Ok(())
}

fn rewrite_block(block: &mut HelperTemplate, names: &mut Names, inside: &Inside) -> Result<(), TemplateError> {
    let name = block.name.as_name().unwrap_or_default().to_owned();
    if !helpers::BLOCKS.contains(&name.as_str()) {
        let hint = did_you_mean(&name, helpers::BLOCKS)
            .unwrap_or_else(|| format!("blocks are {}", helpers::BLOCKS.join(", ")));
        let word = Some(name.clone());
        return Err(TemplateError { message: format!("`#{name}` isn't a block"), hint: Some(hint), word, at: None });
    }
    for parameter in &mut block.params {
        let taken = std::mem::replace(parameter, Parameter::Literal(Json::Null));
        *parameter = checked(taken, names, inside, true)?;
    }
    let mut within = inside.clone();
    if matches!(name.as_str(), "each" | "with") {
        within.item = true;
        match &block.block_param {
            Some(BlockParam::Single(Parameter::Name(one))) => within.locals.push(one.clone()),
            Some(BlockParam::Pair((Parameter::Name(one), Parameter::Name(two)))) => {
                within.locals.extend([one.clone(), two.clone()]);
            }
            Some(_) | None => {}
        }
    }
    if let Some(template) = &mut block.template {
        rewrite(template, names, &within)?;
    }
    if let Some(inverse) = &mut block.inverse {
        // The library renders `else` in the scope outside the block.
        rewrite(inverse, names, inside)?;
    }
    Ok(())
}

/// Notes the names that a parameter uses and wraps it so that it fails when it isn't defined.
fn checked(parameter: Parameter, names: &mut Names, inside: &Inside, must: bool) -> Result<Parameter, TemplateError> {
    let inner = match parameter {
        Parameter::Literal(_) => return Ok(parameter),
        Parameter::Path(path) => {
            names.note(&path, inside, must);
            Parameter::Path(path)
        }
        Parameter::Name(name) => match Path::parse(&name) {
            Ok(path) => {
                names.note(&path, inside, must);
                Parameter::Path(path)
            }
            Err(_) => return Err(TemplateError::new(format!("`{name}` names no value"))),
        },
        Parameter::Subexpression(call) => Parameter::Subexpression(checked_call(&call, names, inside)?),
        _ => return Err(TemplateError::new("this expression names no value")),
    };
    if !must {
        return Ok(inner);
    }
    Ok(Parameter::Subexpression(Subexpression::new(
        Parameter::Name(CHECKED.to_owned()),
        vec![inner],
        std::collections::HashMap::default(),
    )))
}

fn checked_call(call: &Subexpression, names: &mut Names, inside: &Inside) -> Result<Subexpression, TemplateError> {
    let TemplateElement::Expression(expression) = call.as_element() else {
        return Err(TemplateError::new("this expression names no value"));
    };
    let name = expression.name.as_name().unwrap_or_default().to_owned();
    let Some(helper) = helpers::find(&name) else {
        let known = helpers::names();
        let hint = match nearest(&name, known.iter().copied()).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("helpers are {}", helpers::listed()),
        };
        return Err(TemplateError {
            message: format!("`{name}` isn't a helper"),
            hint: Some(hint),
            word: Some(name),
            at: None,
        });
    };
    let (least, most) = helper.arguments;
    if !(least..=most).contains(&expression.params.len()) {
        let message = format!("`{name}` is written {}", helper.usage);
        return Err(TemplateError { message, hint: None, word: Some(name), at: None });
    }
    if let Some(option) = expression.hash.keys().min() {
        return Err(
            TemplateError::new(format!("`{name}` has no option `{option}`")).hint(format!("write {}", helper.usage))
        );
    }
    let params = expression.params.iter().enumerate().map(|(index, parameter)| {
        let must = !(helper.tolerant && index == 0);
        checked(parameter.clone(), names, inside, must)
    });
    let params = params.collect::<Result<Vec<_>, _>>()?;
    Ok(Subexpression::new(Parameter::Name(name), params, std::collections::HashMap::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Json {
        json!({"home": "/home/bai", "db": {"host": "h", "port": 5432}, "hosts": ["a", "b"], "on": true, "off": false,
               "nothing": null, "lines": "a\nb", "user": "o'neil", "people": [{"name": "x"}, {"name": "y"}], "home_x": "no"})
    }

    fn render(text: &str) -> Result<String, String> {
        let templates = Templates::new();
        let show = |e: TemplateError| format!("{} / {}", e.message, e.hint.unwrap_or_default());
        let template = templates.parse(text).map_err(show)?;
        templates.render(&template, values()).map_err(show)
    }

    #[test]
    fn values_are_put_in_and_helpers_work() {
        for (text, rendered) in [
            ("{{home}}/x", "/home/bai/x"),
            ("{{ db.host }}:{{db.port}}", "h:5432"),
            ("{{{home}}} <&>", "/home/bai <&>"),
            ("{{json db}}", "{\"host\":\"h\",\"port\":5432}"),
            ("{{shellquote user}} {{shellquote home}}", "'o'\\''neil' /home/bai"),
            ("{{default typo \"y\"}}{{default home 'z'}}", "y/home/bai"),
            ("{{default typo (default typo2 db.host)}}", "h"),
            ("{{#if (defined typo)}}a{{else}}b{{/if}}", "b"),
            ("{{#if on}}a{{/if}}{{#unless off}}b{{/unless}}", "ab"),
            ("{{#if (and on (not off))}}a{{else if off}}b{{else}}c{{/if}}", "a"),
            ("{{#if (eq db.port 5432)}}a{{/if}}{{#if (ne db.host 'x')}}b{{/if}}", "ab"),
            ("{{#each hosts}}{{@index}}={{this}} {{../home}} {{/each}}", "0=a /home/bai 1=b /home/bai "),
            ("{{#each people}}{{name}}{{/each}}", "xy"),
            ("{{#each people as |p|}}{{p.name}}{{/each}}", "xy"),
            ("{{#with db}}{{host}}{{@root.home}}{{/with}}", "h/home/bai"),
            ("{{lookup db 'host'}}{{lookup hosts 1}}", "hb"),
            ("\\{{home}}", "{{home}}"),
            ("{{on}}", "true"),
            ("{{upper home}} {{lower 'AB'}} {{trim ' x '}}", "/HOME/BAI ab x"),
            ("{{join hosts ','}} {{length hosts}} {{first hosts}} {{last hosts}}", "a,b 2 a b"),
            ("{{b64 home}} {{b64decode 'eA=='}}", "L2hvbWUvYmFp x"),
            ("{{indent lines 2}}", "a\n  b"),
            ("{{replace home '/' '.'}} {{basename home}} {{dirname home}}", ".home.bai bai /home"),
            (
                "{{#if (version '25.6.10' '>' '25.6.9')}}a{{/if}}{{#if (lt db.port 6000)}}b{{/if}}{{#if (ge 'b' 'a')}}c{{/if}}",
                "abc",
            ),
            ("{{#each (items db)}}{{key}}={{value}} {{/each}}{{join (keys db) ','}}", "host=h port=5432 host,port"),
            ("{{#if (contains hosts 'a')}}a{{/if}}{{#if (contains db 'x')}}b{{/if}}", "a"),
            ("{{join (sort (split 'b,a,b' ',')) ''}} {{join (unique (split 'b,a,b' ',')) ''}}", "abb ba"),
        ] {
            assert_eq!(render(text), Ok(rendered.to_owned()), "{text}");
        }
    }

    #[test]
    fn nothing_undefined_gets_through_anywhere() {
        for (text, about) in [
            ("{{db.typo}}", "`db.typo` isn't defined"),
            ("{{#if db.typo}}a{{/if}}", "`db.typo` isn't defined"),
            ("{{#each people}}{{typo}}{{/each}}", "`typo` isn't defined"),
            ("{{#each people}}{{#if typo}}{{/if}}{{/each}}", "`typo` isn't defined"),
            ("{{#if (eq db.typo 1)}}{{/if}}", "`db.typo` isn't defined"),
            ("{{#if (and off db.typo)}}{{/if}}", "`db.typo` isn't defined"),
            ("{{json db.typo}}", "`db.typo` isn't defined"),
            ("{{lookup db 'typo'}}", "isn't defined"),
            ("{{default typo db.typo}}", "`db.typo` isn't defined"),
            ("{{db}}", "`db` is a mapping"),
            ("{{hosts}}", "`hosts` is a list"),
            ("{{#each people}}{{this}}{{/each}}", "is a mapping"),
            ("{{default db 'x'}}", "is a mapping"),
            ("{{nothing}}", "`nothing` is empty"),
            ("{{this}}", "is a mapping"),
            ("{{join home ','}}", "isn't a list"),
            ("{{join people ','}}", "has an item that isn't a single value"),
            ("{{#if (lt home 5)}}{{/if}}", "can't be compared"),
            ("{{#if (version home '~' '1')}}{{/if}}", "`~` doesn't compare versions"),
            ("{{b64decode '?'}}", "isn't a text in base64"),
            ("{{upper people}}", "isn't a single value"),
        ] {
            let shown = render(text).unwrap_err();
            assert!(shown.contains(about), "{text}: {shown}");
        }
    }

    #[test]
    fn top_level_names_are_known_before_rendering() {
        let templates = Templates::new();
        let names = |text: &str| {
            let template = templates.parse(text).unwrap();
            let join = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
            format!("{} / {}", join(&template.required), join(&template.possible))
        };
        assert_eq!(names("{{#if a}}{{b.c}}{{else}}{{d}}{{/if}}"), "a b d / ");
        assert_eq!(names("{{default a (default b c)}}{{#if (defined e)}}{{/if}}"), "c / a b e");
        assert_eq!(names("{{#each a as |x|}}{{x}}{{y}}{{../z}}{{/each}}"), "a / y z");
    }

    #[test]
    fn no_template_takes_for_ever_or_makes_texts_without_end() {
        let templates = Templates::new();
        let list: Vec<String> = (0..2000).map(|n| format!("item {n} {}", "x".repeat(40))).collect();
        let render = |text: &str| {
            let parsed = templates.parse(text).map_err(|error| error.message)?;
            templates.render(&parsed, serde_json::json!({ "a": list })).map_err(|error| error.message)
        };
        let nested = |times: usize| format!("{}{}", "{{#each @root.a}}".repeat(times), "{{/each}}".repeat(times));
        assert_eq!(render(&nested(1)), Ok(String::new()));
        assert_eq!(render("{{#each a}}{{this}}{{/each}}").map(|text| text.len()), Ok(98_890));
        for (text, about) in [
            (nested(4), "too often"),
            ("{{#each @root.a}}{{#each @root.a}}{{this}}{{/each}}{{/each}}".into(), "longer than 1048576 bytes"),
            ("{{replace (join a \"\") \"e\" (join a \"\")}}".into(), "longer than 1048576 bytes"),
            (nested(201), "more than 200 blocks"),
            (format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if a}}x".repeat(300)), "more than 200 blocks"),
            (format!("{{{{{}a{}}}}}", "(not ".repeat(60), ")".repeat(60)), "more than 50 deep"),
            (format!("{{{{json {}1{}}}}}", "[".repeat(60), "]".repeat(60)), "more than 50 deep"),
        ] {
            let shown = render(&text).unwrap_err();
            assert!(shown.contains(about), "{shown}");
        }
    }

    #[test]
    fn what_isnt_ours_is_explained() {
        for (text, about) in [
            ("{{ x | default('y') }}", "write {{default x \"y\"}}"),
            ("{{ x | default(omit) }}", "write {{default x null}}"),
            ("{{ x | upper }}", "write {{upper x}}"),
            ("{{ x | int }}", "keeps its type"),
            ("{{ x | nosuch }}", "helpers are and, b64"),
            ("{{ groups['web'] }}", "is written {{groups.web}} or {{lookup groups \"web\"}}"),
            ("{{ x if y else z }}", "{{#if y}}x{{else}}z{{/if}}"),
            ("{{ x == 'y' }}", "(eq x \"y\")"),
            ("{% if x %}", "{{#if x}}"),
            ("{{defalt x 'y'}}", "did you mean `default`?"),
            ("{{log x}}", "`log` isn't a helper"),
            ("{{> partial}}", "partials"),
            ("{{#foo x}}{{/foo}}", "`#foo` isn't a block"),
            ("{{default x}}", "is written {{default"),
            ("{{json home pretty=true}}", "no option `pretty`"),
            ("{{home", "not a template"),
            ("{{#if on}}", "not a template"),
        ] {
            let shown = render(text).unwrap_err();
            assert!(shown.contains(about), "{text}: {shown}");
        }
    }

    #[test]
    fn exactly_one_expression_is_recognised() {
        assert_eq!(whole_path(" {{ db.host }} "), Some(vec!["db", "host"]));
        for text in ["{{a}}{{b}}", "x{{a}}", "{{json a}}", "{{this}}", "{{{a}}}", "{{a-b}}", "{{}}", "a"] {
            assert_eq!(whole_path(text), None, "{text}");
        }
    }
}
