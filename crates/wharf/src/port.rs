//! A completion port as a value that owns its handle.

use std::ptr::null_mut;
use std::time::Duration;

use wharf_sys::{
    CloseHandle, CreateIoCompletionPort, GetQueuedCompletionStatus, HANDLE, INFINITE,
    INVALID_HANDLE_VALUE, OVERLAPPED, PostQueuedCompletionStatus, WAIT_TIMEOUT,
};

use crate::Error;

/// One entry of a port's queue: three values that the port carries and never interprets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Where it comes from, by convention.
    pub key: usize,
    /// A count of bytes, by convention.
    pub bytes: u32,
    /// What it is about. Windows calls it the OVERLAPPED pointer; a posted one is only a number.
    pub token: usize,
}

/// A completion port: packets leave in the order they came, the thread that began to wait last is released first, and
/// at most the port's concurrency value of threads run at once. Closed when it is dropped.
///
/// A thread that blocks in a call of this library (or, after some milliseconds, elsewhere) gives its place to the next.
#[derive(Debug)]
pub struct CompletionPort(HANDLE);

// SAFETY: a port is made to be used from any thread; the handle is a number that only `drop` gives up.
unsafe impl Send for CompletionPort {}
// SAFETY: as above; every function on it is thread-safe.
unsafe impl Sync for CompletionPort {}

impl CompletionPort {
    /// A port on which `concurrency` threads may run at once; 0: as many as there are processors.
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if the system has no room for another port.
    pub fn new(concurrency: u32) -> Result<CompletionPort, Error> {
        // SAFETY: no file is named, so there is nothing to be valid.
        let port =
            unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, concurrency) };
        if port.is_null() {
            Err(Error::last())
        } else {
            Ok(CompletionPort(port))
        }
    }

    /// Appends a packet to the queue.
    ///
    /// # Errors
    /// [`Error::NO_SYSTEM_RESOURCES`] if there is no memory for it.
    pub fn post(&self, packet: Packet) -> Result<(), Error> {
        let token = packet.token as *const OVERLAPPED;
        // SAFETY: the pointer is carried as a number, never followed.
        let posted = unsafe { PostQueuedCompletionStatus(self.0, packet.bytes, packet.key, token) };
        if posted == 0 {
            Err(Error::last())
        } else {
            Ok(())
        }
    }

    /// Takes the oldest packet, waiting up to `timeout` (`None`: as long as it takes); `None` if the time passed.
    ///
    /// A time-out is rounded up to milliseconds.
    ///
    /// # Errors
    /// None that a port of this type can give, short of a handle closed behind its back.
    pub fn take(&self, timeout: Option<Duration>) -> Result<Option<Packet>, Error> {
        let milliseconds = timeout.map_or(INFINITE, |timeout| {
            let rounded = timeout.as_nanos().div_ceil(1_000_000);
            rounded.min(u128::from(INFINITE - 1)) as u32
        });
        let (mut packet, mut token) = (Packet::default(), null_mut());
        // SAFETY: all three out-pointers are to live variables.
        let taken = unsafe {
            GetQueuedCompletionStatus(
                self.0,
                &mut packet.bytes,
                &mut packet.key,
                &mut token,
                milliseconds,
            )
        };
        if taken != 0 {
            packet.token = token as usize;
            return Ok(Some(packet));
        }
        match Error::last() {
            error if error.code() == WAIT_TIMEOUT => Ok(None),
            error => Err(error),
        }
    }
}

impl Drop for CompletionPort {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again.
        unsafe { CloseHandle(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(token: usize) -> Packet {
        Packet {
            key: 1,
            bytes: 2,
            token,
        }
    }

    #[test]
    fn packets_leave_in_the_order_they_came() {
        let port = CompletionPort::new(1).unwrap();
        for token in 0..100 {
            port.post(numbered(token)).unwrap();
        }
        for token in 0..100 {
            assert_eq!(port.take(Some(Duration::ZERO)), Ok(Some(numbered(token))));
        }
        assert_eq!(port.take(Some(Duration::ZERO)), Ok(None));
    }

    #[test]
    fn every_packet_is_taken_by_one_thread() {
        const WORKERS: usize = 4;
        const EACH: usize = 1000;
        let port = CompletionPort::new(0).unwrap();
        let work = || {
            let mut sum = 0;
            while let Some(Packet {
                token: token @ 1.., ..
            }) = port.take(None).unwrap()
            {
                sum += token;
            }
            sum
        };
        let total: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
            (1..=EACH).for_each(|token| port.post(numbered(token)).unwrap());
            (0..WORKERS).for_each(|_| port.post(numbered(0)).unwrap()); // one quit packet for each
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .sum()
        });
        assert_eq!(total, EACH * (EACH + 1) / 2);
    }

    #[test]
    fn a_port_is_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<CompletionPort>();
    }
}
