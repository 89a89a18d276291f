//! Message queues and windows, without a display.

pub mod message;
pub mod window;
