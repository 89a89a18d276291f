//! The functions: the exported ones, those reached by a pointer, and those that only the headers have.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

use super::header::{Header, interlocked, symbols, words};
use super::sources::Sources;
use super::status::{Part, Status, Tally};
use super::suite::Suite;

/// Functions that are not in Microsoft's metadata, and so not in the list.
const RUN_TIME_FUNCTIONS: [&str; 2] = ["_beginthreadex", "_endthreadex"];

/// How many tests a row names.
const TESTS_NAMED: usize = 3;

/// The list by the module of `windows-sys` that declares each function.
pub fn listed() -> Vec<(&'static str, Vec<&'static str>)> {
    macro_rules! names {
        ($($module:path => { $($name:ident($parameters:literal),)* })*) => {
            vec![$((stringify!($module), vec![$(stringify!($name)),*])),*]
        };
    }
    wharf_sys::for_each_function!(names)
}

/// The functions, by their subject.
pub fn part(sources: &Sources) -> Result<Part> {
    let extensions = extensions(sources.engine("abi/mswsock.rs")?);
    let listed = listed();
    let names = listed.iter().flat_map(|(_, names)| names).copied();
    let by_pointer: Vec<_> = extensions
        .iter()
        .filter(|(_, function)| !names.clone().any(|name| name == function))
        .collect();
    let used = names
        .clone()
        .chain(RUN_TIME_FUNCTIONS)
        .map(|name| (name, name));
    let by_identifier = by_pointer
        .iter()
        .map(|(word, name)| (word.as_str(), name.as_str()));
    let page = Page {
        sources,
        suite: sources.tests_of(used.chain(by_identifier)),
    };

    let mut part = Part::default();
    for (module, functions) in &listed {
        let kind = match title(module)? {
            "Winsock" => "functions of Winsock",
            _ => "other functions",
        };
        let _ = write!(part.text, "\n## {}\n\n{TABLE_HEAD}", title(module)?);
        page.add(&mut part, kind, functions)?;
    }
    let heading = "## The C run-time library's threads";
    let _ = write!(part.text, "\n{heading}\n\n{TABLE_HEAD}");
    page.add(&mut part, "other functions", &RUN_TIME_FUNCTIONS)?;
    let _ = write!(part.text, "\n## Reached by a pointer\n\n{BY_POINTER_HEAD}");
    for (identifier, function) in by_pointer {
        part.text += &page.pointer_row(function, identifier)?;
        part.tallies
            .push(Tally::new("functions of Winsock", [page.status(function)]));
    }
    Ok(part)
}

/// Macros with parameters, and inline functions.
pub fn headers_part(sources: &Sources) -> Part {
    let of = |header: &Header| {
        let macros = header.macros_with_parameters();
        let names = macros.chain(header.inline_functions());
        let names: Vec<(&str, String)> =
            names.map(|name| (header.name, name.to_string())).collect();
        names
    };
    let atomics = interlocked(&sources.interlocked);
    let atomics = atomics.into_iter().map(|name| ("windows.h", name));
    let names: Vec<_> = sources.headers.iter().flat_map(of).chain(atomics).collect();

    let mut part = Part {
        text: format!("\n## Only in the headers\n\n{HEADERS_HEAD}"),
        tallies: Vec::new(),
    };
    let mut statuses = Vec::new();
    for (header, name) in &names {
        let programs = sources.programs_with(&[name]);
        let differs = sources.differences.name_function(name);
        let status = Status::of(programs != "none", false, differs);
        let _ = writeln!(
            part.text,
            "| `{name}` | `{header}` | {programs} | {status} |"
        );
        statuses.push(status);
    }
    part.tallies
        .push(Tally::new("macros and inline functions", statuses));
    part
}

struct Page<'a> {
    sources: &'a Sources,
    suite: Suite,
}

impl Page<'_> {
    fn add(&self, part: &mut Part, kind: &'static str, functions: &[&str]) -> Result<()> {
        for function in functions {
            let (header, symbols) = self.declaration(function)?;
            let (tests, status) = (self.tests(function), self.status(function));
            let _ = writeln!(
                part.text,
                "| `{function}` | `{header}` | {symbols} | {tests} | {status} |"
            );
        }
        let statuses = functions.iter().map(|function| self.status(function));
        part.tallies.push(Tally::new(kind, statuses));
        Ok(())
    }

    fn pointer_row(&self, function: &str, identifier: &str) -> Result<String> {
        let header = self.sources.header_defining(identifier);
        Ok(format!(
            "| `{function}` | `{}` | `{identifier}` | {} | {} |\n",
            header.with_context(|| format!("no header has {identifier}"))?,
            self.tests(function),
            self.status(function)
        ))
    }

    /// The header that declares a function, and the symbols its calls may lead to.
    fn declaration(&self, function: &str) -> Result<(&'static str, String)> {
        for header in &self.sources.headers {
            if let Some(declaration) = header.declaration(function) {
                return Ok((header.name, symbols(function, declaration)));
            }
        }
        bail!("no header declares {function}")
    }

    fn tests(&self, function: &str) -> String {
        self.suite
            .summary(function, TESTS_NAMED)
            .unwrap_or("none".to_string())
    }

    fn status(&self, function: &str) -> Status {
        let differences = &self.sources.differences;
        Status::of(
            self.suite.uses(function).next().is_some(),
            differences.are_to_come(function),
            differences.name_function(function),
        )
    }
}

/// The functions that SIO_GET_EXTENSION_FUNCTION_POINTER finds, by their identifiers, from the table of the engine:
/// `(IDENTIFIER, function as *const () as usize)`.
fn extensions(engine: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in engine.match_indices("WSAID_") {
        let Some((row, _)) = engine[at..].split_once(" as *const ()") else {
            break;
        };
        if let Some((identifier, function)) = row.split_once(',')
            && words(identifier).eq([identifier])
            && !function.contains([',', ';'])
        {
            let name = words(function).last().unwrap_or_default();
            found.push((identifier.to_string(), name.to_string()));
        }
    }
    found
}

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

| name | header | programs | status |
|---|---|---|---|
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
        _ => bail!("{module} has no title in xtask/src/functions/offered.rs"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_functions_stand_behind_their_identifiers() {
        let engine = "use crate::types::{WSAID_A, WSAID_B, X};\n/// WSAID_A\nfn f() { let t = [(WSAID_A, A as *const () as usize),\n(\nWSAID_B,\nm::B as *const () as usize)]; }";
        let pair =
            |identifier: &str, function: &str| (identifier.to_string(), function.to_string());
        assert_eq!(
            extensions(engine),
            [pair("WSAID_A", "A"), pair("WSAID_B", "B")]
        );
    }
}
