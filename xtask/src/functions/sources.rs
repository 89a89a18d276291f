//! What the page is drawn from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::differences::Differences;
use super::header::{Header, words};
use super::project;
use super::suite::{Files, Suite};

/// The sources, read once.
pub struct Sources {
    pub headers: Vec<Header>,
    /// The header of the Interlocked functions, which are macros' work.
    pub interlocked: String,
    /// The C and C++ programs that are compiled and run against the headers.
    programs: Vec<(String, String)>,
    pub differences: Differences,
    /// The conformance suite.
    conformance: Files,
    /// The engine's own files: the path from `crates/wharf-sys/src/linux`, and the text.
    engine: BTreeMap<String, String>,
}

impl Sources {
    pub fn read() -> Result<Sources> {
        let capi = project().join("crates/wharf-capi");
        let sys = project().join("crates/wharf-sys");
        let read =
            |path: PathBuf| fs::read_to_string(&path).with_context(|| path.display().to_string());
        let mut engine = BTreeMap::new();
        read_rust(&sys.join("src/linux"), "", &mut engine)?;
        Ok(Sources {
            headers: Header::read_all(&capi.join("include"))?,
            interlocked: read(capi.join("include/wharf/interlocked.h"))?,
            programs: programs(&capi.join("tests/c"))?,
            differences: Differences::new(read(project().join("docs/differences.md"))?),
            conformance: Files::read(&sys.join("tests/conformance"))?,
            engine,
        })
    }

    /// The conformance tests that use the names, each given by the word that stands for its use.
    pub fn tests_of<'a>(&self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Suite {
        self.conformance.tests_of(names.into_iter().collect())
    }

    /// Whether the conformance suite has a test: `module::test`.
    pub fn has_test(&self, test: &str) -> bool {
        self.conformance.have_test(test)
    }

    /// The header that defines a name as a macro.
    pub fn header_defining(&self, name: &str) -> Option<&'static str> {
        let defines = |header: &&Header| header.definitions().any(|(defined, _)| defined == name);
        self.headers.iter().find(defines).map(|header| header.name)
    }

    /// The text of a file of the engine.
    pub fn engine(&self, path: &str) -> Result<&str> {
        let text = self.engine.get(path).map(String::as_str);
        text.with_context(|| format!("no {path} in crates/wharf-sys/src/linux"))
    }

    /// Whether any file of the engine uses a name.
    pub fn engine_uses(&self, name: &str) -> bool {
        let uses = |text: &String| words(text).any(|word| word == name);
        self.engine.values().any(uses)
    }

    /// The programs that use one of the names, or "none".
    pub fn programs_with(&self, names: &[&str]) -> String {
        let uses = |(_, text): &&(String, String)| words(text).any(|word| names.contains(&word));
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

/// The programs' names and texts, in the order of their names; without the contract, which names everything.
fn programs(directory: &Path) -> Result<Vec<(String, String)>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().display().to_string();
        if name != super::data::CONTRACT {
            programs.push((name, fs::read_to_string(&path)?));
        }
    }
    programs.sort();
    Ok(programs)
}

fn read_rust(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().display().to_string();
        if path.is_dir() {
            read_rust(&path, &format!("{prefix}{name}/"), files)?;
        } else if name.ends_with(".rs") {
            files.insert(format!("{prefix}{name}"), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
