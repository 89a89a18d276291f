//! What the numbers were taken on.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::build;

/// Machine, kernel and commit of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cpus: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub commit: String,
    /// Tracked files differed from the commit.
    pub modified: bool,
    pub taken_at: String,
}

impl Machine {
    pub fn this() -> Self {
        let cpu_info = read("/proc/cpuinfo");
        let processor = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or_default();
        let memory = read("/proc/meminfo");
        let memory_kib = memory
            .split_whitespace()
            .nth(1)
            .and_then(|field| field.parse().ok())
            .unwrap_or(0.0);
        Self {
            processor: processor.trim_start_matches([' ', '\t', ':']).to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: f64::round(memory_kib / 1024.0 / 1024.0 * 10.0) / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: output("git", &["rev-parse", "--short", "HEAD"]),
            modified: !output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty(),
            taken_at: output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What `program` prints, in the checkout; nothing if it fails.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(build::bench())
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
