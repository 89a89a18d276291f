//! Memory that may not be there: the kernel looks, and the kernel copies.

use std::io::{Error, Result};

use super::errno;

/// Whether memory at this address can be read. The kernel looks: a signal mask is read before what is to be done with it
/// is judged.
pub fn is_readable(address: *const u8) -> bool {
    const NOTHING_TO_DO: i32 = -1;
    let word = (address as usize & !7) as *const u8;
    // SAFETY: the kernel checks the address, and refuses what is to be done.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NOTHING_TO_DO,
            word,
            std::ptr::null::<u8>(),
            8usize,
        )
    };
    !word.is_null() && (result == 0 || errno() != libc::EFAULT)
}

/// Copies what is at `pieces`, as far as there is room.
pub fn copy_from(pieces: &[libc::iovec], room: &mut [u8]) -> Result<()> {
    copy_memory(
        libc::process_vm_readv,
        pieces,
        room.as_mut_ptr(),
        room.len(),
    )
}

/// Copies `data` to the memory at `pieces`, as much as they have.
pub fn copy_to(pieces: &[libc::iovec], data: &[u8]) -> Result<()> {
    copy_memory(
        libc::process_vm_writev,
        pieces,
        data.as_ptr().cast_mut(),
        data.len(),
    )
}

type CopyMemory = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    libc::c_ulong,
    *const libc::iovec,
    libc::c_ulong,
    libc::c_ulong,
) -> isize;

/// The kernel copies, so that memory which is not there is a failure.
fn copy_memory(
    call: CopyMemory,
    pieces: &[libc::iovec],
    mut base: *mut u8,
    mut left: usize,
) -> Result<()> {
    const LONGEST: usize = 1024; // UIO_MAXIOV
    // SAFETY: takes no pointers.
    let process = unsafe { libc::getpid() };
    for pieces in pieces.chunks(LONGEST) {
        let length = pieces
            .iter()
            .map(|piece| piece.iov_len)
            .sum::<usize>()
            .min(left);
        let own = libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        // SAFETY: `own` is within the caller's slice, which is only read by a call that writes elsewhere; the rest is checked.
        let copied = unsafe { call(process, &own, 1, pieces.as_ptr(), pieces.len() as u64, 0) };
        match usize::try_from(copied) {
            Ok(copied) if copied == length => {}
            Ok(_) => return Err(Error::from_raw_os_error(libc::EFAULT)),
            Err(_) => return Err(Error::last_os_error()),
        }
        base = base.wrapping_add(length);
        left -= length;
    }
    Ok(())
}

/// The size of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
