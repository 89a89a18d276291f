//! Which of Windows' functions, or other names, each test uses, as far as its source tells.
//!
//! The suite is read as tokens, not as types. `name(…)` calls a function of the same file, else of a file that it
//! imports, else Windows'; a name that is not called may be a constant, likewise. `Type::name` means that type's function, and who names a type drops it. `x.name(…)` may
//! mean any method in sight with that name and that many parameters: what all of these use is used for certain, and
//! the rest is left out, so that a test is rather not counted than wrongly.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};

use super::source::{Function, Mention, SourceFile};

/// A method whose calls look like those of the standard library's channels: followed on `self` only.
const AMBIGUOUS_METHOD: &str = "send";

/// The crate whose functions these are.
const WINDOWS: &str = "wharf_sys";

/// The files of a directory of tests, by the name of the module.
pub struct Files(BTreeMap<String, SourceFile>);

/// The tests that use each of a set of Windows' names.
pub struct Suite(BTreeMap<String, Vec<Use>>);

/// A test that uses a name.
pub struct Use {
    test: String,
    cites: bool,
    direct: bool,
    /// How many of the names the test uses.
    names: usize,
}

impl Use {
    /// `module::name`.
    pub fn test(&self) -> &str {
        &self.test
    }

    /// Orders the tests of a name: first those that give its page as their source, then those that use it
    /// themselves, then those that use little else.
    pub fn remoteness(&self) -> impl Ord + use<> {
        (!self.cites, !self.direct, self.names, self.test.clone())
    }
}

impl Files {
    /// Reads the files of a directory. What a module has in a directory of its own counts as its own.
    pub fn read(directory: &Path) -> Result<Files> {
        let mut files: BTreeMap<String, SourceFile> = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let module = path.file_stem().unwrap_or_default().display().to_string();
            let file = files.entry(module).or_default();
            if path.is_dir() {
                let parts = Files::read(&path)?.0;
                parts.into_values().for_each(|part| file.extend(part));
            } else {
                let part = SourceFile::parse(&fs::read_to_string(&path)?)
                    .map_err(|error| anyhow!("{}: {error}", path.display()))?;
                file.extend(part);
            }
        }
        Ok(Files(files))
    }

    /// Whether `module::test` is one of the tests.
    pub fn have_test(&self, test: &str) -> bool {
        let file = |(module, test)| Some((self.0.get(module)?, test));
        let Some((file, test)) = test.split_once("::").and_then(file) else {
            return false;
        };
        let mut functions = file.functions.iter();
        functions.any(|function| function.is_test && function.name == test)
    }

    /// Finds the tests that use `names`: Windows' names, each by the word that stands for its use.
    pub fn tests_of(&self, names: BTreeMap<&str, &str>) -> Suite {
        Suite::of(&Sources {
            files: &self.0,
            names,
        })
    }
}

impl Suite {
    fn of(sources: &Sources) -> Suite {
        let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
        let mut explorer = Explorer::new(sources);
        for place in sources.tests() {
            let test = sources.function(place);
            let reached = explorer.reached(place).unwrap_or_default();
            let direct = sources.named_in(place);
            for &name in &reached {
                uses.entry(name.to_string()).or_default().push(Use {
                    test: format!("{}::{}", place.module, test.name),
                    cites: test.cites(name),
                    direct: direct.contains(name),
                    names: reached.len(),
                });
            }
        }
        Suite(uses)
    }

    /// The tests that use a name.
    pub fn uses(&self, name: &str) -> impl Iterator<Item = &Use> {
        self.0.get(name).into_iter().flatten()
    }

    /// How many tests use a name, and the first `named` of those that are most about it; `None` if there is none.
    pub fn summary(&self, name: &str, named: usize) -> Option<String> {
        let mut uses: Vec<&Use> = self.uses(name).collect();
        uses.sort_by_key(|used| used.remoteness());
        let named = uses.iter().take(named);
        let named: Vec<String> = named.map(|used| format!("`{}`", used.test())).collect();
        (!uses.is_empty()).then(|| format!("{}: {}", uses.len(), named.join(", ")))
    }
}

/// Where a function of the suite stands: the file's name and the function's number in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    module: &'a str,
    index: usize,
}

struct Sources<'a> {
    files: &'a BTreeMap<String, SourceFile>,
    /// Windows' names, by the word that stands for a use.
    names: BTreeMap<&'a str, &'a str>,
}

impl Sources<'_> {
    fn tests(&self) -> impl Iterator<Item = Place<'_>> {
        let modules = self.files.keys();
        modules.flat_map(|module| self.in_module(module, |function| function.is_test))
    }

    fn function(&self, place: Place) -> &Function {
        &self.files[place.module].functions[place.index]
    }

    /// Windows' names that a function uses itself.
    fn named_in<'s>(&'s self, place: Place<'s>) -> BTreeSet<&'s str> {
        let mentions = self.function(place).mentions.iter();
        let windows = mentions.filter(|mention| self.helpers(place, mention).is_empty());
        windows
            .filter_map(|mention| self.windows_name(mention))
            .collect()
    }

    /// A lower-case name is a function only where it is called: it may be a variable as well.
    fn windows_name(&self, mention: &Mention) -> Option<&str> {
        match mention {
            Mention::OfType { owner, .. } => self.names.get(owner.as_str()).copied(),
            Mention::Name {
                module: Some(module),
                ..
            } if module != WINDOWS => None,
            Mention::Name { name, called, .. } => {
                let unmistakable = name.contains(|c: char| c.is_uppercase() || c == '_');
                let meant = self.names.get(name.as_str())?;
                (*called || unmistakable).then_some(meant)
            }
            Mention::Method { .. } => None,
        }
    }

    /// The suite's own functions that may be meant.
    fn helpers<'s>(&'s self, from: Place<'s>, mention: &Mention) -> Vec<Place<'s>> {
        let owner = &self.function(from).owner;
        match mention {
            Mention::Name {
                name,
                module,
                called,
            } => {
                let is_meant =
                    |f: &Function| f.owner.is_none() && f.name == *name && f.is_constant != *called;
                match module {
                    None => self.in_sight(from, is_meant),
                    Some(module) => self.in_module(module, is_meant),
                }
            }
            Mention::OfType { owner: of, name } => {
                let of = if of == "Self" {
                    owner.as_ref()
                } else {
                    Some(of)
                };
                self.in_sight(from, |f| {
                    f.owner.is_some() && f.owner.as_ref() == of && f.name == *name
                })
            }
            Mention::Method {
                name,
                on_self: true,
                ..
            } => self.in_sight(from, |f| f.owner == *owner && f.name == *name),
            Mention::Method { name, .. } if name == AMBIGUOUS_METHOD => Vec::new(),
            Mention::Method {
                name, arguments, ..
            } => self.in_sight(from, |f| {
                f.is_method && f.name == *name && f.parameters == *arguments
            }),
        }
    }

    /// The `drop` of a type that is named.
    fn destructor<'s>(&'s self, from: Place<'s>, mention: &Mention) -> Option<Place<'s>> {
        let (Mention::Name { name: of, .. } | Mention::OfType { owner: of, .. }) = mention else {
            return None;
        };
        let drops = self.in_sight(from, |f| f.name == "drop" && f.owner.as_ref() == Some(of));
        drops.first().copied()
    }

    /// The functions in the same file, or else in the imported ones, of which `is_meant` is true.
    fn in_sight<'s>(
        &'s self,
        from: Place<'s>,
        is_meant: impl Fn(&Function) -> bool,
    ) -> Vec<Place<'s>> {
        let here = self.in_module(from.module, &is_meant);
        if !here.is_empty() {
            return here;
        }
        let imports = self.files[from.module].imports.iter();
        imports
            .flat_map(|module| self.in_module(module, &is_meant))
            .collect()
    }

    fn in_module<'s>(
        &'s self,
        module: &str,
        is_meant: impl Fn(&Function) -> bool,
    ) -> Vec<Place<'s>> {
        let Some((module, file)) = self.files.get_key_value(module) else {
            return Vec::new(); // a module of the standard library
        };
        let found = file
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| is_meant(function));
        found.map(|(index, _)| Place { module, index }).collect()
    }
}

/// Goes from function to function, and remembers where it was.
struct Explorer<'s> {
    sources: &'s Sources<'s>,
    known: BTreeMap<Place<'s>, BTreeSet<&'s str>>,
    callers: Vec<Place<'s>>,
}

impl<'s> Explorer<'s> {
    fn new(sources: &'s Sources<'s>) -> Explorer<'s> {
        Explorer {
            sources,
            known: BTreeMap::new(),
            callers: Vec::new(),
        }
    }

    /// Windows' names that a function uses, itself or through others of the suite; `None` for one that is being
    /// looked at: its call from within adds nothing and rules out nothing.
    fn reached(&mut self, place: Place<'s>) -> Option<BTreeSet<&'s str>> {
        if self.callers.contains(&place) {
            return None;
        }
        if let Some(known) = self.known.get(&place) {
            return Some(known.clone());
        }
        self.callers.push(place);
        let mut reached = self.sources.named_in(place);
        for mention in &self.sources.function(place).mentions {
            reached.extend(self.reached_by(place, mention));
        }
        self.callers.pop();
        self.known.insert(place, reached.clone());
        Some(reached)
    }

    fn reached_by(&mut self, from: Place<'s>, mention: &Mention) -> BTreeSet<&'s str> {
        let helpers = self.sources.helpers(from, mention).into_iter();
        let in_common = helpers
            .filter_map(|helper| self.reached(helper))
            .reduce(|some, others| &some & &others);
        let dropped = self
            .sources
            .destructor(from, mention)
            .and_then(|drop| self.reached(drop));
        &in_common.unwrap_or_default() | &dropped.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str, function: &str) -> Vec<String> {
        let helpers = "
            pub fn wait(h: HANDLE) { unsafe { WaitForSingleObject(h, 0) }; }
            impl Event { pub fn set(&self) { SetEvent(self.0); } pub fn twice(&self) { self.set(); self.set(); } }
            impl Port { pub fn close(&self) { SetLastError(0); CloseHandle(self.0); } }
            impl Socket { pub fn close(&self) { SetLastError(0); closesocket(self.0); } }";
        let files = [("helpers", helpers), ("tests", text)]
            .map(|(name, text)| (name.to_string(), SourceFile::parse(text).unwrap()));
        let names = [
            "WaitForSingleObject",
            "SetEvent",
            "CloseHandle",
            "closesocket",
            "recv",
            "SetLastError",
            "MSG_PEEK",
            "WSABUF",
        ];
        let suite = Files(files.into()).tests_of(names.map(|name| (name, name)).into());
        suite.uses(function).map(|used| used.test.clone()).collect()
    }

    #[test]
    fn calls_count_inside_macros_and_through_helpers() {
        let text =
            "use crate::helpers::*; #[test] fn a() { assert_eq!(wait(h), 0); event.twice(); }";
        assert_eq!(uses(text, "WaitForSingleObject"), ["tests::a"]);
        assert_eq!(uses(text, "SetEvent"), ["tests::a"]);
    }

    #[test]
    fn helpers_that_are_not_imported_are_somebody_elses() {
        let text = "#[test] fn a() { wait(h); } #[test] fn b() { crate::helpers::wait(h); }
                    use crate::helpers::*; #[test] fn c() { thread::wait(h); }";
        assert_eq!(
            uses("#[test] fn a() { wait(h); }", "WaitForSingleObject"),
            [""; 0]
        );
        assert_eq!(uses(text, "WaitForSingleObject"), ["tests::a", "tests::b"]);
    }

    #[test]
    fn a_method_of_several_types_counts_for_what_all_use() {
        let text = "use crate::helpers::*; #[test] fn a() { it.close(); } #[test] fn b() { Port::close(&it); }";
        assert_eq!(uses(text, "CloseHandle"), ["tests::b"]);
        assert_eq!(uses(text, "closesocket"), [""; 0]);
        assert_eq!(uses(text, "SetLastError"), ["tests::a", "tests::b"]);
    }

    #[test]
    fn a_variable_is_no_call() {
        let text = "#[test] fn a() { let recv = 1; use_it(recv); } #[test] fn b() { recv(s) }";
        assert_eq!(uses(text, "recv"), ["tests::b"]);
    }

    #[test]
    fn constants_and_types_are_used_by_naming_them() {
        let text =
            "#[test] fn a() { recv(s, MSG_PEEK) } #[test] fn b() { let of = WSABUF::default(); }";
        assert_eq!(uses(text, "MSG_PEEK"), ["tests::a"]);
        assert_eq!(uses(text, "WSABUF"), ["tests::b"]);
    }
}
