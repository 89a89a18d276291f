//! A C header as far as the page needs it: what it declares and defines, by reading its text.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The headers whose names the page lists, by the one that a program includes, in the order of looking for a name.
const HEADERS: [(&str, &str); 10] = [
    ("winsock2.h", "winsock2.h"),
    ("winsock2.h", "wharf/reveal_winsock.h"),
    ("ws2tcpip.h", "ws2tcpip.h"),
    ("mswsock.h", "mswsock.h"),
    ("mstcpip.h", "mstcpip.h"),
    ("windows.h", "windows.h"),
    ("windows.h", "wharf/types.h"),
    ("windows.h", "wharf/interlocked.h"),
    ("process.h", "process.h"),
    ("tchar.h", "tchar.h"),
];

/// A header's text, and the name by which a program includes it.
pub struct Header {
    pub name: &'static str,
    pub text: String,
}

/// What a header declares besides functions.
#[derive(Debug, PartialEq)]
pub enum Declared {
    /// A structure or union: its tag, and the names that a typedef gives it.
    Structure { tag: String, names: Vec<String> },
    /// A pointer to a function.
    Callback { name: String },
    /// Other names for a type.
    Type { of: String, names: Vec<String> },
    /// A constant object.
    Object { name: String },
}

impl Header {
    /// Reads the headers of a directory.
    pub fn read_all(include: &Path) -> Result<Vec<Header>> {
        let read = |(name, path)| {
            let text =
                fs::read_to_string(include.join(path)).with_context(|| String::from(path))?;
            Ok(Header { name, text })
        };
        HEADERS.into_iter().map(read).collect()
    }

    /// The declaration of a function: from its name to the semicolon.
    pub fn declaration(&self, function: &str) -> Option<&str> {
        let call = format!("{function}(");
        self.text.match_indices(&call).find_map(|(start, _)| {
            let line = self.text[..start].rsplit('\n').next()?;
            let in_a_body = line.contains(['(', '{']);
            let declares =
                line.ends_with([' ', '*']) && !line.starts_with([' ', '#']) && !in_a_body;
            let declaration = self.text[start..].split(';').next()?;
            declares.then_some(declaration)
        })
    }

    /// The macros with parameters that the header defines for programs.
    pub fn macros_with_parameters(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("#define ")?.split_once('('))
            .map(|(name, _)| name)
            .filter(|name| is_name(name) && is_for_programs(name))
            .filter(move |name| seen.insert(*name))
    }

    /// The inline functions that the header defines for programs.
    pub fn inline_functions(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("static inline ")?.split_once('('))
            .filter_map(|(before, _)| words(before).last())
            .filter(|name| is_for_programs(name))
    }

    /// The macros without parameters that the header defines for programs, each with its value on the same line.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| {
            let definition = line.strip_prefix("#define ")?;
            let (name, value) = definition.split_once(' ').unwrap_or((definition, ""));
            (is_name(name) && is_for_programs(name))
                .then_some((name, value.trim_end_matches([' ', '\\'])))
        })
    }

    /// The types and objects that the header declares.
    pub fn declared(&self) -> Vec<Declared> {
        statements(&self.text)
            .iter()
            .filter_map(|text| declared(text))
            .collect()
    }
}

/// The symbols that the labels of a declaration lead to.
pub fn symbols(function: &str, declaration: &str) -> String {
    if declaration.contains("WHARF_SYMBOL(") {
        format!("`wharf_{function}`")
    } else if declaration.contains("WHARF_WIDE_SYMBOL(") {
        format!("`{function}`, `{function}32`")
    } else {
        format!("`{function}`")
    }
}

/// The Interlocked functions, which a macro of the header makes for 32 and for 64 bits.
pub fn interlocked(header: &str) -> BTreeSet<String> {
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

/// The words of a text, as C and Rust have them.
pub fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && words(text).eq([text])
}

/// Names of the headers themselves are not for programs.
fn is_for_programs(name: &str) -> bool {
    !name.starts_with("WHARF_") && !name.starts_with("wharf_") && !name.starts_with("__T")
}

/// The declarations of a header, without comments, lines of the preprocessor and bodies of functions.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut depth = 0;
    for character in declarations(text).chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        let is_type = || {
            matches!(
                words(&statement).next(),
                Some("typedef" | "struct" | "union")
            )
        };
        let ends = match character {
            ';' => depth == 0,
            '}' => depth == 0 && !is_type(),
            _ => false,
        };
        if ends {
            found.push(statement.trim().to_string());
            statement.clear();
        } else {
            statement.push(character);
        }
    }
    found
}

fn declarations(text: &str) -> String {
    let mut outside = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        outside += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    outside += rest;
    let mut continues = false;
    let mut kept = String::new();
    for line in outside.lines() {
        let is_directive = continues || line.starts_with('#');
        continues = is_directive && line.ends_with('\\');
        if !is_directive {
            kept += line;
            kept.push('\n');
        }
    }
    kept.replace("WHARF_BEGIN_DECLARATIONS", "")
        .replace("WHARF_END_DECLARATIONS", "")
}

fn declared(statement: &str) -> Option<Declared> {
    if let Some(object) = statement.strip_prefix("extern const ") {
        let name = words(object).last()?.to_string();
        return Some(Declared::Object { name });
    }
    let Some(declaration) = statement.strip_prefix("typedef ") else {
        return statement.contains('{').then(|| structure(statement))?;
    };
    if declaration.contains('{') || declaration.contains("WHARF_") {
        return structure(declaration);
    }
    if let Some((_, callback)) = declaration.split_once('(') {
        let name = words(callback.split(')').next()?).last()?.to_string();
        return Some(Declared::Callback { name });
    }
    let (first, others) = declaration.split_once(',').unwrap_or((declaration, ""));
    let name = words(first).last()?;
    let of = first.trim_end().strip_suffix(name)?.trim().to_string();
    let names = [name].into_iter().chain(words(others));
    Some(Declared::Type {
        of,
        names: names.map(String::from).collect(),
    })
}

/// `struct tag { … } names`, where a macro of the headers may stand for the braces.
fn structure(declaration: &str) -> Option<Declared> {
    let body = declaration.find(" WHARF_").or(declaration.find('{'))?;
    let mut head = words(&declaration[..body]);
    let is_structure = matches!(head.next()?, "struct" | "union");
    let tag = head.next().unwrap_or_default().to_string();
    let end = declaration.rfind(['}', ')'])?;
    let names = words(&declaration[end..]).map(String::from).collect();
    is_structure.then_some(Declared::Structure { tag, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header {
            name: "test.h",
            text: text.to_string(),
        }
    }

    #[test]
    fn a_declaration_is_no_call_and_no_comment() {
        let header = header(
            "int other(int n) { return recv(n); }\nint recv(int s)\n    WHARF_SYMBOL(recv);\n",
        );
        let declaration = header.declaration("recv").unwrap();
        assert_eq!(symbols("recv", declaration), "`wharf_recv`");
        assert_eq!(header.declaration("send"), None);
    }

    #[test]
    fn the_end_of_a_longer_name_declares_nothing() {
        assert_eq!(
            header("int WSAaccept(int s);\n").declaration("accept"),
            None
        );
        assert!(
            header("char *inet_ntoa(int in);\n")
                .declaration("inet_ntoa")
                .is_some()
        );
    }

    #[test]
    fn macros_of_the_headers_themselves_do_not_count() {
        let header = header(
            "#define LOWORD(v) (v)\n#define WHARF_X(v) (v)\n#define LIMIT (1)\n#define LOWORD(v) v\n#define PF AF\n",
        );
        assert_eq!(
            header.macros_with_parameters().collect::<Vec<_>>(),
            ["LOWORD"]
        );
        assert_eq!(
            header.definitions().collect::<Vec<_>>(),
            [("LIMIT", "(1)"), ("PF", "AF")]
        );
    }

    #[test]
    fn types_are_told_apart() {
        let header = header(
            "typedef struct _A { struct { int x; } u; } A, *PA; /* typedef int NO; */\n\
             static inline int f(void) { return 1; }\n\
             WHARF_BEGIN_DECLARATIONS typedef struct _B WHARF_FIELDS(CHAR) B;\n\
             typedef int(CALLBACK *PROC)(A *a, int b);\n#define M \\\n typedef int NOT;\n\
             typedef const char *PCSTR, *LPCSTR; struct plain { int a; }; struct plain *h(int a) WHARF_SYMBOL(h); extern const A a_any; int g(A *a);",
        );
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let structure = |tag: &str, given: &[&str]| Declared::Structure {
            tag: tag.to_string(),
            names: names(given),
        };
        assert_eq!(
            header.declared(),
            [
                structure("_A", &["A", "PA"]),
                structure("_B", &["B"]),
                Declared::Callback {
                    name: "PROC".to_string()
                },
                Declared::Type {
                    of: "const char *".to_string(),
                    names: names(&["PCSTR", "LPCSTR"])
                },
                structure("plain", &[]),
                Declared::Object {
                    name: "a_any".to_string()
                },
            ]
        );
        assert_eq!(header.inline_functions().collect::<Vec<_>>(), ["f"]);
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
