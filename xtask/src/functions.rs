//! `docs/functions.md`: what is offered, where it is declared, what tests it.
//!
//! Nothing in the page is written by hand. The functions are the crate's own list; headers and symbols come from the
//! declarations in `crates/wharf-capi/include`; the tests are found by reading the conformance suite ([`suite`]); a
//! function differs from Windows' if `docs/differences.md` names it.
//!
//! `cargo run -p xtask -- functions` writes the page, `--check` fails when it is out of date.

mod source;
mod suite;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use suite::{Suite, Use};

/// Headers a program includes, by the place where each function is looked for first.
const HEADERS: [&str; 5] = [
    "winsock2.h",
    "ws2tcpip.h",
    "mswsock.h",
    "windows.h",
    "process.h",
];

/// Functions that are not in Microsoft's metadata, and so not in the list.
const RUN_TIME_FUNCTIONS: [&str; 2] = ["_beginthreadex", "_endthreadex"];

/// Functions that have no symbol: a program gets their address from WSAIoctl, by this identifier.
const BY_POINTER: [(&str, &str); 1] = [("ConnectEx", "WSAID_CONNECTEX")];

/// Functions of which a part is still to come; `docs/differences.md` says which.
const PARTLY: [&str; 1] = ["select"];

/// How many tests a row names.
const TESTS_NAMED: usize = 3;

/// The flags of `xtask functions`.
#[derive(Debug, Args)]
pub struct Options {
    /// Write nothing; fail if the page is out of date
    #[arg(long)]
    check: bool,
}

/// Writes the page, or compares it; the answer is whether it is up to date now.
pub fn run(options: &Options) -> Result<bool> {
    let path = project().join("docs/functions.md");
    let page = Sources::read()?.page()?;
    if !options.check {
        fs::write(&path, page).context("docs/functions.md")?;
        return Ok(true);
    }
    let up_to_date = fs::read_to_string(&path).is_ok_and(|text| text == page);
    if !up_to_date {
        eprintln!("docs/functions.md is out of date: run `cargo run -p xtask -- functions`");
    }
    Ok(up_to_date)
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The list by the module of `windows-sys` that declares each function.
fn listed() -> Vec<(&'static str, Vec<&'static str>)> {
    macro_rules! names {
        ($($module:path => { $($name:ident($parameters:literal),)* })*) => {
            vec![$((stringify!($module), vec![$(stringify!($name)),*])),*]
        };
    }
    wharf_sys::for_each_function!(names)
}

/// What the page is drawn from.
struct Sources {
    /// Each header's name and text.
    headers: Vec<(&'static str, String)>,
    interlocked: String,
    /// The C and C++ programs that are compiled and run against the headers.
    programs: Vec<(String, String)>,
    differences: String,
    suite: Suite,
}

impl Sources {
    fn read() -> Result<Sources> {
        let capi = project().join("crates/wharf-capi");
        let read =
            |path: PathBuf| fs::read_to_string(&path).with_context(|| path.display().to_string());
        let header = |name| anyhow::Ok((name, read(capi.join("include").join(name))?));
        let functions = listed().into_iter().flat_map(|(_, names)| names);
        Ok(Sources {
            headers: HEADERS.into_iter().map(header).collect::<Result<_>>()?,
            interlocked: read(capi.join("include/wharf/interlocked.h"))?,
            programs: programs(&capi.join("tests/c"))?,
            differences: read(project().join("docs/differences.md"))?,
            suite: Suite::read(
                &project().join("crates/wharf-sys/tests/conformance"),
                functions
                    .chain(RUN_TIME_FUNCTIONS)
                    .map(|name| (name, name))
                    .chain(BY_POINTER.map(|(function, identifier)| (identifier, function)))
                    .collect(),
            )?,
        })
    }

    fn page(&self) -> Result<String> {
        let mut page = String::from(PROLOGUE);
        for (module, functions) in listed() {
            let _ = write!(page, "\n## {}\n\n{TABLE_HEAD}", title(module)?);
            for function in functions {
                page += &self.row(function)?;
            }
        }
        let _ = write!(
            page,
            "\n## The C run-time library's threads\n\n{TABLE_HEAD}"
        );
        for function in RUN_TIME_FUNCTIONS {
            page += &self.row(function)?;
        }
        let _ = write!(page, "\n## Reached by a pointer\n\n{BY_POINTER_HEAD}");
        for (function, identifier) in BY_POINTER {
            page += &self.pointer_row(function, identifier)?;
        }
        let _ = write!(page, "\n## Only in the headers\n\n{HEADERS_HEAD}");
        for (header, name) in self.inline_names() {
            let _ = writeln!(
                page,
                "| `{name}` | `{header}` | {} |",
                self.programs_with(&name)
            );
        }
        Ok(page)
    }

    fn row(&self, function: &str) -> Result<String> {
        let (header, symbols) = self.declaration(function)?;
        Ok(format!(
            "| `{function}` | `{header}` | {symbols} | {} | {} |\n",
            self.tests(function),
            self.status(function)
        ))
    }

    fn pointer_row(&self, function: &str, identifier: &str) -> Result<String> {
        let header = self
            .headers
            .iter()
            .find(|(_, text)| text.contains(&format!("#define {identifier} ")))
            .with_context(|| format!("no header has {identifier}"))?
            .0;
        Ok(format!(
            "| `{function}` | `{header}` | `{identifier}` | {} | {} |\n",
            self.tests(function),
            self.status(function)
        ))
    }

    /// The header that declares a function, and the symbols its calls may lead to.
    fn declaration(&self, function: &str) -> Result<(&'static str, String)> {
        for (header, text) in &self.headers {
            if let Some(declaration) = declaration_in(text, function) {
                return Ok((header, symbols(function, declaration)));
            }
        }
        bail!("no header declares {function}")
    }

    /// How many tests use a function, and the ones that are most about it.
    fn tests(&self, function: &str) -> String {
        let mut uses: Vec<&Use> = self.suite.uses(function).collect();
        if uses.is_empty() {
            return "none".to_string();
        }
        uses.sort_by_key(|used| used.remoteness());
        let named = uses.iter().take(TESTS_NAMED);
        let named: Vec<String> = named.map(|used| format!("`{}`", used.test())).collect();
        format!("{}: {}", uses.len(), named.join(", "))
    }

    fn status(&self, function: &str) -> &'static str {
        let differs = self.differences.contains(&format!("`{function}`"));
        match PARTLY.contains(&function) {
            true => "partly, see [differences](differences.md)",
            false if differs => "complete, see [differences](differences.md)",
            false => "complete",
        }
    }

    /// Macros with parameters, and inline functions, by their header.
    fn inline_names(&self) -> Vec<(&'static str, String)> {
        let macros = self.headers.iter().flat_map(|(header, text)| {
            macros_with_parameters(text).map(|name| (*header, name.to_string()))
        });
        let atomics = interlocked(&self.interlocked)
            .into_iter()
            .map(|name| ("windows.h", name));
        macros.chain(atomics).collect()
    }

    /// The programs that use a name.
    fn programs_with(&self, name: &str) -> String {
        let uses = |(_, text): &&(String, String)| words(text).any(|word| word == name);
        let found: Vec<String> = self
            .programs
            .iter()
            .filter(uses)
            .map(|(program, _)| format!("`{program}`"))
            .collect();
        match found.is_empty() {
            true => "none".to_string(),
            false => found.join(", "),
        }
    }
}

const PROLOGUE: &str = "\
# Functions

Generated by `cargo run -p xtask -- functions`; do not edit.

What `wharf-sys` offers to Rust and `libwharf` to C and C++. A name that libc has too is exported with the prefix
`wharf_`, and the headers lead to it; where `wchar_t` has 32 bits, a W function leads to a symbol that ends in 32.

The number counts the tests in `crates/wharf-sys/tests/conformance` that call the function, directly or through the
suite's own helpers, as far as the sources tell without types: a call that could mean several things is not counted.
Named are the tests that are most about it.
";

const TABLE_HEAD: &str = "\
| function | header | symbol | tests | status |
|---|---|---|---|---|
";

const BY_POINTER_HEAD: &str = "\
WSAIoctl with SIO_GET_EXTENSION_FUNCTION_POINTER gives the address, as on Windows.

| function | header | identifier | tests | status |
|---|---|---|---|---|
";

const HEADERS_HEAD: &str = "\
Macros and inline functions. The programs in `crates/wharf-capi/tests/c` that use them are compiled and run in C and C++.

| name | header | programs |
|---|---|---|
";

fn title(module: &str) -> Result<&'static str> {
    Ok(match module.rsplit("::").next().map(str::trim) {
        Some("Foundation") => "Handles and the last error",
        Some("IO") => "Completion ports and overlapped operations",
        Some("FileSystem") => "Notification modes",
        Some("Threading") => "Threads, waits, the objects of waits, and critical sections",
        Some("WindowsAndMessaging") => "Windows and messages",
        Some("Gdi") => "Windows, drawn",
        Some("SystemInformation") => "The system",
        Some("WinSock") => "Winsock",
        _ => bail!("{module} has no title in xtask/src/functions.rs"),
    })
}

/// The declaration of a function: from its name to the semicolon.
fn declaration_in<'a>(header: &'a str, function: &str) -> Option<&'a str> {
    let call = format!("{function}(");
    header.match_indices(&call).find_map(|(start, _)| {
        let line = header[..start].rsplit('\n').next()?;
        let in_a_body = line.contains(['(', '{']);
        let declares = line.ends_with([' ', '*']) && !line.starts_with([' ', '#']) && !in_a_body;
        let declaration = header[start..].split(';').next()?;
        declares.then_some(declaration)
    })
}

/// The symbols that the headers' labels lead to.
fn symbols(function: &str, declaration: &str) -> String {
    if declaration.contains("WHARF_SYMBOL(") {
        format!("`wharf_{function}`")
    } else if declaration.contains("WHARF_WIDE_SYMBOL(") {
        format!("`{function}`, `{function}32`")
    } else {
        format!("`{function}`")
    }
}

/// The macros with parameters that a header defines for programs.
fn macros_with_parameters(header: &str) -> impl Iterator<Item = &str> {
    let mut seen = BTreeSet::new();
    header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once('('))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .filter(|name| !name.starts_with("WHARF_"))
        .filter(move |name| seen.insert(*name))
}

/// The Interlocked functions, which a macro of the header makes for 32 and for 64 bits.
fn interlocked(header: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for word in words(header) {
        let is_name = word
            .strip_prefix("Interlocked")
            .is_some_and(|rest| !rest.is_empty());
        if !is_name {
            continue;
        }
        names.insert(word.to_string());
        if header.contains(&format!("{word}##suffix")) {
            names.insert(format!("{word}64"));
        }
    }
    names
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// Each program's name and text, in the order of their names.
fn programs(directory: &Path) -> Result<Vec<(String, String)>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().display().to_string();
        programs.push((name, fs::read_to_string(&path)?));
    }
    programs.sort();
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_no_call_and_no_comment() {
        let header =
            "int other(int n) { return recv(n); }\nint recv(int s)\n    WHARF_SYMBOL(recv);\n";
        let declaration = declaration_in(header, "recv").unwrap();
        assert_eq!(symbols("recv", declaration), "`wharf_recv`");
        assert_eq!(declaration_in(header, "send"), None);
    }

    #[test]
    fn the_end_of_a_longer_name_declares_nothing() {
        assert_eq!(declaration_in("int WSAaccept(int s);\n", "accept"), None);
        assert!(declaration_in("char *inet_ntoa(int in);\n", "inet_ntoa").is_some());
    }

    #[test]
    fn macros_of_the_headers_themselves_do_not_count() {
        let header = "#define LOWORD(v) (v)\n#define WHARF_X(v) (v)\n#define LIMIT (1)\n#define LOWORD(v) v\n";
        assert_eq!(
            macros_with_parameters(header).collect::<Vec<_>>(),
            ["LOWORD"]
        );
    }

    #[test]
    fn atomics_exist_in_both_sizes() {
        let header = "WHARF_ATOMIC_UPDATE(T, InterlockedAdd##suffix, f)\nPVOID InterlockedExchangePointer(PVOID p)";
        let names: Vec<_> = interlocked(header).into_iter().collect();
        assert_eq!(
            names,
            [
                "InterlockedAdd",
                "InterlockedAdd64",
                "InterlockedExchangePointer"
            ]
        );
    }
}
