//! Threads, and how they wait.

pub mod critical_section;
pub mod escape;
pub mod parker;
pub mod pool;
pub mod thread;
pub mod wait;
