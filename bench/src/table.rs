//! The table of targets: target, what was measured, its spread, and the verdict.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::print;
use crate::results::{Results, median};
use crate::targets::{Bound, Check, Row};
use crate::tried;

pub fn print(rows: &[Row], results: &Results) {
    print::machine(&results.machine);
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "row",
        "point",
        "figure",
        "target",
        "measured",
        "min–max",
        "verdict",
        "samples",
    ]);
    for row in rows {
        if row.checks.is_empty() {
            table.add_row([row.name, row.title, "", "", "", "", "not yet", ""]);
        }
        for (index, check) in row.checks.iter().enumerate() {
            let (name, title) = if index == 0 {
                (row.name, row.title)
            } else {
                ("", "")
            };
            let cells = [name.into(), title.into()]
                .into_iter()
                .chain(evaluate(check, results));
            table.add_row(cells);
        }
    }
    println!("\n{table}");
    for row in rows {
        if row.checks.iter().any(|check| is_missed(check, results))
            && let Some(text) = tried::of(row.name)
        {
            println!("\n{}: {text}", row.name);
        }
    }
}

fn is_missed(check: &Check, results: &Results) -> bool {
    evaluate(check, results)[4].starts_with("missed")
}

/// Figure, target, measured, spread, verdict, samples.
fn evaluate(check: &Check, results: &Results) -> [String; 6] {
    let values = values(check, results);
    let measured = match check.bound {
        Bound::Never(_) => values.iter().copied().reduce(f64::max),
        _ => median(values.clone()),
    };
    let decimals = if check.to.is_some() { 2 } else { 0 };
    let with_unit = |text: String| match &*text {
        "–" => text,
        _ => format!("{text} {}", check.unit).trim_end().to_owned(),
    };
    [
        check.what.into(),
        with_unit(target(&check.bound, decimals)),
        with_unit(print::number(measured, decimals)),
        print::range(&values, decimals),
        measured.map_or_else(
            || failure(check, results),
            |measured| verdict(&check.bound, measured),
        ),
        samples(check, results, values.len()),
    ]
}

/// The figure, or the ratio, of every round.
fn values(check: &Check, results: &Results) -> Vec<f64> {
    let (server, point) = (check.of.0.to_string(), check.of.1.to_string());
    match &check.to {
        None => results.values(&server, &point, check.figure),
        Some((base, base_point)) => {
            let to = (&*base.to_string(), &*base_point.to_string());
            results.ratios((&server, &point), to, check.figure)
        }
    }
}

fn target(bound: &Bound, decimals: usize) -> String {
    match bound {
        Bound::AtMost(most) => format!("≤ {most:.decimals$}"),
        Bound::AtLeast(least) => format!("≥ {least:.decimals$}"),
        Bound::Never(most) => format!("never > {most:.decimals$}"),
        Bound::Reported => "–".into(),
    }
}

fn verdict(bound: &Bound, measured: f64) -> String {
    let missed_by = match *bound {
        Bound::AtMost(most) | Bound::Never(most) => measured / most - 1.0,
        Bound::AtLeast(least) => 1.0 - measured / least,
        Bound::Reported => return String::new(),
    };
    match missed_by {
        by if by.is_nan() || by <= 0.0 => "met".into(), // NaN: none where there may be none
        by if by.is_infinite() => "missed".into(),
        by => format!("missed by {:.0} %", (by * 100.0).max(1.0)),
    }
}

/// Why there is nothing to judge.
fn failure(check: &Check, results: &Results) -> String {
    let of_check = |sample: &&crate::results::Sample| {
        let is = |cell: &crate::Cell| {
            sample.server == cell.0.to_string() && sample.point == cell.1.to_string()
        };
        is(&check.of) || check.to.as_ref().is_some_and(is)
    };
    let mut errors = results
        .samples
        .iter()
        .filter(of_check)
        .filter_map(|sample| sample.error.as_deref());
    errors.next_back().map_or("not measured".into(), |error| {
        format!("failed: {}", error.chars().take(60).collect::<String>())
    })
}

/// How many rounds count, and how many samples of them were taken while others used the machine.
fn samples(check: &Check, results: &Results, counted: usize) -> String {
    let mut disturbed = 0;
    for (server, point) in check.to.iter().chain([&check.of]) {
        disturbed += results
            .of(&server.to_string(), &point.to_string())
            .filter(|sample| sample.disturbed)
            .count();
    }
    match disturbed {
        0 => counted.to_string(),
        _ => format!("{counted}, {disturbed} disturbed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(verdict(&Bound::AtMost(0.8), 0.8), "met");
        assert_eq!(verdict(&Bound::AtMost(0.8), 1.0), "missed by 25 %");
        assert_eq!(verdict(&Bound::AtLeast(20.0), 19.0), "missed by 5 %");
        assert_eq!(verdict(&Bound::Never(0.0), 0.0), "met");
        assert_eq!(verdict(&Bound::Never(0.0), 3.0), "missed");
        assert_eq!(verdict(&Bound::Reported, 3.0), "");
    }
}
