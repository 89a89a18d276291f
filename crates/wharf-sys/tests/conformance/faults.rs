//! Pointers that lead nowhere, or where no alignment is: a code, not a fault, and what was not touched is as it was.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

/// Source: ioctlsocket, WSAEFAULT; validated on Windows.
#[test]
fn argument_of_ioctlsocket_must_be_there() {
    let _watch = watch();
    in_own_process(|| {
        let socket = Socket::tcp(Family::V4);
        for bad in [1usize, 0xdead_cafe] {
            for command in [FIONBIO, FIONREAD, SIOCATMARK] {
                // SAFETY: the point of the test.
                let answer = unsafe { ioctlsocket(socket.0, command, bad as *mut u32) };
                assert_eq!(check(answer), Err(WSAEFAULT));
            }
        }
    });
}

/// Source: setsockopt, WSAEFAULT; validated on Windows.
#[test]
fn value_of_setsockopt_must_be_there() {
    let _watch = watch();
    in_own_process(|| {
        let socket = Socket::tcp(Family::V4);
        for bad in [1usize, 0xdead_cafe] {
            // SAFETY: the point of the test.
            let answer =
                unsafe { setsockopt(socket.0, SOL_SOCKET, SO_RCVTIMEO, bad as *const u8, 4) };
            assert_eq!(check(answer), Err(WSAEFAULT));
        }
    });
}

/// Source: getsockopt, WSAEFAULT; validated on Windows.
#[test]
fn value_of_getsockopt_must_be_there() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("answers WSAEINVAL", || {
            let socket = Socket::tcp(Family::V4);
            for bad in [1usize, 0xdead_cafe] {
                let mut len = 4;
                // SAFETY: the point of the test.
                let answer = unsafe {
                    getsockopt(socket.0, SOL_SOCKET, SO_RCVTIMEO, bad as *mut u8, &mut len)
                };
                assert_eq!(check(answer), Err(WSAEFAULT));
            }
        });
    });
}

/// A length of control data beyond everything.
/// Source: WSASendMsg, WSAEINVAL.
#[test]
fn control_data_has_a_limit() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("sends without it", || {
            let [sender, receiver] = [udp(Family::V4), udp_bound(Family::V4)];
            let (mut data, mut name, mut control) = (*b"x", address_of(*receiver), [0u64; 8]);
            let mut buffer = WSABUF {
                len: 1,
                buf: data.as_mut_ptr(),
            };
            let message = WSAMSG {
                name: name.as_mut_ptr(),
                namelen: name.len,
                lpBuffers: &mut buffer,
                dwBufferCount: 1,
                Control: WSABUF {
                    len: 0xffff_fff0,
                    buf: control.as_mut_ptr().cast(),
                },
                dwFlags: 0,
            };
            let mut sent = 0;
            // SAFETY: the point of the test.
            let answer =
                check(unsafe { WSASendMsg(sender.0, &message, 0, &mut sent, null_mut(), None) });
            assert_eq!(answer, Err(WSAEINVAL));
        });
    });
}

/// In a packed structure an OVERLAPPED may be aligned to 4 bytes only.
/// Source: OVERLAPPED has no alignment of its own; the system asks for that of a ULONG.
#[test]
fn overlapped_of_a_packed_structure() {
    let _watch = watch();
    in_own_process(|| {
        let pair = connected_pair(Family::V4);
        let port = port_of(*pair.server, 7);
        let memory = Box::leak(Box::new([0u64; 8])).as_mut_ptr();
        // SAFETY: within the memory.
        let overlapped = unsafe { memory.byte_add(4) }.cast::<OVERLAPPED>();
        let data = Box::leak(Box::new([0u8; 4]));
        let buffer = WSABUF {
            len: 4,
            buf: data.as_mut_ptr(),
        };
        let (mut got, mut flags) = (0, 0);
        // SAFETY: everything lives for ever.
        let answer = check(unsafe {
            WSARecv(
                pair.server.0,
                &buffer,
                1,
                &mut got,
                &mut flags,
                overlapped,
                None,
            )
        });
        assert_eq!(answer, Err(WSA_IO_PENDING));
        pair.client.send_all(b"abc");
        assert_eq!(
            next(&port),
            Taken::Packet(packet(3, 7, overlapped as usize))
        );
        // SAFETY: both are there.
        let result =
            unsafe { GetOverlappedResult(pair.server.handle(), overlapped, &mut got, TRUE) };
        assert_eq!((result, got), (TRUE, 3));
    });
}

/// Other structures have no alignment at all.
/// Source: what compilers for Windows make of packed structures.
#[test]
fn unaligned_structures() {
    let _watch = watch();
    in_own_process(|| {
        let [a, b] = udp_pair(Family::V4);
        let mut memory = [0u64; 64];
        let base = memory.as_mut_ptr().cast::<u8>();
        let mut data = [0u8; 8];
        // SAFETY: all pointers lead into the memory, at distances that hold the structures.
        unsafe {
            let name = base.add(1);
            let name_len = base.add(131).cast::<i32>();
            let message = base.add(161).cast::<WSAMSG>();
            let buffer = base.add(251).cast::<WSABUF>();
            let control = base.add(301);
            let count = base.add(401).cast::<u32>();
            name_len.write_unaligned(128);
            assert_eq!(getsockname(a.0, name.cast(), name_len), 0);
            assert_eq!(getpeername(a.0, name.cast(), name_len), 0);
            buffer.write_unaligned(WSABUF {
                len: 8,
                buf: data.as_mut_ptr(),
            });
            a.send(b"abc").unwrap();
            message.write_unaligned(WSAMSG {
                name: name.cast(),
                namelen: 128,
                lpBuffers: buffer,
                dwBufferCount: 1,
                Control: WSABUF {
                    len: 64,
                    buf: control,
                },
                dwFlags: 0,
            });
            b.set_option(IPPROTO_IP, IP_PKTINFO, 1).unwrap();
            assert_eq!(recv_msg(*b)(b.0, message, count, null_mut(), None), 0);
            assert_eq!(count.read_unaligned(), 3);
            let info = base.add(405);
            let length = base.add(133).cast::<i32>();
            length.write_unaligned(100);
            getsockopt(a.0, SOL_SOCKET, SO_BSP_STATE, info, length);
            assert_eq!(getsockopt(a.0, SOL_SOCKET, SO_TYPE, info, length), 0);
            let hints = base.add(1).cast::<ADDRINFOA>();
            hints.write_unaligned(ADDRINFOA::default());
            let list = base.add(331).cast::<*mut ADDRINFOA>();
            assert_eq!(
                getaddrinfo(c"127.0.0.1".as_ptr().cast(), null(), hints, list),
                0
            );
            freeaddrinfo(list.read_unaligned());
        }
    });
}

/// Less than that is refused.
/// Source: STATUS_DATATYPE_MISALIGNMENT, whose code is WSAEFAULT.
#[test]
fn overlapped_without_alignment_is_refused() {
    let _watch = watch();
    differs_under_wine("does not look at the alignment", || {
        let pair = connected_pair(Family::V4);
        let mut memory = [0u64; 8];
        // SAFETY: within the memory.
        let overlapped = unsafe { memory.as_mut_ptr().byte_add(2) }.cast::<OVERLAPPED>();
        let mut data = [0u8; 4];
        let buffer = WSABUF {
            len: 4,
            buf: data.as_mut_ptr(),
        };
        let (mut got, mut flags) = (0, 0);
        // SAFETY: everything lives through the call, which is refused.
        let answer = check(unsafe {
            WSARecv(
                pair.server.0,
                &buffer,
                1,
                &mut got,
                &mut flags,
                overlapped,
                None,
            )
        });
        assert_eq!((answer, memory), (Err(WSAEFAULT), [0; 8]));
    });
}
