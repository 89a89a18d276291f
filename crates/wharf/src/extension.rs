//! Extension functions, found as every Windows program finds them.

use std::ffi::c_void;
use std::mem::{size_of, transmute};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use wharf_sys::{
    BOOL, GUID, LPFN_CONNECTEX, LPFN_DISCONNECTEX, OVERLAPPED, SIO_GET_EXTENSION_FUNCTION_POINTER,
    SOCKADDR, SOCKET, SOCKET_ERROR, WSAID_CONNECTEX, WSAID_DISCONNECTEX, WSAIoctl,
};

use crate::{Error, Socket};

type ConnectEx = unsafe extern "system" fn(
    SOCKET,
    *const SOCKADDR,
    i32,
    *const c_void,
    u32,
    *mut u32,
    *mut OVERLAPPED,
) -> BOOL;

type DisconnectEx = unsafe extern "system" fn(SOCKET, *mut OVERLAPPED, u32, u32) -> BOOL;

/// ConnectEx, by way of any stream socket: there is one provider.
///
/// # Errors
/// [`Error::OPERATION_NOT_SUPPORTED`] or the like, if this kind of socket does not know it.
pub(crate) fn connect_ex(socket: &Socket) -> Result<ConnectEx, Error> {
    static ADDRESS: AtomicUsize = AtomicUsize::new(0);
    let address = found(&ADDRESS, socket, &WSAID_CONNECTEX)?;
    // SAFETY: the address of a function of that type, or 0, which is `None`.
    let function = unsafe { transmute::<usize, LPFN_CONNECTEX>(address) };
    function.ok_or(Error::OPERATION_NOT_SUPPORTED)
}

/// DisconnectEx, likewise.
///
/// # Errors
/// As [`connect_ex`].
pub(crate) fn disconnect_ex(socket: &Socket) -> Result<DisconnectEx, Error> {
    static ADDRESS: AtomicUsize = AtomicUsize::new(0);
    let address = found(&ADDRESS, socket, &WSAID_DISCONNECTEX)?;
    // SAFETY: the address of a function of that type, or 0, which is `None`.
    let function = unsafe { transmute::<usize, LPFN_DISCONNECTEX>(address) };
    function.ok_or(Error::OPERATION_NOT_SUPPORTED)
}

fn found(known: &AtomicUsize, socket: &Socket, id: &GUID) -> Result<usize, Error> {
    match known.load(Relaxed) {
        0 => {
            let address = find(socket, id)?;
            known.store(address, Relaxed); // the same, whoever stores it
            Ok(address)
        }
        address => Ok(address),
    }
}

fn find(socket: &Socket, id: &GUID) -> Result<usize, Error> {
    let (mut address, mut length) = (0_usize, 0);
    // SAFETY: input and output are live variables of these sizes.
    let found = unsafe {
        WSAIoctl(
            socket.as_raw(),
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            (&raw const *id).cast::<c_void>(),
            size_of::<GUID>() as u32,
            (&raw mut address).cast(),
            size_of::<usize>() as u32,
            &mut length,
            null_mut(),
            None,
        )
    };
    Error::last_if(found == SOCKET_ERROR).map(|()| address)
}
