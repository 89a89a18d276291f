//! The targets of issues 3 and 4: what is measured, and what it should be. The rows are in [`completion_port`] and [`models`].

mod completion_port;
mod models;

use anyhow::{Result, ensure};

use crate::Cell;
use crate::point::Point;
use crate::spec::ServerSpec;

/// Server CPU and unattributed CPU: what most targets are about.
const CHARGED: &str = "charged_cpu_us_per_message";
const RATE: &str = "messages_per_s";

/// One row of the table; without checks, nothing can be measured yet.
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub checks: Vec<Check>,
}

impl Row {
    /// Whether `name` is its name or its family: `echo` is that of `echo-64`.
    fn is_called(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// One figure, or the ratio of two, and its bound.
pub struct Check {
    pub what: &'static str,
    pub figure: &'static str,
    pub of: Cell,
    /// What the ratio is taken to.
    pub to: Option<Cell>,
    pub bound: Bound,
    pub unit: &'static str,
}

pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// At most so much in every single sample, not only in the median.
    Never(f64),
    /// No target.
    Reported,
}

/// The rows or families of rows named in `wanted` (none: all), with wharf's servers as `adjust` makes them.
pub fn rows(
    wanted: &[String],
    adjust: impl Fn(ServerSpec) -> Result<ServerSpec>,
) -> Result<Vec<Row>> {
    let mut rows = all();
    rows.retain(|row| wanted.is_empty() || wanted.iter().any(|name| row.is_called(name)));
    ensure!(!rows.is_empty(), "no such row; `table --list` shows them");
    for check in rows.iter_mut().flat_map(|row| &mut row.checks) {
        for (server, _) in [&mut check.of].into_iter().chain(&mut check.to) {
            if server.is_native_wharf() {
                *server = adjust(server.clone())?;
            }
        }
    }
    Ok(rows)
}

/// Everything `rows` need, once each, servers at one point beside each other.
pub fn cells(rows: &[Row]) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let checks = rows.iter().flat_map(|row| &row.checks);
    for cell in checks.flat_map(|check| check.to.iter().chain([&check.of])) {
        if cells.contains(cell) {
            continue;
        }
        let after_its_point = cells
            .iter()
            .rposition(|other| other.1 == cell.1)
            .map(|index| index + 1);
        cells.insert(after_its_point.unwrap_or(cells.len()), cell.clone());
    }
    cells
}

fn all() -> Vec<Row> {
    let mut rows = completion_port::rows();
    rows.extend(models::rows());
    rows
}

fn row(name: &'static str, title: &'static str, checks: Vec<Check>) -> Row {
    Row {
        name,
        title,
        checks,
    }
}

type CellText = (&'static str, &'static str);

fn ratio(
    what: &'static str,
    figure: &'static str,
    of: CellText,
    to: CellText,
    bound: Bound,
) -> Check {
    Check {
        what,
        figure,
        of: cell(of),
        to: Some(cell(to)),
        bound,
        unit: "×",
    }
}

fn value(
    what: &'static str,
    figure: &'static str,
    of: CellText,
    bound: Bound,
    unit: &'static str,
) -> Check {
    Check {
        what,
        figure,
        of: cell(of),
        to: None,
        bound,
        unit,
    }
}

fn cell((server, point): CellText) -> Cell {
    (
        server
            .parse::<ServerSpec>()
            .expect("a test parses all of them"),
        point.parse::<Point>().expect("a test parses all of them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own_and_servers_that_serve_them() {
        let rows = all();
        for (index, row) in rows.iter().enumerate() {
            assert!(
                rows[..index].iter().all(|other| other.name != row.name),
                "{} twice",
                row.name
            );
        }
        for (server, point) in cells(&rows) {
            assert!(server.serves(point.workload), "{server} at {point}");
        }
    }
}
