//! The runner: servers × points, interleaved, on one machine; results to a file; tables and plots from files.

mod build;
mod idle_calls;
mod machine;
mod plot;
mod point;
mod print;
mod results;
mod rounds;
mod sample;
mod spec;
mod table;
mod targets;
mod tried;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use point::Point;
use results::Results;
use spec::ServerSpec;

#[derive(Parser)]
#[command(
    about = "wharf beside its peers: measure, print, plot",
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare servers of your choice at points of your choice.
    Run(RunArguments),
    /// Measure and print the targets.
    Table(TableArguments),
    /// Draw what was measured before, an SVG per point.
    Plot {
        /// Result files; several are taken together.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to.
        #[arg(long, default_value = "plots")]
        out: PathBuf,
    },
    /// Print what was measured before.
    Show {
        /// Result files; several are taken together.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Args)]
struct RunArguments {
    /// NAME[/WORKERS[/CONCURRENCY]][@LIBRARY_DIRECTORY][:VARIABLE=VALUE,…]; names: wharf, wine, tokio-ct, tokio-mt,
    /// epoll, uring; for posted packets mutex, crossbeam; wharf-counted counts running workers.
    #[arg(long = "server", value_name = "SERVER", default_values = ["tokio-ct", "epoll", "uring", "wharf"])]
    servers: Vec<ServerSpec>,
    /// WORKLOAD:CONNECTIONSxBYTES[,option…]; options: depth=N, both (both CPUs), first, stall-every=N,
    /// stall-compute-ms=N, stall-block-ms=N, compute-us=N.
    #[arg(long = "point", value_name = "POINT", default_values = ["echo:64x64"])]
    points: Vec<Point>,
    /// Adds wharf with the libwharf.so of this directory, for comparing builds.
    #[arg(long = "lib", value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// Adds wharf with this variable in its environment.
    #[arg(long = "env", value_name = "K=V")]
    variables: Vec<String>,
    #[command(flatten)]
    schedule: Schedule,
}

#[derive(Args)]
struct TableArguments {
    /// Only these rows, or families of rows: `echo` is `echo-64` and others.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    rows: Vec<String>,
    /// List the rows.
    #[arg(long)]
    list: bool,
    /// Measure nothing; print the rows from these results, taken together.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Use this directory's libwharf.so.
    #[arg(long = "lib", value_name = "DIR")]
    library: Option<PathBuf>,
    /// In the environment of all of wharf's servers.
    #[arg(long = "env", value_name = "K=V")]
    variables: Vec<String>,
    #[command(flatten)]
    schedule: Schedule,
}

/// How often, how long, and where to.
#[derive(Args)]
struct Schedule {
    /// Every server and point once per round, in turn.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// The window of each sample.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// CPUs used by others above which a sample is taken again.
    #[arg(long, default_value_t = 0.15)]
    foreign_cpus_max: f64,
    /// How often it is taken again; the least disturbed one stays.
    #[arg(long, default_value_t = 2)]
    retries: u32,
    /// Before each sample wait up to so long for a quiet machine.
    #[arg(long, default_value_t = 5.0)]
    quiet_wait_seconds: f64,
    /// Servers at one point run at once and their clients take turns of so many milliseconds (0: one sample after the
    /// other). What slows the machine for a second then slows all that are compared.
    #[arg(long, default_value_t = 0)]
    slice_ms: u64,
    /// Where the results go; by default a new file in bench/results.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Use what was built before.
    #[arg(long)]
    no_build: bool,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(arguments) => run(arguments),
        Command::Table(arguments) => table(&arguments),
        Command::Plot { files, out } => {
            let drawn = plot::draw(&Results::read_all(&files)?, &out)?;
            println!("{} plots in {}", drawn.len(), out.display());
            Ok(())
        }
        Command::Show { files } => {
            print::comparison(&Results::read_all(&files)?);
            Ok(())
        }
    }
}

fn run(mut arguments: RunArguments) -> Result<()> {
    for directory in &arguments.libraries {
        arguments
            .servers
            .push(ServerSpec::wharf().with_library(directory)?);
    }
    for variable in &arguments.variables {
        arguments
            .servers
            .push(ServerSpec::wharf().with_variable(variable)?);
    }
    let cells = cells(&arguments.servers, &arguments.points);
    let results = rounds::measure(&cells, &arguments.schedule)?;
    print::comparison(&results);
    Ok(())
}

fn table(arguments: &TableArguments) -> Result<()> {
    let adjust = |mut server: ServerSpec| {
        if let Some(directory) = &arguments.library {
            server = server.with_library(directory)?;
        }
        let variables = &mut arguments.variables.iter();
        variables.try_fold(server, |server, variable| server.with_variable(variable))
    };
    let rows = targets::rows(&arguments.rows, adjust)?;
    if arguments.list {
        rows.iter()
            .for_each(|row| println!("{:18} {}", row.name, row.title));
        return Ok(());
    }
    let results = match arguments.from.is_empty() {
        true => rounds::measure(&targets::cells(&rows), &arguments.schedule)?,
        false => Results::read_all(&arguments.from)?,
    };
    table::print(&rows, &results);
    Ok(())
}

/// One server at one point.
type Cell = (ServerSpec, Point);

fn cells(servers: &[ServerSpec], points: &[Point]) -> Vec<Cell> {
    let at = |point: &Point| {
        servers
            .iter()
            .map(|server| (server.clone(), point.clone()))
            .collect::<Vec<_>>()
    };
    points.iter().flat_map(at).collect()
}
