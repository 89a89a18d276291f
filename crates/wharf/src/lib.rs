//! Completion ports in safe Rust.
