//! Which server, which build of the library, with what in its environment: `wharf/4/2@DIR:WHARF_URING=0`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use bench::Workload;

/// The servers of the other models, and the C source of each: plain Win32 on wharf.
const MODELS: [(&str, &str); 7] = [
    ("select", "model_select"),
    ("wsapoll", "model_wsapoll"),
    ("async-select", "model_async_select"),
    ("event-select", "model_event_select"),
    ("overlapped-events", "model_overlapped_events"),
    ("completion-routines", "model_completion_routines"),
    ("threads", "model_threads"),
];

/// The other servers that can be named.
const NAMES: [&str; 11] = [
    "wharf",
    "safe",
    "wharf-counted",
    "wine",
    "tokio-ct",
    "tokio-mt",
    "epoll",
    "uring",
    "poll",
    "mutex",
    "crossbeam",
];

/// A server as it is asked for; its text form names it in results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerSpec {
    pub name: String,
    pub workers: u32,
    /// The port's concurrency value, if it is not the number of workers.
    pub concurrency: Option<u32>,
    /// Where its libwharf.so is, if not where this checkout builds it.
    pub library: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
}

impl ServerSpec {
    /// wharf with one worker, as built here.
    pub fn wharf() -> Self {
        "wharf".parse().expect("the name is known")
    }

    /// Whether it runs on libwharf.so.
    pub fn is_native_wharf(&self) -> bool {
        matches!(&*self.name, "wharf" | "wharf-counted") || self.model_source().is_some()
    }

    /// Of a model's server, its C source.
    pub fn model_source(&self) -> Option<&'static str> {
        let model = MODELS.iter().find(|(name, _)| *name == self.name);
        model.map(|(_, source)| *source)
    }

    /// Whether it is a C server on Windows' functions.
    pub fn is_win32(&self) -> bool {
        self.is_native_wharf() || self.name == "wine"
    }

    /// Whether it has the workload at all.
    pub fn serves(&self, workload: Workload) -> bool {
        if self.name == "poll" || self.model_source().is_some() {
            return matches!(workload, Workload::Echo | Workload::Idle);
        }
        match workload {
            Workload::Posted => matches!(&*self.name, "wharf" | "wine" | "mutex" | "crossbeam"),
            Workload::SelfPost => matches!(&*self.name, "wharf" | "wine"),
            Workload::Echo => !matches!(&*self.name, "mutex" | "crossbeam"),
            Workload::OneWay | Workload::Churn | Workload::Idle => {
                !matches!(&*self.name, "mutex" | "crossbeam" | "wharf-counted")
            }
            _ if self.name == "safe" => false, // one operation in flight is all it has
            _ => !matches!(&*self.name, "mutex" | "crossbeam" | "wharf-counted"),
        }
    }

    pub fn with_library(mut self, directory: &Path) -> Result<Self> {
        let directory = directory
            .canonicalize()
            .with_context(|| format!("{}", directory.display()))?;
        ensure!(
            directory.join("libwharf.so").exists(),
            "{}: no libwharf.so",
            directory.display()
        );
        self.library = Some(directory);
        Ok(self)
    }

    pub fn with_variable(mut self, variable: &str) -> Result<Self> {
        let (name, value) = variable
            .split_once('=')
            .with_context(|| format!("{variable}: expected NAME=VALUE"))?;
        self.environment.push((name.into(), value.into()));
        Ok(self)
    }
}

impl FromStr for ServerSpec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (text, environment) = text.split_once(':').unwrap_or((text, ""));
        let (text, library) = text.split_once('@').unwrap_or((text, ""));
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let models = MODELS.map(|(name, _)| name);
        if !NAMES.contains(&name) && !models.contains(&name) {
            let names = [&NAMES[..], &models].concat();
            bail!("{name}: no such server; there are {}", names.join(", "));
        }
        let mut number = || {
            parts.next().map(|part| {
                part.parse()
                    .with_context(|| format!("{part}: not a number"))
            })
        };
        let mut spec = Self {
            name: name.into(),
            workers: number().transpose()?.unwrap_or(1),
            concurrency: number().transpose()?,
            library: None,
            environment: Vec::new(),
        };
        if !library.is_empty() {
            spec = spec.with_library(Path::new(library))?;
        }
        for variable in environment
            .split(',')
            .filter(|variable| !variable.is_empty())
        {
            spec = spec.with_variable(variable)?;
        }
        Ok(spec)
    }
}

impl fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.workers != 1 || self.concurrency.is_some() {
            write!(f, "/{}", self.workers)?;
        }
        if let Some(concurrency) = self.concurrency {
            write!(f, "/{concurrency}")?;
        }
        if let Some(library) = &self.library {
            write!(f, "@{}", library.display())?;
        }
        for (index, (name, value)) in self.environment.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_is_written() {
        for text in [
            "wharf",
            "wharf/2",
            "async-select",
            "wharf/4/2",
            "wharf:WHARF_URING=0",
            "tokio-mt/2",
            "wharf/1/1:A=1,B=2",
        ] {
            assert_eq!(text.parse::<ServerSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn unknown_servers_are_refused() {
        assert!("asio".parse::<ServerSpec>().is_err());
        assert!("wharf/x".parse::<ServerSpec>().is_err());
        assert!("wharf@/nowhere".parse::<ServerSpec>().is_err());
    }
}
