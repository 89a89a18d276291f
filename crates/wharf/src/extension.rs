//! Extension functions, found as every Windows program finds them.

use std::ffi::c_void;
use std::mem::{size_of, transmute};
use std::ptr::null_mut;
use std::sync::OnceLock;

use wharf_sys::{
    GUID, LPFN_CONNECTEX, SIO_GET_EXTENSION_FUNCTION_POINTER, SOCKET_ERROR, WSAID_CONNECTEX,
    WSAIoctl,
};

use crate::{Error, Socket};

/// ConnectEx, by way of any stream socket: there is one provider.
pub(crate) fn connect_ex(socket: &Socket) -> Result<LPFN_CONNECTEX, Error> {
    static CONNECT_EX: OnceLock<usize> = OnceLock::new();
    let address = match CONNECT_EX.get() {
        Some(&address) => address,
        None => {
            let address = find(socket, &WSAID_CONNECTEX)?;
            *CONNECT_EX.get_or_init(|| address)
        }
    };
    // SAFETY: the address of a function of that type, or 0, which is `None`.
    Ok(unsafe { transmute::<usize, LPFN_CONNECTEX>(address) })
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
