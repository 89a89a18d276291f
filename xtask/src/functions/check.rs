//! What `--check` finds wrong: lines of the page that are out of date, and tests that documents name but nobody wrote.

use std::collections::BTreeSet;

/// How many lines that differ are shown.
const SHOWN: usize = 10;

/// The first lines that only one of two texts has, in their order: `-` before those of `old`, `+` before those of `new`.
pub fn lines_that_differ(old: &str, new: &str) -> Vec<String> {
    let only = |sign, text: &str, other: &str| {
        let known: BTreeSet<&str> = other.lines().collect();
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !known.contains(line));
        let lines = lines.map(|(at, line)| (at, format!("{sign} {}: {line}", at + 1)));
        lines.collect::<Vec<_>>()
    };
    let mut differing = only('-', old, new);
    differing.extend(only('+', new, old));
    differing.sort_by_key(|(at, _)| *at);
    let lines = differing.into_iter().map(|(_, line)| line);
    lines.take(SHOWN).collect()
}

/// The tests that a document names, each with the number of its line: `module::test` in back-quotes, and each
/// `other_test` that follows one in the same line is of the same module.
pub fn tests_named_in(document: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, line) in document.lines().enumerate() {
        let mut module = None;
        for quoted in line.split('`').skip(1).step_by(2) {
            let test = match (quoted.split_once("::"), module) {
                (Some((of, test)), _) if is_name(of) && is_name(test) && of != "std" => {
                    module = Some(of);
                    test
                }
                (None, Some(_)) if is_name(quoted) && quoted.contains('_') => quoted,
                _ => {
                    module = None;
                    continue;
                }
            };
            named.extend(module.map(|module| (at + 1, format!("{module}::{test}"))));
        }
    }
    named
}

/// Whether this could be the name of a module or a test.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_differs_is_shown_as_it_was_and_as_it_is() {
        let differing = lines_that_differ("a\nb\nc\n", "a\nnew\nB\nc\n");
        assert_eq!(differing, ["- 2: b", "+ 2: new", "+ 3: B"]);
        assert_eq!(lines_that_differ("a\nb", "a\nb"), [""; 0]);
    }

    #[test]
    fn few_of_many_lines_are_shown() {
        assert_eq!(lines_that_differ("", &"x\n".repeat(99)).len(), SHOWN);
    }

    #[test]
    fn a_test_is_named_by_its_module_or_after_one_of_it() {
        let named = tests_named_in("| `SO_A` | `m::a`, `b_c` (not) |\n| `b_c` | `n::d` |");
        let tests = [(1, "m::a"), (1, "m::b_c"), (2, "n::d")];
        assert_eq!(named, tests.map(|(line, test)| (line, test.to_string())));
    }

    #[test]
    fn names_of_other_things_are_no_tests() {
        let text =
            "`std::mutex` `Type::new` `m::a`; `threads/pool.rs`: `b_c`, `m::a`; `WSARecv` `recv`";
        let named = tests_named_in(text).into_iter().map(|(_, test)| test);
        assert_eq!(named.collect::<Vec<_>>(), ["m::a", "m::a"]);
    }
}
