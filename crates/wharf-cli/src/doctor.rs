//! The doctor: what the engine finds on this machine, and what to do about it.
//!
//! The engine reports its own findings; what is added here is what they mean to somebody who runs a server.

use std::env;
use std::io::{self, Write};

use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use wharf_sys::Findings;

use crate::output::{BAD, DOUBTFUL, GOOD, Report, grouped};

/// A server with fewer descriptors than this meets its limit early.
const DESCRIPTORS_COMFORTABLE: u64 = 10_000;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// The findings, most important first.
    pub checks: Vec<Check>,
    /// Release of the running kernel.
    kernel: String,
    /// The oldest kernel the engine runs on.
    kernel_minimum: &'static str,
    /// Whether the running kernel is new enough.
    kernel_new_enough: bool,
    /// Whether the engine uses io_uring.
    io_uring: bool,
    /// Why it does, or does not.
    io_uring_reason: String,
    /// Descriptors a process may open now.
    descriptors_soft: u64,
    /// How far a process may raise that by itself.
    descriptors_hard: u64,
    /// Bytes a process may lock in memory; none: no limit.
    memlock_bytes: Option<u64>,
    /// CPUs this process may use.
    cpus: usize,
    /// Variables of the environment that change what the engine does.
    environment: Vec<(String, String)>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub subject: &'static str,
    /// What is the case.
    pub finding: String,
    /// What that means.
    pub verdict: Verdict,
    /// What to do, where something can be done.
    pub remedy: Option<String>,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// The engine runs, but could do better.
    Doubtful,
    /// The engine does not run.
    Bad,
}

/// Looks at this machine.
pub fn examine() -> Diagnosis {
    diagnose(
        wharf_sys::doctor(),
        getrlimit(Resource::Memlock).current,
        variables(),
    )
}

/// Draws the conclusions.
fn diagnose(
    findings: Findings,
    memlock_bytes: Option<u64>,
    environment: Vec<(String, String)>,
) -> Diagnosis {
    let mut checks = vec![
        check_kernel(&findings),
        check_io_uring(&findings),
        check_descriptors(&findings),
        check_memlock(&findings, memlock_bytes),
        check_cpus(findings.cpus),
    ];
    checks.extend(
        environment
            .iter()
            .map(|(name, value)| check_variable(name, value)),
    );
    Diagnosis {
        checks,
        kernel: findings.kernel,
        kernel_minimum: findings.kernel_minimum,
        kernel_new_enough: findings.kernel_new_enough,
        io_uring: findings.io_uring,
        io_uring_reason: findings.io_uring_reason,
        descriptors_soft: findings.descriptors_soft,
        descriptors_hard: findings.descriptors_hard,
        memlock_bytes,
        cpus: findings.cpus,
        environment,
    }
}

impl Diagnosis {
    /// Whether the engine runs here at all.
    pub fn runs_here(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict != Verdict::Bad)
    }
}

fn check_kernel(findings: &Findings) -> Check {
    let finding = format!(
        "{} ({} or newer is needed)",
        findings.kernel, findings.kernel_minimum
    );
    if findings.kernel_new_enough {
        return Check::good("kernel", finding);
    }
    let remedy = format!("boot a kernel {} or newer", findings.kernel_minimum);
    Check {
        verdict: Verdict::Bad,
        remedy: Some(remedy),
        ..Check::good("kernel", finding)
    }
}

fn check_io_uring(findings: &Findings) -> Check {
    if findings.io_uring {
        return Check::good("io_uring", "in use".to_string());
    }
    let remedy = "all works without it, with more system calls; it needs kernel.io_uring_disabled=0, WHARF_URING not 0, \
                  and a container's seccomp profile that allows io_uring_setup";
    Check::doubtful(
        "io_uring",
        format!("not in use: {}", findings.io_uring_reason),
        remedy,
    )
}

fn check_descriptors(findings: &Findings) -> Check {
    let Findings {
        descriptors_soft: soft,
        descriptors_hard: hard,
        ..
    } = *findings;
    let finding = format!(
        "{} now, {} at most; each connection takes one",
        amount(soft),
        amount(hard)
    );
    if soft >= DESCRIPTORS_COMFORTABLE {
        Check::good("descriptors", finding)
    } else if hard >= DESCRIPTORS_COMFORTABLE {
        Check::doubtful(
            "descriptors",
            finding,
            "before starting a server: ulimit -n $(ulimit -Hn)",
        )
    } else {
        let remedy =
            "raise the hard limit: LimitNOFILE= of a systemd unit, --ulimit nofile= of a container";
        Check::doubtful("descriptors", finding, remedy)
    }
}

fn check_memlock(findings: &Findings, memlock_bytes: Option<u64>) -> Check {
    let finding = memlock_bytes.map_or("no limit".to_string(), |bytes| {
        format!("{} KiB", grouped(bytes >> 10))
    });
    let counts_rings = kernel_version(&findings.kernel).is_some_and(|version| version < (5, 12));
    if counts_rings && memlock_bytes.is_some_and(|bytes| bytes < 1 << 20) {
        let remedy =
            "kernels before 5.12 take io_uring's memory from this limit: raise it (ulimit -l 8192)";
        return Check::doubtful("locked memory", finding, remedy);
    }
    Check::good("locked memory", finding)
}

fn check_cpus(cpus: usize) -> Check {
    Check::good(
        "CPUs",
        format!("{cpus} usable; a port created with concurrency 0 runs that many threads at once"),
    )
}

fn check_variable(name: &str, value: &str) -> Check {
    Check::doubtful(
        "environment",
        format!("{name}={value}"),
        format!("it changes the engine; to be rid of it: unset {name}"),
    )
}

impl Check {
    fn good(subject: &'static str, finding: String) -> Check {
        Check {
            subject,
            finding,
            verdict: Verdict::Good,
            remedy: None,
        }
    }

    fn doubtful(subject: &'static str, finding: String, remedy: impl Into<String>) -> Check {
        Check {
            subject,
            finding,
            verdict: Verdict::Doubtful,
            remedy: Some(remedy.into()),
        }
    }
}

impl Report for Diagnosis {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for check in &self.checks {
            let (colour, mark) = match check.verdict {
                Verdict::Good => (GOOD, "ok"),
                Verdict::Doubtful => (DOUBTFUL, "!"),
                Verdict::Bad => (BAD, "no"),
            };
            writeln!(
                out,
                "{colour}{mark:>4}{colour:#}  {:<14} {}",
                check.subject, check.finding
            )?;
            if let Some(remedy) = &check.remedy {
                writeln!(out, "      {:<14} -> {remedy}", "")?;
            }
        }
        if self.runs_here() {
            writeln!(out, "\nThe engine runs here. Try it: wharf demo")
        } else {
            writeln!(out, "\n{BAD}The engine does not run here.{BAD:#}")
        }
    }
}

/// The variables that the engine looks at.
fn variables() -> Vec<(String, String)> {
    let mut variables: Vec<_> = env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .filter(|(name, _)| name.starts_with("WHARF_"))
        .collect();
    variables.sort();
    variables
}

/// Major and minor number of a kernel's release.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn amount(limit: u64) -> String {
    if limit == u64::MAX {
        "no limit".to_string()
    } else {
        grouped(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        Findings {
            kernel: "6.18.44-generic".to_string(),
            kernel_minimum: "5.10",
            kernel_new_enough: true,
            io_uring: true,
            io_uring_reason: String::new(),
            descriptors_soft: 20_000,
            descriptors_hard: 20_000,
            cpus: 2,
        }
    }

    fn doubts(findings: Findings, memlock_bytes: Option<u64>) -> Vec<&'static str> {
        let diagnosis = diagnose(findings, memlock_bytes, Vec::new());
        assert!(diagnosis.runs_here());
        let doubtful = diagnosis
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Doubtful);
        doubtful.map(|check| check.subject).collect()
    }

    #[test]
    fn a_good_machine_needs_nothing() {
        assert!(doubts(findings(), Some(8 << 20)).is_empty());
    }

    #[test]
    fn without_io_uring_the_engine_still_runs() {
        let reason = "refused by seccomp".to_string();
        assert_eq!(
            doubts(
                Findings {
                    io_uring: false,
                    io_uring_reason: reason,
                    ..findings()
                },
                None
            ),
            ["io_uring"]
        );
    }

    #[test]
    fn an_old_kernel_is_fatal() {
        let old = Findings {
            kernel: "4.4.0".to_string(),
            kernel_new_enough: false,
            ..findings()
        };
        assert!(!diagnose(old, None, Vec::new()).runs_here());
    }

    #[test]
    fn few_descriptors_get_a_remedy_that_fits() {
        let remedy = |soft, hard| {
            check_descriptors(&Findings {
                descriptors_soft: soft,
                descriptors_hard: hard,
                ..findings()
            })
            .remedy
        };
        assert!(
            remedy(1_024, 1 << 20)
                .expect("a remedy")
                .contains("ulimit -n")
        );
        assert!(
            remedy(1_024, 4_096)
                .expect("a remedy")
                .contains("hard limit")
        );
        assert_eq!(remedy(1 << 20, 1 << 20), None);
    }

    #[test]
    fn locked_memory_matters_to_old_kernels_only() {
        let old = Findings {
            kernel: "5.10.0-8".to_string(),
            ..findings()
        };
        assert_eq!(doubts(old, Some(64 << 10)), ["locked memory"]);
        assert!(doubts(findings(), Some(64 << 10)).is_empty());
    }

    #[test]
    fn a_variable_in_force_is_named() {
        let environment = vec![("WHARF_URING".to_string(), "0".to_string())];
        let diagnosis = diagnose(findings(), None, environment);
        assert!(
            diagnosis
                .checks
                .iter()
                .any(|check| check.finding == "WHARF_URING=0")
        );
    }
}
