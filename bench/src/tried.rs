//! Why rows miss their targets, and what was tried: `tried.md`, shown under the table.

/// Sections `## row, row`, each with its text.
const TRIED: &str = include_str!("../tried.md");

/// What is known of a row.
pub fn of(row: &str) -> Option<&'static str> {
    sections()
        .find(|(rows, _)| rows.split(", ").any(|other| other == row))
        .map(|(_, text)| text)
}

fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = TRIED.split("\n## ").skip(1);
    sections.filter_map(|section| {
        let (rows, text) = section.split_once('\n')?;
        Some((rows, text.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_of_rows_that_exist() {
        let rows = crate::targets::rows(&[], Ok).unwrap();
        assert!(sections().count() > 0);
        for name in sections().flat_map(|(names, _)| names.split(", ")) {
            assert!(rows.iter().any(|row| row.name == name), "{name}");
        }
    }
}
