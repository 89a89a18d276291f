//! A point: a workload with its parameters, `echo:64x64` or `send-then-compute:32x64,both,stall-every=20000,…`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use bench::Workload;
use clap::ValueEnum;

/// What the clients do, and where everything runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub workload: Workload,
    /// Connections; for `posted`, threads that post.
    pub connections: u32,
    pub message_bytes: u32,
    pub options: Options,
}

/// What is not at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Options {
    /// The server may use both CPUs and the load generator any; otherwise they have one each.
    pub both: bool,
    /// The load generator runs on its CPU before everybody else.
    pub first: bool,
    /// Count the server's system calls with strace while the clients idle.
    pub strace: bool,
    /// Handed to the load generator: `--name value`.
    pub load: Vec<(String, u64)>,
}

/// Options that the load generator knows.
const LOAD_OPTIONS: [&str; 5] = [
    "depth",
    "stall-every",
    "stall-compute-ms",
    "stall-block-ms",
    "compute-us",
];

impl FromStr for Point {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = || format!("{text}: expected WORKLOAD:CONNECTIONSxBYTES[,option…]");
        let (workload, rest) = text.split_once(':').with_context(expected)?;
        let mut parts = rest.split(',');
        let (connections, message_bytes) = parts
            .next()
            .and_then(|size| size.split_once('x'))
            .with_context(expected)?;
        Ok(Self {
            workload: Workload::from_str(workload, false)
                .map_err(|error| anyhow::anyhow!("{workload}: {error}"))?,
            connections: connections.parse().with_context(expected)?,
            message_bytes: message_bytes.parse().with_context(expected)?,
            options: Options::from_parts(parts)?,
        })
    }
}

impl Point {
    /// Whether its clients can pause: a closed loop, and no measuring of what happens in between.
    pub fn can_take_turns(&self) -> bool {
        use Workload::*;
        matches!(
            self.workload,
            Echo | RequestTwoSends | TwoReceives | SendThenCompute | UdpEcho | UdpRelay
        ) && !self.options.first
    }
}

impl Options {
    fn from_parts<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut options = Self::default();
        for part in parts {
            match (part, part.split_once('=')) {
                ("both", _) => options.both = true,
                ("first", _) => options.first = true,
                ("strace", _) => options.strace = true,
                (_, Some((name, value))) if LOAD_OPTIONS.contains(&name) => {
                    let value = value
                        .parse()
                        .with_context(|| format!("{part}: not a number"))?;
                    options.load.push((name.into(), value));
                }
                _ => bail!("{part}: no such option"),
            }
        }
        Ok(options)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{}:{}x{}",
            self.workload.name(),
            self.connections,
            self.message_bytes
        )?;
        let flags = [
            (self.options.both, "both"),
            (self.options.first, "first"),
            (self.options.strace, "strace"),
        ];
        for (_, name) in flags.iter().filter(|(on, _)| *on) {
            write!(f, ",{name}")?;
        }
        for (name, value) in &self.options.load {
            write!(f, ",{name}={value}")?;
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
            "echo:64x64",
            "two-receives:8x64,depth=2",
            "send-then-compute:32x64,both,first,stall-every=20000",
        ] {
            assert_eq!(text.parse::<Point>().unwrap().to_string(), text);
        }
        assert!("echo:64".parse::<Point>().is_err());
        assert!("echo:64x64,fast".parse::<Point>().is_err());
    }
}
