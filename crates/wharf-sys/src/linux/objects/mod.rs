//! What is behind a handle.

pub mod handle;
pub mod name;
pub mod notification;
pub mod object;
pub mod place;
pub mod slab;
pub mod timer;
