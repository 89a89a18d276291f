//! What the runner, the load generator and the peers share.
//!
//! A *workload* has one name for every server ([`Workload`]); a message carries its own proof ([`message`]); CPU time
//! is read in one way ([`cpu`]); and what one window of load showed is one struct ([`Measurement`]).

pub mod cpu;
pub mod measurement;
pub mod message;
pub mod net;
pub mod server;
pub mod workload;

pub use measurement::Measurement;
pub use workload::Workload;
