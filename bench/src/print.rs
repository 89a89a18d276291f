//! Tables of what was measured.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::machine::Machine;
use crate::results::{Results, median};

/// What ratios are taken to, if it was measured: the first of these.
const BASES: [&str; 2] = ["tokio-ct", "wharf"];

/// A column: title, figure, decimals.
const COLUMNS: [(&str, &str, usize); 9] = [
    ("charged µs", "charged_cpu_us_per_message", 2),
    ("server µs", "server_cpu_us_per_message", 2),
    ("messages/s", "messages_per_s", 0),
    ("p50 µs", "latency_p50_us", 0),
    ("p99 µs", "latency_p99_us", 0),
    ("p99.9 µs", "latency_p999_us", 0),
    ("server CPUs", "server_cpus", 2),
    ("load CPUs", "load_cpus", 2),
    ("foreign", "foreign_cpus", 2),
];

pub fn machine(machine: &Machine) {
    let modified = if machine.modified { " (modified)" } else { "" };
    println!(
        "{}, {} CPUs, {} GiB, Linux {}, commit {}{modified}, {}",
        machine.processor,
        machine.cpus,
        machine.memory_gib,
        machine.kernel,
        machine.commit,
        machine.taken_at
    );
}

/// Every point with its servers beside each other: the median of the rounds' ratios to the base, with
/// their spread, and the medians of figures.
pub fn comparison(results: &Results) {
    machine(&results.machine);
    for point in distinct(results.samples.iter().map(|sample| &*sample.point)) {
        let of_point = results
            .samples
            .iter()
            .filter(|sample| sample.point == point);
        let servers = distinct(of_point.map(|sample| &*sample.server));
        let base = BASES
            .into_iter()
            .find(|base| servers.contains(base))
            .unwrap_or(servers[0]);
        println!("\n{point}\n");
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        let ratios = [
            format!("charged × {base}"),
            "min–max".into(),
            format!("messages/s × {base}"),
        ];
        let titles = COLUMNS.iter().map(|(title, ..)| title.to_string());
        table.set_header(
            ["server".into()]
                .into_iter()
                .chain(ratios)
                .chain(titles)
                .chain(["samples".into()]),
        );
        for server in servers {
            table.add_row(row(results, point, server, base));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{table}");
    }
}

fn row(results: &Results, point: &str, server: &str, base: &str) -> Vec<String> {
    let ratios = |figure| results.ratios((server, point), (base, point), figure);
    let charged = ratios("charged_cpu_us_per_message");
    let mut row = vec![
        server.to_owned(),
        number(median(charged.clone()), 3),
        range(&charged, 2),
        number(median(ratios("messages_per_s")), 2),
    ];
    row.extend(
        COLUMNS
            .iter()
            .map(|(_, figure, decimals)| number(results.median(server, point, figure), *decimals)),
    );
    row.push(samples(results, point, server));
    row
}

/// How many samples count, how many of them were disturbed, and why others do not.
fn samples(results: &Results, point: &str, server: &str) -> String {
    let all = results
        .samples
        .iter()
        .filter(|sample| sample.server == server && sample.point == point);
    let errors: Vec<&str> = all
        .clone()
        .filter_map(|sample| sample.error.as_deref())
        .collect();
    let disturbed = all.clone().filter(|sample| sample.disturbed).count();
    let mut text = format!("{}/{}", all.clone().count() - errors.len(), all.count());
    if disturbed > 0 {
        text += &format!(", {disturbed} disturbed");
    }
    if let Some(error) = errors.last() {
        text += &format!("; {}", error.chars().take(70).collect::<String>());
    }
    text
}

pub fn number(value: Option<f64>, decimals: usize) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or("–".into(), |value| format!("{value:.decimals$}"))
}

pub fn range(values: &[f64], decimals: usize) -> String {
    let min = values.iter().copied().reduce(f64::min);
    let max = values.iter().copied().reduce(f64::max);
    format!("{}–{}", number(min, decimals), number(max, decimals))
}

/// Each value once, in the order of first appearance.
pub fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
