//! The structures, the other types, and the names that stand for others.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::headers::{self, Structure};
use super::header::{Declared, Header, words};
use super::offered::listed;
use super::sources::Sources;
use super::status::{Part, Status, Tally};

/// The program that asserts every value, size and offset; of structures, see [`headers`].
pub const CONTRACT: &str = "contract.c";

/// How the headers' own names begin.
const PRIVATE: &str = "wharf_";

/// How many tests a row names.
const TESTS_NAMED: usize = 2;

/// A structure of the headers under all its names.
struct Described<'a> {
    /// `struct tag`, or the first name where the tag has Microsoft's underscore.
    name: String,
    names: Vec<String>,
    header: &'static str,
    contract: Option<&'a Structure>,
}

/// The structures.
pub fn structures_part(sources: &Sources) -> Part {
    let contract = headers::structures();
    let found: Vec<Described> = sources
        .headers
        .iter()
        .flat_map(|header| {
            header
                .declared()
                .into_iter()
                .filter_map(|item| describe(header, item, &contract))
        })
        .collect();
    let words = found.iter().flat_map(|found| {
        let names = found.names.iter();
        names.map(|name| (name.as_str(), found.name.as_str()))
    });
    let suite = sources.tests_of(words);

    let mut part = Part {
        text: STRUCTURES_HEAD.to_string(),
        tallies: Vec::new(),
    };
    let mut statuses = Vec::new();
    for structure in &found {
        let names: Vec<&str> = structure.names.iter().map(String::as_str).collect();
        let programs = sources.programs_with(&names);
        let tests = suite.summary(&structure.name, TESTS_NAMED);
        let layout = structure.contract.map(layout);
        let tested = layout.is_some() || programs != "none";
        let differs = sources.differences.are_about(&structure.name)
            || names
                .iter()
                .any(|name| sources.differences.name_function(name));
        let status = Status::of(tested, false, differs);
        let _ = writeln!(
            part.text,
            "| {} | `{}` | {} | {} | {} | {status} |",
            code(names.iter().copied()),
            structure.header,
            layout.unwrap_or("not asserted".to_string()),
            programs,
            tests.unwrap_or("none".to_string()),
        );
        statuses.push(status);
    }
    part.tallies.push(Tally::new("structures", statuses));
    part
}

fn describe<'a>(
    header: &Header,
    item: Declared,
    contract: &'a [Structure],
) -> Option<Described<'a>> {
    let Declared::Structure { tag, names } = item else {
        return None;
    };
    let mut all = names;
    if !tag.is_empty() && !all.contains(&tag) {
        all.insert(0, tag);
    }
    let is_it = |known: &&Structure| {
        let name = known.name.strip_prefix("struct ").unwrap_or(known.name);
        all.iter().any(|given| given == name)
    };
    Some(Described {
        name: all.iter().find(|name| !name.starts_with('_'))?.clone(),
        header: header.name,
        contract: contract.iter().find(is_it),
        names: all,
    })
}

fn layout(structure: &Structure) -> String {
    let s = if structure.fields.len() == 1 { "" } else { "s" };
    format!(
        "{} bytes, {} offset{s}",
        structure.size,
        structure.fields.len()
    )
}

/// Types, callbacks and objects.
pub fn types_part(sources: &Sources) -> Part {
    let mut rows: Vec<(Vec<String>, &str, Vec<String>)> = Vec::new();
    for header in &sources.headers {
        for item in header.declared() {
            let (names, what) = match item {
                Declared::Structure { .. } => continue,
                Declared::Callback { name } => (vec![name], "a pointer to a function".to_string()),
                Declared::Object { name } => (vec![name], "an object".to_string()),
                Declared::Type { of, names } => (names, format!("`{of}`")),
            };
            if names.iter().any(|name| name.starts_with(PRIVATE)) {
                continue; // a macro gives it its name, see below
            }
            match rows.iter_mut().find(|(known, ..)| *known == names) {
                Some((.., whats)) => whats.push(what),
                None => rows.push((names, header.name, vec![what])),
            }
        }
    }
    let mut part = Part {
        text: TYPES_HEAD.to_string(),
        tallies: Vec::new(),
    };
    for (names, header, whats) in &rows {
        let what = either(whats);
        let names = code(names.iter().map(String::as_str));
        let _ = writeln!(part.text, "| {names} | `{header}` | {what} |");
    }
    let names = rows.iter().flat_map(|(names, ..)| names);
    part.tallies
        .push(Tally::new("types", names.map(|_| Status::Complete)));
    part
}

/// Macros without parameters: names that stand for others, values that are expressions, and words of no meaning.
pub fn macros_part(sources: &Sources) -> Part {
    let functions = listed();
    let is_function = |name: &str| functions.iter().any(|(_, names)| names.contains(&name));
    let mut aliases: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let mut values = Vec::new();
    let mut empty = Vec::new();
    for header in &sources.headers {
        for (name, value) in header.definitions() {
            if is_function(name) || name == value {
                continue;
            }
            if value.is_empty() {
                empty.push(name);
            } else if words(value).eq([value]) && value.starts_with(|c: char| !c.is_numeric()) {
                let of = aliases.entry((header.name, name)).or_default();
                of.push(format!(
                    "`{}`",
                    private_type(header, value).as_deref().unwrap_or(value)
                ));
            } else {
                values.push((header.name, name, value));
            }
        }
    }
    let mut part = Part {
        text: ALIASES_HEAD.to_string(),
        tallies: Vec::new(),
    };
    for ((header, name), of) in &aliases {
        let _ = writeln!(part.text, "| `{name}` | `{header}` | {} |", either(of));
    }
    part.text += VALUES_HEAD;
    for (header, name, value) in &values {
        let value = value.replace('|', "\\|");
        let _ = writeln!(part.text, "| `{name}` | `{header}` | `{value}` |");
    }
    let _ = write!(
        part.text,
        "\nWithout a value: {}.\n",
        code(empty.iter().copied())
    );
    let all = aliases.len() + values.len() + empty.len();
    part.tallies
        .push(Tally::new("names for others", vec![Status::Complete; all]));
    part
}

/// What a type of the headers' own is.
fn private_type(header: &Header, name: &str) -> Option<String> {
    let is_it = |item: Declared| match item {
        Declared::Type { of, names } if names.iter().any(|given| given == name) => Some(of),
        _ => None,
    };
    let is_private = name.starts_with(PRIVATE);
    is_private.then(|| header.declared().into_iter().find_map(is_it))?
}

/// What stands under UNICODE and what else, or the only one.
fn either(whats: &[String]) -> String {
    match whats {
        [unicode, otherwise] if unicode != otherwise => {
            format!("{otherwise}; under `UNICODE` {unicode}")
        }
        _ => whats.first().cloned().unwrap_or_default(),
    }
}

/// Names as code, separated by commas.
fn code<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

const STRUCTURES_HEAD: &str = "
## Structures

Sizes and offsets are static assertions of `crates/wharf-capi/tests/c/contract.c`, which is compiled against these headers
and against MinGW's; in Rust the structures are those of `windows-sys`. A structure whose layout is not asserted has one
that follows the program's `wchar_t`, or libc.

| names | header | layout | programs | tests | status |
|---|---|---|---|---|---|
";

const TYPES_HEAD: &str = "
## Types, callbacks and objects

| names | header | what it is |
|---|---|---|
";

const ALIASES_HEAD: &str = "
## Names that stand for others

| name | header | stands for |
|---|---|---|
";

const VALUES_HEAD: &str = "
| name | header | value |
|---|---|---|
";
