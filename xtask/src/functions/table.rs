//! A table in the source of the engine: a constant that is an array of calls, read as words.

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The words of an argument: names and numbers, punctuation aside.
pub type Cell = Vec<String>;

/// The arguments of each call in `const NAME: … = &[f(…), f(…), …]`.
pub fn rows(text: &str, name: &str) -> Result<Vec<Vec<Cell>>> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{name}: {error}"))?;
    let mut items = tokens
        .into_iter()
        .skip_while(|token| !is_ident(token, name));
    let is_value =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
    let value = items.by_ref().skip_while(|token| !is_value(token));
    let array = value
        .filter_map(|token| group(token, Delimiter::Bracket))
        .next();
    let array = array.with_context(|| format!("no table {name}"))?;
    let calls = array
        .into_iter()
        .filter_map(|token| group(token, Delimiter::Parenthesis));
    Ok(calls.map(arguments).collect())
}

fn arguments(list: TokenStream) -> Vec<Cell> {
    let mut cells = vec![Cell::new()];
    for token in list {
        if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',') {
            cells.push(Cell::new());
        } else if let Some(cell) = cells.last_mut() {
            add_words(token, cell);
        }
    }
    cells
}

fn add_words(token: TokenTree, words: &mut Cell) {
    match token {
        TokenTree::Group(group) => {
            for token in group.stream() {
                add_words(token, words);
            }
        }
        TokenTree::Ident(ident) => words.push(ident.to_string()),
        TokenTree::Literal(literal) => words.push(literal.to_string()),
        TokenTree::Punct(_) => {}
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn group(token: TokenTree, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_arguments() {
        let text = "use T::A; const T: &[Row] = &[row(A, b::C as i32, D(E(1)), &[]), row(F, &[G, H])]; const U: u8 = 1;";
        let rows = rows(text, "T").unwrap();
        assert_eq!(
            rows[0],
            [
                vec!["A"],
                vec!["b", "C", "as", "i32"],
                vec!["D", "E", "1"],
                vec![]
            ]
        );
        assert_eq!(rows[1][1], ["G", "H"]);
    }
}
