//! How far a name has come, and how many have come how far.

use std::fmt::{self, Write};

/// How far a name has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every rule has its test.
    Complete,
    /// Complete, and `docs/differences.md` has a row about it.
    Differs,
    /// Offered, and a part is still to come.
    Partly,
    /// Offered, and no test uses it.
    Untested,
    /// Not offered.
    Missing,
}

impl Status {
    /// The status of a name that is offered.
    pub fn of(tested: bool, partly: bool, differs: bool) -> Status {
        match (tested, partly, differs) {
            (_, true, _) => Status::Partly,
            (false, ..) => Status::Untested,
            (true, false, true) => Status::Differs,
            (true, false, false) => Status::Complete,
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, Status::Complete | Status::Differs)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Status::Complete => "complete",
            Status::Differs => "complete, see [differences](differences.md)",
            Status::Partly => "partly, see [differences](differences.md)",
            Status::Untested => "not tested",
            Status::Missing => "not offered, see [differences](differences.md)",
        })
    }
}

/// A part of the page: its text, and how far the names of its kind have come.
#[derive(Default)]
pub struct Part {
    pub text: String,
    pub tallies: Vec<Tally>,
}

/// How far the names of a kind have come.
pub struct Tally {
    pub kind: &'static str,
    pub statuses: Vec<Status>,
}

impl Tally {
    pub fn new(kind: &'static str, statuses: impl IntoIterator<Item = Status>) -> Tally {
        let statuses = statuses.into_iter().collect();
        Tally { kind, statuses }
    }

    fn row(&self) -> String {
        let count = |which: &dyn Fn(Status) -> bool| {
            let found = self.statuses.iter().filter(|status| which(**status));
            found.count()
        };
        let complete = count(&Status::is_complete);
        let all = self.statuses.len();
        format!(
            "| {} | {all} | {complete} | {} | {} | {} | {} | {} % |\n",
            self.kind,
            count(&|status| status == Status::Differs),
            count(&|status| status == Status::Partly),
            count(&|status| status == Status::Untested),
            count(&|status| status == Status::Missing),
            per_cent(complete, all),
        )
    }
}

/// The table at the top: a row for each kind, in the order of the page, and one for all.
pub fn summary<'a>(tallies: impl Iterator<Item = &'a Tally>) -> String {
    let mut kinds: Vec<Tally> = Vec::new();
    for tally in tallies {
        match kinds.iter_mut().find(|known| known.kind == tally.kind) {
            Some(known) => known.statuses.extend(&tally.statuses),
            None => kinds.push(Tally::new(tally.kind, tally.statuses.iter().copied())),
        }
    }
    let mut table = String::from(HEAD);
    for kind in &kinds {
        table += &kind.row();
    }
    let all = kinds.iter().flat_map(|kind| kind.statuses.iter().copied());
    let _ = write!(table, "{}", Tally::new("all", all).row());
    table
}

const HEAD: &str = "\
| kind | names | complete | of these, with a row in [differences](differences.md) | partly | not tested | not offered | complete |
|---|---|---|---|---|---|---|---|
";

/// Rounded down to a tenth: 100 means all.
fn per_cent(part: usize, of: usize) -> String {
    match (part * 1000).checked_div(of) {
        Some(thousandths) => format!("{}.{}", thousandths / 10, thousandths % 10),
        None => "100.0".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_add_up() {
        let tallies = [
            Tally::new("functions", [Status::Complete, Status::Differs]),
            Tally::new("constants", [Status::Complete]),
            Tally::new("functions", [Status::Missing]),
        ];
        let table = summary(tallies.iter());
        assert!(
            table.contains("| functions | 3 | 2 | 1 | 0 | 0 | 1 | 66.6 % |\n"),
            "{table}"
        );
        assert!(
            table.contains("| all | 4 | 3 | 1 | 0 | 0 | 1 | 75.0 % |\n"),
            "{table}"
        );
    }
}
