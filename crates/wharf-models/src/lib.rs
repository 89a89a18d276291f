//! Models of the engine's protocols (`docs/engine-protocol.md`), explored by loom.
//!
//! The state machines are not copied by hand: `build.rs` takes `dispatch.rs`, `direction.rs` and `parker.rs` from
//! `wharf-sys` as they are. The models supply what surrounds them, small enough to be explored: the locks, an
//! epoll set with its coalescing eventfd, a futex, a socket's buffer, and time, which may run out at any moment.
//!
//! - `tests/models.rs`: the races of the protocol, each in every interleaving up to a bound.
//! - `tests/seeded.rs`: the same models with one bug put in, which they must find.
//! - `tests/reference.rs`: random transitions against the plain rules of completion ports.
//!
//! `cargo test --release -p wharf-models` explores the bounds stated at each model;
//! `WHARF_LOOM_PREEMPTIONS=4` explores more (`none`: without a bound).
