//! How operations progress: requests and their directions, attempts, completion, ports.

pub mod batch;
pub mod cancel;
pub mod company;
pub mod completion;
pub mod deferral;
pub mod direction;
pub mod dispatch;
pub mod drive;
pub mod helper;
pub mod lookout;
pub mod operation;
pub mod port;
pub mod reactor;
pub mod request;
pub mod socket_wait;
pub mod synchronous;
