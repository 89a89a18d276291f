//! The edge: Windows' functions, grouped as in Microsoft's headers.
//!
//! Every function does the same: checks and turns raw arguments into types, calls inward, turns the result back.
//! There are no decisions here, and inward of here there are no raw handles and no DWORDs.

mod address_list;
pub mod addrinfoex;
pub mod async_database;
mod block;
pub mod blocking;
pub mod connection;
pub mod control;
pub mod datagram;
pub mod descriptor;
pub mod handle;
pub mod hosts;
pub mod inet;
pub mod ioapi;
pub mod lookup;
pub mod message;
pub mod mswsock;
pub mod multipoint;
pub mod name_spaces;
pub mod object;
mod pieces;
pub mod protocols;
pub mod provider;
pub mod readiness;
pub mod services;
pub mod synch;
pub mod sysinfo;
pub mod text;
pub mod thread;
pub mod timer;
pub mod transfer;
pub mod user;
pub mod winsock2;
pub mod ws2tcpip;

/// The functions with names and addresses as text, for any width of a unit: what A and W forms share.
pub mod in_units {
    pub use super::addrinfoex::{Asynchronous, get_addr_info_ex};
    pub use super::hosts::host_name;
    pub use super::inet::{address_to_string, ntop, pton, string_to_address};
    pub use super::lookup::{begin as begin_lookup, next as next_of_lookup};
    pub use super::name_spaces::{
        enumerate as enum_name_spaces, enumerate_ex as enum_name_spaces_ex,
    };
    pub use super::services::{
        class_info, class_name, install as install_class, set as set_service,
    };
    pub use super::text::Unit;
    pub use super::ws2tcpip::{get_addr_info, get_name_info};
}

use std::time::{Duration, Instant};

use windows_sys::Win32::System::Threading::INFINITE;

use super::status::Status;
use crate::platform::threads::parker::Deadline;

/// The moment `milliseconds` from now; `INFINITE`: never.
fn deadline(milliseconds: u32) -> Deadline {
    (milliseconds != INFINITE)
        .then(|| Instant::now() + Duration::from_millis(u64::from(milliseconds)))
}

/// Stores `value` where `out` points, if it points anywhere.
///
/// # Safety
/// `out` is null or valid for writes.
unsafe fn store<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, so valid by the caller's promise; C callers may pass it unaligned.
        unsafe { out.write_unaligned(value) };
    }
}

/// The structure at a pointer.
///
/// # Safety
/// `pointer` is null or valid for reads.
unsafe fn read<T: Copy>(pointer: *const T) -> Result<T, Status> {
    if pointer.is_null() {
        return Err(Status::ACCESS_VIOLATION);
    }
    // SAFETY: not null, so valid by the caller's promise; C callers may pass it unaligned.
    Ok(unsafe { pointer.read_unaligned() })
}
