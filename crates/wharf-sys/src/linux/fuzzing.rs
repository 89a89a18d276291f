//! What the fuzz targets in `fuzz/` reach: the readers of what programs pass.

pub use super::abi::readiness::{read_set, write_sets};
pub use super::address::{Address, Family};
pub use super::endpoint::{parse, print};
pub use super::text::{inet_addr, inet_ntoa, inet_ntop, inet_pton, octets_len};
