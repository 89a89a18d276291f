//! `docs/differences.md` as far as the page needs it: which names have a row there, and which are not offered.

use std::collections::BTreeSet;

use super::header::words;

/// The heading of the table of what is still to come.
const TO_COME: &str = "## Not there yet";

/// The names in the tables of the page.
pub struct Differences {
    text: String,
    /// The words of the first cell of each row.
    subjects: BTreeSet<String>,
    /// The names of what is still to come, each with the row's subject and answer.
    to_come: Vec<(String, String)>,
}

impl Differences {
    pub fn new(text: String) -> Differences {
        let mut subjects = BTreeSet::new();
        let mut to_come = Vec::new();
        let mut heading = "";
        for line in text.lines() {
            if line.starts_with("## ") {
                heading = line;
            }
            let Some((subject, answer)) = row(line) else {
                continue;
            };
            if heading == TO_COME {
                to_come.extend(quoted(subject).map(|name| (name.to_string(), answer.to_string())));
            } else {
                subjects.extend(words(subject).map(String::from));
            }
        }
        Differences {
            text,
            subjects,
            to_come,
        }
    }

    /// Whether a function is named, as code: its name may be a word of English too.
    pub fn name_function(&self, function: &str) -> bool {
        self.text.contains(&format!("`{function}`"))
    }

    /// Whether a row is about a constant or an option.
    pub fn are_about(&self, name: &str) -> bool {
        self.subjects.contains(name)
    }

    /// Whether a name, or a part of what it stands for, is still to come.
    pub fn are_to_come(&self, name: &str) -> bool {
        self.to_come.iter().any(|(missing, _)| missing == name)
    }

    /// The names that are still to come, with what answers meanwhile.
    pub fn to_come(&self) -> impl Iterator<Item = (&str, &str)> {
        self.to_come
            .iter()
            .map(|(name, answer)| (name.as_str(), answer.as_str()))
    }
}

/// The first and the last cell of a row of a table.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (subject, others) = cells.split_once(" | ")?;
    Some((subject, others.rsplit(" | ").next()?))
}

/// What stands between back-quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_no_difference() {
        let differences = Differences::new(
            "## Linux\n\n| SO_A, SO_B | there | here |\n\n## Not there yet\n\n| `TransmitFile`, `TF_X` | not exported |\n"
                .to_string(),
        );
        assert!(differences.are_about("SO_B") && !differences.are_about("TransmitFile"));
        assert!(differences.are_to_come("TF_X") && !differences.are_to_come("SO_A"));
        assert_eq!(
            differences.to_come().next(),
            Some(("TransmitFile", "not exported"))
        );
    }
}
