//! The interleaved run: every cell once per round, so that whatever drifts drifts for all.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::machine::Machine;
use crate::results::{Results, Sample};
use crate::{Cell, Schedule, build, sample};

/// Measures all `cells` and writes the results after each round.
pub fn measure(cells: &[Cell], schedule: &Schedule) -> Result<Results> {
    ensure!(
        std::thread::available_parallelism()?.get() >= 2,
        "server and load generator need a CPU each"
    );
    if !schedule.no_build {
        build::everything(&cells.iter().map(|(server, _)| server).collect::<Vec<_>>())?;
    }
    bench::net::raise_descriptor_limit()?;
    let mut results = Results {
        machine: Machine::this(),
        samples: Vec::new(),
    };
    let out = results_file(schedule, &results.machine)?;
    let bar = ProgressBar::new(cells.len() as u64 * u64::from(schedule.rounds));
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {elapsed}, {eta} to go: {msg}",
    )?);
    for round in 0..schedule.rounds {
        for cell in cells {
            bar.set_message(format!("{} at {}", cell.0, cell.1));
            results.samples.push(quietest(cell, round, schedule));
            bar.inc(1);
        }
        results.write(&out)?;
    }
    bar.finish_and_clear();
    eprintln!("results: {}", out.display());
    Ok(results)
}

/// Takes the sample until the machine was quiet, a few times at most; the least disturbed attempt stays.
fn quietest(cell: &Cell, round: u32, schedule: &Schedule) -> Sample {
    let mut best: Option<Sample> = None;
    for attempt in 1..=schedule.retries + 1 {
        let mut next = attempt_once(cell, round, schedule);
        if best
            .as_ref()
            .is_none_or(|best| disturbance(&next) < disturbance(best))
        {
            best = Some(next.clone());
        }
        next.attempts = attempt;
        if let Some(best) = &mut best {
            best.attempts = attempt;
        }
        if next.error.is_none() && !next.disturbed {
            break;
        }
    }
    best.expect("there is at least one attempt")
}

fn attempt_once(cell: &Cell, round: u32, schedule: &Schedule) -> Sample {
    let (figures, error) = match sample::take(cell, schedule.seconds) {
        Ok(figures) => (figures, None),
        Err(error) => (sample::Figures::new(), Some(format!("{error:#}"))),
    };
    let foreign = figures.get("foreign_cpus").copied().unwrap_or(0.0);
    Sample {
        server: cell.0.to_string(),
        point: cell.1.to_string(),
        round,
        attempts: 1,
        disturbed: foreign > schedule.foreign_cpus_max,
        error,
        file: 0,
        figures,
    }
}

/// An error is worse than any disturbance.
fn disturbance(sample: &Sample) -> f64 {
    match sample.error {
        Some(_) => f64::INFINITY,
        None => sample.figures.get("foreign_cpus").copied().unwrap_or(0.0),
    }
}

fn results_file(schedule: &Schedule, machine: &Machine) -> Result<PathBuf> {
    if let Some(out) = &schedule.out {
        return Ok(out.clone());
    }
    let directory = build::bench().join("results");
    std::fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
    Ok(directory.join(format!("{}.json", machine.taken_at.replace(':', ""))))
}
