//! The Windows function set: Winsock 2, I/O completion ports and what servers use around them.
//!
//! On Windows these functions are the operating system's; on Linux they are this crate's. The signatures,
//! types and constants are those of [`windows-sys`](https://docs.rs/windows-sys) on both.
#![allow(non_snake_case)] // Windows' names

#[cfg(not(any(windows, target_os = "linux")))]
compile_error!("wharf-sys is for Linux, and for Windows, where it is a list of re-exports");

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod functions;
mod types;

#[cfg(windows)]
#[path = "windows.rs"]
mod platform;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod platform;

pub use platform::*;
pub use types::*;
