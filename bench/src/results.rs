//! Results: samples with their machine, in a JSON file. Every figure carries its unit in its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// One run of one server at one point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub server: String,
    pub point: String,
    pub round: u32,
    /// How often it was taken until the machine was quiet, or patience ended.
    pub attempts: u32,
    /// Others used more CPU than allowed even in the attempt that was kept.
    pub disturbed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which of the files read it comes from.
    #[serde(skip)]
    pub file: usize,
    #[serde(flatten)]
    pub figures: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub samples: Vec<Sample>,
}

impl Results {
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
    }

    /// The samples of all `files`, as of the machine of the last one.
    pub fn read_all(files: &[PathBuf]) -> Result<Self> {
        let mut samples = Vec::new();
        let mut machine = None;
        for (index, file) in files.iter().enumerate() {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("could not read {}", file.display()))?;
            let mut results: Self =
                serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
            results
                .samples
                .iter_mut()
                .for_each(|sample| sample.file = index);
            samples.extend(results.samples);
            machine = Some(results.machine);
        }
        Ok(Self {
            machine: machine.context("no files")?,
            samples,
        })
    }

    /// The samples of `server` at `point` that count, in the order of their rounds: those without an error, and those
    /// that others disturbed only if there are no others.
    pub fn of<'a>(&'a self, server: &'a str, point: &'a str) -> impl Iterator<Item = &'a Sample> {
        let fits = move |sample: &&Sample| {
            sample.server == server && sample.point == point && sample.error.is_none()
        };
        let all_are_disturbed = self
            .samples
            .iter()
            .filter(fits)
            .all(|sample| sample.disturbed);
        let counts = move |sample: &&Sample| all_are_disturbed || !sample.disturbed;
        self.samples.iter().filter(fits).filter(counts)
    }

    /// All values of one figure.
    pub fn values(&self, server: &str, point: &str, figure: &str) -> Vec<f64> {
        self.of(server, point)
            .filter_map(|sample| sample.figures.get(figure).copied())
            .collect()
    }

    /// The ratios of one figure between two servers (or points), one for each round of a file that has both. Within a
    /// round the two are neighbours in time, so what slows the machine for minutes slows both.
    pub fn ratios(&self, of: (&str, &str), to: (&str, &str), figure: &str) -> Vec<f64> {
        let ratio = |sample: &Sample| {
            let same_round =
                |other: &&Sample| other.round == sample.round && other.file == sample.file;
            let base = self.of(to.0, to.1).find(same_round)?;
            Some(sample.figures.get(figure)? / base.figures.get(figure)?)
        };
        self.of(of.0, of.1).filter_map(ratio).collect()
    }

    /// The median of one figure.
    pub fn median(&self, server: &str, point: &str, figure: &str) -> Option<f64> {
        median(self.values(server, point, figure))
    }
}

/// The median; of an even number of values, the mean of the middle two.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
