//! Builds what a run needs: the load generator and peers, the library, the C servers; and knows where each is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::spec::ServerSpec;

/// The directory `bench` of the checkout.
pub fn bench() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn root() -> &'static Path {
    bench().parent().expect("bench is inside the project")
}

/// A program of this workspace.
pub fn program(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Where the library of this checkout is built.
pub fn library_directory() -> PathBuf {
    root().join("target/release")
}

/// A C server; with the extension `exe`, for Wine.
pub fn c_server(name: &str) -> PathBuf {
    bench().join("target/servers").join(name)
}

/// The Wine prefix of the benchmark.
pub fn wine_prefix() -> PathBuf {
    bench().join("target/wine")
}

/// Builds everything `servers` need.
pub fn everything(servers: &[&ServerSpec]) -> Result<()> {
    cargo(bench(), &["--bins"])?;
    cargo(root(), &["-p", "wharf-capi"])?;
    std::fs::create_dir_all(c_server(""))?;
    for source in c_sources("peers")? {
        build_peer(&source)?;
    }
    for source in c_sources("servers")? {
        build_native(&source)?;
        if servers.iter().any(|server| server.name == "wine") {
            build_for_wine(&source)?;
        }
    }
    Ok(())
}

fn c_sources(directory: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(bench().join(directory))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let is_c = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "c");
    paths
        .filter(|path| path.as_ref().map_or(true, is_c))
        .collect()
}

/// A peer in C: without the library and its headers.
fn build_peer(source: &Path) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-Wall"]).arg(source);
    gcc.arg("-o").arg(c_server(stem(source)));
    run(&mut gcc)
}

fn cargo(directory: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo")
        .current_dir(directory)
        .args(["build", "--release", "--quiet"])
        .args(arguments))
}

fn build_native(source: &Path) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-Wall", "-I"])
        .arg(root().join("crates/wharf-capi/include"))
        .arg(source);
    gcc.arg("-o").arg(c_server(stem(source)));
    gcc.arg("-L")
        .arg(library_directory())
        .args(["-lwharf", "-lpthread"]);
    run(&mut gcc)
}

fn build_for_wine(source: &Path) -> Result<()> {
    let mut gcc = Command::new("x86_64-w64-mingw32-gcc");
    gcc.args(["-O2", "-Wall", "-static"]).arg(source);
    gcc.arg("-o")
        .arg(c_server(stem(source)).with_extension("exe"));
    gcc.args(["-lws2_32", "-lpthread"]); // the latter for clock_gettime
    run(&mut gcc)
}

fn stem(source: &Path) -> &str {
    source
        .file_stem()
        .and_then(|stem| stem.to_str())
        .expect("our own file names")
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
