//! A Rust source file as far as [`super::suite`] needs it: its functions and constants, and what each mentions.

use std::collections::BTreeSet;
use std::iter;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// A file of the suite.
#[derive(Default)]
pub struct SourceFile {
    /// The modules in `use crate::…`.
    pub imports: BTreeSet<String>,
    /// All functions, methods and constants too.
    pub functions: Vec<Function>,
}

/// A function, a method, or a constant: a table that tests go through.
pub struct Function {
    pub name: String,
    /// The type in whose `impl` it stands.
    pub owner: Option<String>,
    pub is_method: bool,
    /// Without `self`.
    pub parameters: usize,
    pub is_test: bool,
    pub is_constant: bool,
    pub mentions: Vec<Mention>,
    documentation: String,
}

/// Something that may be a function.
pub enum Mention {
    /// `name` or `module::name`.
    Name {
        name: String,
        called: bool,
        module: Option<String>,
    },
    /// `Owner::name`.
    OfType { owner: String, name: String },
    /// `x.name(…)`.
    Method {
        name: String,
        arguments: usize,
        on_self: bool,
    },
}

impl Function {
    /// Whether the doc comment gives the function's page as its source.
    pub fn cites(&self, function: &str) -> bool {
        let source = self
            .documentation
            .split_once("Source:")
            .map_or("", |(_, source)| source);
        source
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == function)
    }
}

impl SourceFile {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<SourceFile, LexError> {
        let mut file = SourceFile::default();
        file.read_items(&tokens(text.parse()?), None);
        Ok(file)
    }

    /// Takes in what another file has.
    pub fn extend(&mut self, other: SourceFile) {
        self.imports.extend(other.imports);
        self.functions.extend(other.functions);
    }

    fn read_items(&mut self, items: &[TokenTree], owner: Option<&str>) {
        let mut attributes = Vec::new();
        let mut at = 0;
        while at < items.len() {
            match word(&items[at]).as_deref() {
                Some("impl") => {
                    let end = at + body_after(&items[at..]);
                    let owner = implemented_type(&items[at + 1..end]);
                    self.read_items(&inside(items.get(end)), owner.as_deref());
                    at = end;
                }
                Some("mod") => {
                    let end = at + body_after(&items[at..]);
                    self.read_items(&inside(items.get(end)), None);
                    at = end;
                }
                Some("fn") => {
                    let end = at + body_after(&items[at..]);
                    let item = &items[at..(end + 1).min(items.len())];
                    self.functions
                        .extend(read_function(item, owner, &attributes));
                    attributes.clear();
                    at = end;
                }
                Some("const" | "static") if is_punct(items.get(at + 2), ':') => {
                    let end = at + end_of_constant(&items[at..]);
                    self.functions.extend(read_constant(&items[at..end], owner));
                    attributes.clear();
                    at = end;
                }
                Some("use") => self.imports.extend(imported_module(&items[at..])),
                _ if is_punct(items.get(at), '#') => attributes.extend(inside(items.get(at + 1))),
                _ if is_punct(items.get(at), ';') => attributes.clear(),
                _ => {}
            }
            at += 1;
        }
    }
}

/// `use crate::module::…`
fn imported_module(item: &[TokenTree]) -> Option<String> {
    let words: Vec<String> = item.iter().take(5).filter_map(word).collect();
    (words.get(1)? == "crate").then(|| words.get(2).cloned())?
}

/// How far it is to the braces, or the semicolon, that end an item.
fn body_after(items: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(Some(token), ';'),
    };
    items.iter().position(ends).unwrap_or(items.len())
}

/// How far it is to the semicolon that ends a constant.
fn end_of_constant(items: &[TokenTree]) -> usize {
    let end = items.iter().position(|token| is_punct(Some(token), ';'));
    end.unwrap_or(items.len())
}

/// The type of `impl<…> Trait for Type<…>`: the name after `for`, or else the first that is no parameter.
fn implemented_type(head: &[TokenTree]) -> Option<String> {
    let after_for = head
        .iter()
        .position(|token| word(token).as_deref() == Some("for"));
    let mut depth = 0;
    head[after_for.unwrap_or(0)..].iter().find_map(|token| {
        depth += i32::from(is_punct(Some(token), '<')) - i32::from(is_punct(Some(token), '>'));
        word(token).filter(|name| depth == 0 && name != "for")
    })
}

/// `const NAME: … = …`
fn read_constant(item: &[TokenTree], owner: Option<&str>) -> Option<Function> {
    Some(Function {
        name: word(item.get(1)?)?,
        owner: owner.map(String::from),
        is_method: false,
        parameters: 0,
        is_test: false,
        is_constant: true,
        mentions: mentions(item.get(2..)?),
        documentation: String::new(),
    })
}

/// `fn name(…) … { … }`
fn read_function(
    item: &[TokenTree],
    owner: Option<&str>,
    attributes: &[TokenTree],
) -> Option<Function> {
    let parameters = item
        .iter()
        .find(|token| is_group(token, Delimiter::Parenthesis));
    let parameters = inside(parameters);
    let is_test = attributes
        .iter()
        .any(|token| word(token).as_deref() == Some("test"));
    Some(Function {
        name: word(item.get(1)?)?,
        owner: owner.map(String::from),
        is_method: parameters
            .iter()
            .any(|token| word(token).as_deref() == Some("self")),
        parameters: typed_names(&parameters),
        is_test,
        is_constant: false,
        mentions: mentions(&inside(item.last())),
        documentation: attributes.iter().filter_map(literal).collect(),
    })
}

/// How many names have a type: one for each colon that stands alone.
fn typed_names(parameters: &[TokenTree]) -> usize {
    let colon = |at: Option<usize>| is_punct(at.and_then(|at| parameters.get(at)), ':');
    let alone = |at: &usize| colon(Some(*at)) && !colon(Some(at + 1)) && !colon(at.checked_sub(1));
    (0..parameters.len()).filter(alone).count()
}

/// Everything in a body that may be a function, closures and the arguments of macros included.
fn mentions(body: &[TokenTree]) -> Vec<Mention> {
    let mut found = Vec::new();
    for (at, token) in body.iter().enumerate() {
        match token {
            TokenTree::Group(group) => found.extend(mentions(&tokens(group.stream()))),
            TokenTree::Ident(name) => found.extend(mention(&name.to_string(), body, at)),
            _ => {}
        }
    }
    found
}

fn mention(name: &str, body: &[TokenTree], at: usize) -> Option<Mention> {
    let before = |distance| at.checked_sub(distance).and_then(|at| body.get(at));
    let arguments = body
        .get(at + 1)
        .filter(|token| is_group(token, Delimiter::Parenthesis));
    let name = name.to_string();
    if is_punct(before(1), '.') && !is_punct(before(2), '.') {
        return Some(Mention::Method {
            name,
            arguments: count_arguments(&inside(Some(arguments?))),
            on_self: before(2).and_then(word).as_deref() == Some("self"),
        });
    }
    if is_punct(body.get(at + 1), '!') || before(1).and_then(word).as_deref() == Some("fn") {
        return None; // a macro, or a function's own name
    }
    let qualifier = before(3)
        .and_then(word)
        .filter(|_| is_punct(before(1), ':') && is_punct(before(2), ':'));
    match qualifier {
        Some(owner) if owner.starts_with(char::is_uppercase) => {
            Some(Mention::OfType { owner, name })
        }
        module => Some(Mention::Name {
            name,
            called: arguments.is_some(),
            module,
        }),
    }
}

/// How many expressions stand between the commas; those between the bars of a closure separate nothing.
fn count_arguments(list: &[TokenTree]) -> usize {
    let mut count = usize::from(!list.is_empty());
    let mut in_bars = false;
    for (at, token) in list.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| list.get(at));
        let opens = before.is_none()
            || is_punct(before, ',')
            || before.and_then(word).as_deref() == Some("move");
        if is_punct(Some(token), '|') && (in_bars || opens) {
            in_bars = !in_bars;
        }
        let is_last = at + 1 == list.len();
        count += usize::from(is_punct(Some(token), ',') && !in_bars && !is_last);
    }
    count
}

fn tokens(stream: TokenStream) -> Vec<TokenTree> {
    // What a macro put into an invisible group counts as written out.
    let flat = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => tokens(group.stream()),
        token => iter::once(token).collect(),
    };
    stream.into_iter().flat_map(flat).collect()
}

fn inside(group: Option<&TokenTree>) -> Vec<TokenTree> {
    match group {
        Some(TokenTree::Group(group)) => tokens(group.stream()),
        _ => Vec::new(),
    }
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

fn literal(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Literal(literal) => Some(literal.to_string()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> Function {
        SourceFile::parse(text).unwrap().functions.pop().unwrap()
    }

    #[test]
    fn a_method_knows_its_type_and_its_parameters() {
        let method = function(
            "impl<T: Copy> Deref for Worker<T> { fn join(&self, f: impl Fn(u8) -> u8, b: a::B) {} }",
        );
        assert_eq!(method.owner.as_deref(), Some("Worker"));
        assert!(method.is_method);
        assert_eq!(method.parameters, 2);
    }

    #[test]
    fn a_test_cites_what_stands_after_source() {
        let test = function("/// On send.\n/// Source: WSARecv, remarks.\n#[test]\nfn a() {}");
        assert!(test.is_test && test.cites("WSARecv"));
        assert!(!test.cites("send") && !test.cites("WSA"));
    }

    #[test]
    fn attributes_belong_to_the_next_function_only() {
        let functions = SourceFile::parse("#[test] fn a() {} fn b() {}")
            .unwrap()
            .functions;
        assert_eq!(
            functions.iter().map(|f| f.is_test).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn arguments_are_counted_without_those_of_closures() {
        let count = |text: &str| count_arguments(&tokens(text.parse().unwrap()));
        let counted = ["", "a", "a, b,", "a, |x, y| x + y", "move |x, y| x, 1"].map(count);
        assert_eq!(counted, [0, 1, 2, 2, 2]);
    }

    #[test]
    fn a_constant_mentions_what_its_value_names() {
        let constant = function("const TABLE: &[(i32, bool)] = &[(SO_DEBUG, true)]; ");
        let named =
            |mention: &Mention| matches!(mention, Mention::Name { name, .. } if name == "SO_DEBUG");
        assert!(constant.is_constant && constant.mentions.iter().any(named));
    }

    #[test]
    fn modules_of_the_crate_are_imports() {
        let file = SourceFile::parse("use std::mem; use crate::harness::*;").unwrap();
        assert_eq!(file.imports.into_iter().collect::<Vec<_>>(), ["harness"]);
    }
}
