//! Completion ports in safe Rust, on Linux and on Windows' own ports.
//!
//! This version offers the port itself as a queue between threads: packets in, threads out, first in first out for
//! packets, last in first out for threads, and no more threads at once than the port allows. Sockets and
//! operations that own their buffers follow; until then `wharf-sys` has the raw functions.
//!
//! ```
//! use wharf::{CompletionPort, Packet};
//!
//! let port = CompletionPort::new(2)?;
//! std::thread::scope(|scope| {
//!     let worker = scope.spawn(|| port.take(None));
//!     port.post(Packet { key: 7, bytes: 512, token: 0xC0FFEE })?;
//!     let packet = worker.join().expect("the worker does not panic")?;
//!     assert_eq!(packet, Some(Packet { key: 7, bytes: 512, token: 0xC0FFEE }));
//!     Ok::<_, wharf::Error>(())
//! })?;
//! # Ok::<_, wharf::Error>(())
//! ```

mod error;
mod port;

pub use error::Error;
pub use port::{CompletionPort, Packet};
