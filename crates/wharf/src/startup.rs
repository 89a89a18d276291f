//! Winsock is started once, before the process's first socket, and stays so.

use std::sync::OnceLock;

use wharf_sys::{WSADATA, WSAStartup};

use crate::Error;

/// Version 2.2, as WSAStartup wants it.
const VERSION: u16 = 0x0202;

/// Starts the library, if this is the first call.
///
/// There is no counterpart: WSACleanup would close the sockets of everyone in the process.
pub(crate) fn ensure() -> Result<(), Error> {
    static STARTED: OnceLock<Result<(), Error>> = OnceLock::new();
    *STARTED.get_or_init(|| {
        // SAFETY: of integers and characters; zero is a value of each.
        let mut data: WSADATA = unsafe { std::mem::zeroed() };
        // SAFETY: `data` is a live variable.
        match unsafe { WSAStartup(VERSION, &mut data) } {
            0 => Ok(()),
            code => Err(Error::from_code(code as u32)),
        }
    })
}
