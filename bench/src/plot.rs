//! Plots of what was measured: one SVG per point, a bar per server (the median), and a line from the smallest to the
//! largest sample.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::print::{distinct, number};
use crate::results::{Results, median};

/// What is drawn, if a point has it: the first of these.
const FIGURES: [(&str, &str); 3] = [
    (
        "charged_cpu_us_per_message",
        "µs of CPU per message (server and unattributed)",
    ),
    ("packets_per_s", "packets per second"),
    (
        "server_memory_bytes_per_connection",
        "bytes of server memory per connection",
    ),
];

const WIDTH: i32 = 800;
const BAR: i32 = 34;
const TOP: i32 = 70;
const LEFT: i32 = 230;
const RIGHT: i32 = 90;
const FONT: (&str, i32) = ("sans-serif", 15);
const BAR_COLOUR: RGBColor = RGBColor(70, 130, 180);
const OURS_COLOUR: RGBColor = RGBColor(200, 110, 40);

/// Draws every point of `results` into `directory`; returns the files.
pub fn draw(results: &Results, directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
    let mut files = Vec::new();
    for point in distinct(results.samples.iter().map(|sample| &*sample.point)) {
        let Some((title, bars)) = FIGURES
            .iter()
            .find_map(|(figure, title)| Some((title, bars(results, point, figure)?)))
        else {
            continue;
        };
        let file = directory.join(format!("{}.svg", point.replace([':', ',', '='], "-")));
        draw_bars(
            &file,
            &format!("{point}: {title}"),
            &subtitle(results),
            &bars,
        )
        .with_context(|| format!("could not draw {}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

struct Bar {
    server: String,
    median: f64,
    min: f64,
    max: f64,
}

/// None if no server has the figure.
fn bars(results: &Results, point: &str, figure: &str) -> Option<Vec<Bar>> {
    let of_point = results
        .samples
        .iter()
        .filter(|sample| sample.point == point);
    let bar = |server: &str| {
        let values = results.values(server, point, figure);
        Some(Bar {
            server: server.into(),
            min: values.iter().copied().reduce(f64::min)?,
            max: values.iter().copied().reduce(f64::max)?,
            median: median(values)?,
        })
    };
    let bars: Vec<Bar> = distinct(of_point.map(|sample| &*sample.server))
        .into_iter()
        .filter_map(bar)
        .collect();
    (!bars.is_empty() && bars.iter().any(|bar| bar.max > 0.0)).then_some(bars)
}

fn subtitle(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "{}, {} CPUs, Linux {}, commit {}",
        machine.processor, machine.cpus, machine.kernel, machine.commit
    )
}

fn draw_bars(file: &Path, title: &str, subtitle: &str, bars: &[Bar]) -> Result<()> {
    let height = TOP + BAR * bars.len() as i32 + 20;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = FONT.into_font().color(&BLACK);
    area.draw(&Text::new(title.to_owned(), (20, 15), text.clone()))?;
    area.draw(&Text::new(
        subtitle.to_owned(),
        (20, 38),
        ("sans-serif", 12)
            .into_font()
            .color(&RGBColor(110, 110, 110)),
    ))?;
    let most = bars.iter().map(|bar| bar.max).fold(0.0, f64::max);
    let x = |value: f64| LEFT + (value / most * f64::from(WIDTH - LEFT - RIGHT)) as i32;
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + BAR * index as i32;
        let middle = y + BAR / 2;
        let colour = if bar.server.starts_with("wharf") {
            OURS_COLOUR
        } else {
            BAR_COLOUR
        };
        area.draw(&Rectangle::new(
            [(LEFT, y + 6), (x(bar.median), y + BAR - 6)],
            colour.filled(),
        ))?;
        area.draw(&PathElement::new(
            [(x(bar.min), middle), (x(bar.max), middle)],
            BLACK,
        ))?;
        let label = text.pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(short(&bar.server), (LEFT - 10, middle), label))?;
        let decimals = if bar.median < 1000.0 { 2 } else { 0 };
        let value = text.pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(
            number(Some(bar.median), decimals),
            (x(bar.max) + 8, middle),
            value,
        ))?;
    }
    area.present()?;
    Ok(())
}

/// Names with directories in them keep their ends.
fn short(server: &str) -> String {
    let length = server.chars().count();
    match length {
        ..=28 => server.into(),
        _ => format!("…{}", server.chars().skip(length - 27).collect::<String>()),
    }
}
