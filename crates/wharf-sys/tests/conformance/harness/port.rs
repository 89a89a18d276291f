//! Completion ports and packets.

use std::ops::Deref;
use std::ptr::null_mut;

use wharf_sys::*;

use crate::harness::*;

/// A completion port of this test.
#[derive(Clone, Debug)]
pub struct Port(Handle);

/// A packet as its taker sees it; the pointer is a number, since it may point anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Bytes transferred, or the value given when posted.
    pub bytes: u32,
    /// The completion key.
    pub key: usize,
    /// The address of the OVERLAPPED, or the value given when posted.
    pub overlapped: usize,
}

/// A packet with these values.
pub const fn packet(bytes: u32, key: usize, overlapped: usize) -> Packet {
    Packet {
        bytes,
        key,
        overlapped,
    }
}

/// The outcomes of `GetQueuedCompletionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `TRUE`: the packet of an operation that succeeded, or a posted one.
    Packet(Packet),
    /// `FALSE` and an OVERLAPPED: the packet of an operation that failed, and the last error.
    Failed(Packet, u32),
    /// `FALSE` and no OVERLAPPED: nothing was taken; the last error says why.
    Nothing(u32),
}

/// Nothing came in time.
pub const TIMED_OUT: Taken = Taken::Nothing(WAIT_TIMEOUT);

/// The port was closed during the wait.
pub const ABANDONED: Taken = Taken::Nothing(ERROR_ABANDONED_WAIT_0);

impl Taken {
    /// The packet, whose operation must have succeeded.
    #[track_caller]
    pub fn packet(self) -> Packet {
        match self {
            Taken::Packet(packet) => packet,
            other => panic!("expected a packet, took {other:?}"),
        }
    }
}

impl Port {
    /// A new port with that concurrency value.
    #[track_caller]
    pub fn new(concurrency: u32) -> Port {
        Port(Handle::own(create_port(
            INVALID_HANDLE_VALUE,
            null_mut(),
            0,
            concurrency,
        )))
    }

    /// Takes over a port's handle.
    pub fn own(handle: Handle) -> Port {
        Port(handle)
    }

    /// Associates a socket or file with this port.
    #[track_caller]
    pub fn associate(&self, handle: HANDLE, key: usize) {
        let result = create_port(handle, self.raw(), key, 0);
        assert_eq!(
            result,
            self.raw(),
            "CreateIoCompletionPort: last error {}",
            last_error()
        );
    }

    /// Posts a packet, which must succeed.
    #[track_caller]
    pub fn post(&self, packet: Packet) {
        assert_eq!(
            post(self.raw(), packet),
            TRUE,
            "post: last error {}",
            last_error()
        );
    }

    /// `GetQueuedCompletionStatus`.
    pub fn take(&self, timeout_ms: u32) -> Taken {
        take(self.raw(), timeout_ms)
    }

    /// Takes a packet that must come and must be a success.
    #[track_caller]
    pub fn take_packet(&self) -> Packet {
        self.take(DEADLINE_MS).packet()
    }

    /// `GetQueuedCompletionStatusEx` with room for `count` entries: the packets, or the last error.
    pub fn take_many(
        &self,
        count: usize,
        timeout_ms: u32,
        alertable: bool,
    ) -> Result<Vec<Packet>, u32> {
        let mut entries = vec![OVERLAPPED_ENTRY::default(); count];
        let mut removed = 0;
        // SAFETY: `entries` has room for `count` entries; both live through the call.
        let result = unsafe {
            let entries = entries.as_mut_ptr();
            GetQueuedCompletionStatusEx(
                self.raw(),
                entries,
                count as u32,
                &mut removed,
                timeout_ms,
                alertable.into(),
            )
        };
        match result {
            FALSE => Err(last_error()),
            _ => Ok(entries[..removed as usize]
                .iter()
                .map(packet_of_entry)
                .collect()),
        }
    }
}

impl Deref for Port {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.0
    }
}

/// What an entry of `GetQueuedCompletionStatusEx` says.
pub fn packet_of_entry(entry: &OVERLAPPED_ENTRY) -> Packet {
    packet(
        entry.dwNumberOfBytesTransferred,
        entry.lpCompletionKey,
        entry.lpOverlapped as usize,
    )
}

/// `CreateIoCompletionPort`.
pub fn create_port(handle: HANDLE, existing: HANDLE, key: usize, concurrency: u32) -> HANDLE {
    // SAFETY: handles are looked up; the key is a number.
    unsafe { CreateIoCompletionPort(handle, existing, key, concurrency) }
}

/// `PostQueuedCompletionStatus`.
pub fn post(port: HANDLE, packet: Packet) -> BOOL {
    let overlapped = packet.overlapped as *const OVERLAPPED;
    // SAFETY: the pointer is passed on as a value, never followed.
    unsafe { PostQueuedCompletionStatus(port, packet.bytes, packet.key, overlapped) }
}

/// `GetQueuedCompletionStatus`.
pub fn take(port: HANDLE, timeout_ms: u32) -> Taken {
    let (mut bytes, mut key, mut overlapped) = (0, 0, null_mut());
    // SAFETY: the three out-pointers live through the call.
    let result = unsafe {
        GetQueuedCompletionStatus(port, &mut bytes, &mut key, &mut overlapped, timeout_ms)
    };
    let packet = packet(bytes, key, overlapped as usize);
    match (result, overlapped.is_null()) {
        (FALSE, true) => Taken::Nothing(last_error()),
        (FALSE, false) => Taken::Failed(packet, last_error()),
        _ => Taken::Packet(packet),
    }
}
