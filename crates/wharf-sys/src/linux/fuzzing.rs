//! What the fuzz targets in `fuzz/` reach: the readers of what programs pass.

pub use super::abi::readiness::{read_set, write_sets};
pub use crate::platform::names::endpoint::{parse, print};
pub use crate::platform::names::text::{inet_addr, inet_ntoa, inet_ntop, inet_pton, octets_len};
pub use crate::platform::sockets::address::{Address, Family};
