//! `docs/functions.md`: every name that is offered, what it is, what tests it, and every name that is not offered.
//!
//! Nothing in the page is written by hand. The functions are the crate's own list; what the headers declare is read from
//! `crates/wharf-capi/include`, and values and layouts from the tables that draw them ([`super::headers`]); options
//! come from the tables of the engine; the tests are found by reading the conformance suite ([`suite`]); a name differs
//! from Windows', or is still to come, if `docs/differences.md` says so.
//!
//! `cargo run -p xtask -- functions` writes the page, `--check` fails when it is out of date, or when a document names a
//! test that is not there ([`check`]).

mod check;
mod constants;
mod data;
mod differences;
mod header;
mod offered;
mod options;
mod source;
mod sources;
mod status;
mod suite;
mod table;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use sources::Sources;
use status::{Part, Status, Tally};

/// The flags of `xtask functions`.
#[derive(Debug, Args)]
pub struct Options {
    /// Write nothing; fail if the page is out of date, or if a document names a test that is not there
    #[arg(long)]
    check: bool,
}

/// Where the page is.
const PAGE: &str = "docs/functions.md";

/// The documents that name tests, besides the page.
const DOCUMENTS: [&str; 2] = ["docs/coverage.md", "docs/differences.md"];

/// Writes the page, or checks it and the documents; the answer is whether all is up to date now.
pub fn run(options: &Options) -> Result<bool> {
    let sources = Sources::read()?;
    let page = page(&sources)?;
    if options.check {
        let page_is_up_to_date = check_page(&page)?;
        let tests_are_there = check_documents(&sources, &page)?;
        return Ok(page_is_up_to_date && tests_are_there);
    }
    fs::write(project().join(PAGE), page).context(PAGE)?;
    Ok(true)
}

/// Whether the page in the repository is what the sources say; tells what differs.
fn check_page(page: &str) -> Result<bool> {
    let text = read(PAGE)?;
    if text == page {
        return Ok(true);
    }
    eprintln!(
        "{PAGE} is out of date: run `cargo run -p xtask -- functions`. It has (-) and should have (+):"
    );
    for line in check::lines_that_differ(&text, page) {
        eprintln!("{line}");
    }
    Ok(false)
}

/// Whether every test that a document names is there; tells which are not.
fn check_documents(sources: &Sources, page: &str) -> Result<bool> {
    let mut all_are_there = true;
    let mut look_at = |document: &str, text: &str| {
        for (line, test) in check::tests_named_in(text) {
            if !sources.has_test(&test) {
                eprintln!("{document}:{line}: there is no test {test}");
                all_are_there = false;
            }
        }
    };
    look_at(PAGE, page);
    for document in DOCUMENTS {
        look_at(document, &read(document)?);
    }
    Ok(all_are_there)
}

fn read(document: &str) -> Result<String> {
    fs::read_to_string(project().join(document)).with_context(|| document.to_string())
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(sources: &Sources) -> Result<String> {
    let parts = [
        offered::part(sources)?,
        offered::headers_part(sources),
        options::part(sources)?,
        constants::control_codes_part(sources),
        data::structures_part(sources),
        data::types_part(sources),
        data::macros_part(sources),
        constants::part(sources),
        not_offered_part(sources),
    ];
    let tallies = parts.iter().flat_map(|part| &part.tallies);
    let mut page = format!("{PROLOGUE}\n{}", status::summary(tallies));
    for part in &parts {
        page += &part.text;
    }
    Ok(page)
}

/// The names that are still to come. Those that the headers have are counted where their rows are.
fn not_offered_part(sources: &Sources) -> Part {
    let mut part = Part {
        text: NOT_OFFERED_HEAD.to_string(),
        tallies: Vec::new(),
    };
    let constants = super::headers::socket_constants();
    let has = |name: &str| {
        let mut names = constants.iter().flat_map(|section| &section.constants);
        names.any(|(known, _)| *known == name)
    };
    for (name, answer) in sources.differences.to_come() {
        let _ = writeln!(part.text, "| `{name}` | {answer} |");
        if !has(name) {
            part.tallies.push(Tally::new(kind(name), [Status::Missing]));
        }
    }
    part
}

/// What a name stands for, by its shape.
fn kind(name: &str) -> &'static str {
    let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts_with(&["RIO"]) || name.ends_with("_RIO") {
        "Registered I/O"
    } else if name.contains(|c: char| c.is_lowercase()) {
        "functions of Winsock"
    } else if starts_with(&["SIO_"]) {
        "control codes"
    } else if starts_with(&["SO_", "IP_", "IPV6_", "TCP_", "UDP_", "MCAST_"]) {
        "options"
    } else {
        "constants"
    }
}

const PROLOGUE: &str = "\
# Functions, options, structures and constants

Generated by `cargo run -p xtask -- functions`; do not edit.

What `wharf-sys` offers to Rust and `libwharf` to C and C++. A name that libc has too is exported with the prefix
`wharf_`, and the headers lead to it; where `wchar_t` has 32 bits, a W function leads to a symbol that ends in 32.

The number counts the tests in `crates/wharf-sys/tests/conformance` that use the name, directly or through the suite's
own helpers and tables, as far as the sources tell without types: a call that could mean several things is not counted.
Named are the tests that are most about it. Each runs with io_uring, without, and as a Windows program under Wine.
";

const NOT_OFFERED_HEAD: &str = "
## Not offered

See [differences](differences.md#not-there-yet).

| name | answer meanwhile |
|---|---|
";
