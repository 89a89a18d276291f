//! The interleaved run: every cell once per round, so that whatever drifts drifts for all.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bench::cpu;
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
    if schedule.no_build {
        ensure!(
            build::c_server("").is_dir(),
            "nothing was built here before: leave out --no-build"
        );
    } else {
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
        for group in groups(cells, schedule) {
            bar.set_message(group[0].1.to_string());
            results.samples.extend(quietest(group, round, schedule));
            bar.inc(group.len() as u64);
        }
        results.write(&out)?;
    }
    bar.finish_and_clear();
    eprintln!("results: {}", out.display());
    Ok(results)
}

/// What is sampled at once: with slices the cells of one point that can take turns, otherwise each cell.
fn groups<'a>(cells: &'a [Cell], schedule: &Schedule) -> impl Iterator<Item = &'a [Cell]> {
    let sliced = schedule.slice_ms > 0;
    cells.chunk_by(move |(_, point), (_, next)| sliced && point == next && point.can_take_turns())
}

/// Samples `group` until the machine was quiet, a few times at most; the least disturbed attempt stays.
fn quietest(group: &[Cell], round: u32, schedule: &Schedule) -> Vec<Sample> {
    let mut best = Vec::new();
    for attempt in 1..=schedule.retries + 1 {
        wait_for_quiet(schedule);
        let next = attempt_once(group, round, schedule);
        if best.is_empty() || disturbance(&next) < disturbance(&best) {
            best = next;
        }
        best.iter_mut().for_each(|sample| sample.attempts = attempt);
        if best
            .iter()
            .all(|sample| sample.error.is_none() && !sample.disturbed)
        {
            break;
        }
    }
    best
}

/// Waits until nobody else uses the machine, but not for ever.
fn wait_for_quiet(schedule: &Schedule) {
    const LOOK: Duration = Duration::from_millis(200);
    let deadline = Instant::now() + Duration::from_secs_f64(schedule.quiet_wait_seconds);
    while Instant::now() < deadline {
        let before = cpu::busy_seconds().unwrap_or(0.0);
        std::thread::sleep(LOOK);
        let busy = cpu::busy_seconds().unwrap_or(0.0) - before;
        if busy / LOOK.as_secs_f64() <= schedule.foreign_cpus_max {
            return;
        }
    }
}

fn attempt_once(group: &[Cell], round: u32, schedule: &Schedule) -> Vec<Sample> {
    let taken = match group {
        [cell] => Ok(vec![sample::take(cell, schedule.seconds)]),
        _ => sample::take_in_turns(group, schedule.seconds, schedule.slice_ms, round as usize),
    };
    // What failed for all failed for each.
    let taken =
        taken.unwrap_or_else(|error| group.iter().map(|_| Err(anyhow!("{error:#}"))).collect());
    let sample = |(cell, taken): (&Cell, Result<sample::Figures>)| {
        let (figures, error) = match taken {
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
    };
    group.iter().zip(taken).map(sample).collect()
}

/// How much others used the machine; an error is worse than any disturbance.
fn disturbance(samples: &[Sample]) -> f64 {
    let of_sample = |sample: &Sample| match sample.error {
        Some(_) => f64::INFINITY,
        None => sample.figures.get("foreign_cpus").copied().unwrap_or(0.0),
    };
    samples.iter().map(of_sample).sum()
}

fn results_file(schedule: &Schedule, machine: &Machine) -> Result<PathBuf> {
    if let Some(out) = &schedule.out {
        return Ok(out.clone());
    }
    let directory = build::bench().join("results");
    std::fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
    Ok(directory.join(format!("{}.json", machine.taken_at.replace(':', ""))))
}
