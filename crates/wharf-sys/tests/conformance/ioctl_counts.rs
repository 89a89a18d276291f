//! WSAIoctl: what becomes of the count of bytes returned when a code is refused, and when it returns nothing.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

const UNTOUCHED_COUNT: u32 = 0xAAAA;
const KEY: usize = 0x89;

/// What a call came to, and the count.
type Outcome = (Result<(), WSA_ERROR>, u32);

impl Raw {
    fn query(self, code: u32, input: &[u8], output: *mut u8, room: u32) -> Outcome {
        self.query_with(code, (input, output, room), None, None)
    }

    fn query_with(
        self,
        code: u32,
        (input, output, room): (&[u8], *mut u8, u32),
        request: Option<&Request>,
        routine: LPWSAOVERLAPPED_COMPLETION_ROUTINE,
    ) -> Outcome {
        let mut returned = UNTOUCHED_COUNT;
        let bytes = match input {
            [] => null(),
            input => input.as_ptr(),
        };
        // SAFETY: the input lives through the call; the output is null or has that room, and outlives the test's requests.
        let result = check(unsafe {
            let overlapped = request.map_or(null_mut(), Request::overlapped);
            WSAIoctl(
                self.0,
                code,
                bytes.cast(),
                input.len() as u32,
                output.cast(),
                room,
                &mut returned,
                overlapped,
                routine,
            )
        });
        if let Some(request) = request {
            let _ = request.note(result.and(done(0))); // it is told by `result`
        }
        (result, returned)
    }
}

/// FIONREAD and SIOCATMARK without room for their answer touch neither the count nor the status block.
/// Source: WSAIoctl, WSAEFAULT; validated on Windows.
#[test]
fn short_answer_leaves_count_and_status_alone() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let mut room = [0u8; 8];
    for code in [FIONREAD as u32, SIOCATMARK as u32] {
        for (output, room) in [
            (room.as_mut_ptr(), 3),
            (room.as_mut_ptr(), 0),
            (null_mut(), 4),
        ] {
            let refused = (Err(WSAEFAULT), UNTOUCHED_COUNT);
            assert_eq!(socket.query(code, &[], output, room), refused);
            let request = Request::new(0);
            request.mark_status(1, 2);
            let answer = socket.query_with(code, (&[], output, room), Some(&request), None);
            assert_eq!(answer, refused);
            assert_eq!((request.internal(), request.internal_high()), (1, 2));
        }
        let answer = socket.query(code, &[], room.as_mut_ptr(), 8);
        assert_eq!(answer, (Ok(()), 4));
    }
}

/// A question about a route with no buffer at all learns no size.
/// Source: SIO_ROUTING_INTERFACE_QUERY, WSAEFAULT; validated on Windows.
#[test]
fn route_without_a_buffer_tells_no_size() {
    let _watch = watch();
    let socket = Socket::tcp(Family::V4);
    let loopback = Family::V4.loopback(80);
    // SAFETY: an address has at least that many bytes.
    let input = unsafe { std::slice::from_raw_parts(loopback.as_ptr().cast::<u8>(), 16) };
    for room in [0, 16] {
        let answer = socket.query(SIO_ROUTING_INTERFACE_QUERY, input, null_mut(), room);
        assert_eq!(answer, (Err(WSAEFAULT), UNTOUCHED_COUNT));
    }
}

/// SIO_KEEPALIVE_VALS returns nothing, which an OVERLAPPED without a routine does not say.
/// Source: WSAIoctl, lpcbBytesReturned and lpOverlapped; validated on Windows.
#[test]
fn keep_alive_values_count_nothing() {
    let _watch = watch();
    differs_under_wine("counts 0 bytes", || {
        let values = [1u32, 10_000, 1_000].map(u32::to_ne_bytes).concat();
        let socket = Socket::tcp(Family::V4);
        let request = Request::new(0);
        let parts = (&values[..], null_mut(), 0);
        let answer = socket.query(SIO_KEEPALIVE_VALS, &values, null_mut(), 0);
        assert_eq!(answer, (Ok(()), 0));
        let answer = socket.query_with(SIO_KEEPALIVE_VALS, parts, Some(&request), ROUTINE);
        assert_eq!(answer, (Ok(()), 0));
        assert_eq!(sleep_alertable(DEADLINE_MS), WAIT_IO_COMPLETION);
        assert_eq!(routines_run(), [request.routine_success(0)]);
        let port = port_of(*socket, KEY);
        let answer = socket.query_with(SIO_KEEPALIVE_VALS, parts, Some(&request), None);
        assert_eq!(answer, (Ok(()), UNTOUCHED_COUNT));
        assert_eq!(next(&port), request.success(KEY, 0));
    });
}

/// A routine is refused on the socket of a port, before the code is looked at: the status block is that of a refused call.
/// Source: WSAIoctl, WSAEINVAL; as for WSARecv.
#[test]
fn routine_is_refused_beside_a_port() {
    let _watch = watch();
    not_under_wine("takes it", || {
        let socket = Socket::tcp(Family::V4);
        let port = port_of(*socket, KEY);
        let on = 1u32.to_ne_bytes();
        for code in [FIONBIO as u32, SIO_ADDRESS_LIST_QUERY, 0x1234_5678] {
            let request = Request::new(0);
            let refused = socket.query_with(code, (&on, null_mut(), 0), Some(&request), ROUTINE);
            assert_eq!(refused, (Err(WSAEINVAL), UNTOUCHED_COUNT));
            assert_eq!(request.internal(), STATUS_PENDING as usize);
        }
        assert_empty(&port);
        assert_eq!(sleep_alertable(0), 0);
        assert_eq!(routines_run(), []);
        let refusing = refusing_address(Family::V4).1;
        assert_eq!(
            socket.connect(&refusing),
            Err(WSAECONNREFUSED),
            "it blocks as before"
        );
    });
}
