//! Flags of receives and sends that datagram sockets take without doing anything else for them.

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::udp::*;

/// MSG_PUSH_IMMEDIATE is a hint, and MSG_PARTIAL allows what does not happen: a datagram is received as without them, blocking
/// or overlapped, and one that is too long is an error all the same.
/// Source: WSARecv and WSARecvFrom, MSG_PARTIAL and MSG_PUSH_IMMEDIATE; recvfrom, WSAEMSGSIZE.
#[test]
fn hints_of_receives_change_nothing() {
    let _watch = watch();
    let [sender, receiver] = udp_pair(Family::V4);
    for flags in [MSG_PUSH_IMMEDIATE, MSG_PARTIAL as i32] {
        sender.send(b"abc").unwrap();
        let from = sender.local_address().unwrap();
        assert_eq!(
            receiver.recv_from_flags(9, flags),
            Ok((b"abc".to_vec(), from))
        );
        let letter = Letter::new(9);
        let answer = receiver.receive_from_into(&[letter.wsabuf()], flags, &letter, None);
        assert_eq!(answer, PENDING);
        sender.send(b"defg").unwrap();
        letter.until_finished();
        assert_eq!((letter.received(), letter.sender()), (&b"defg"[..], from));
        sender.send(b"too long").unwrap();
        let mut room = [0; 3];
        assert_eq!(receiver.recv_flags(&mut room, flags), Err(WSAEMSGSIZE));
        assert_eq!(&room, b"too");
    }
}

/// MSG_DONTROUTE is taken by sends, and a datagram on this host arrives with it.
/// Source: sendto and WSASendTo, MSG_DONTROUTE ("a Windows Sockets service provider can choose to ignore this flag").
#[test]
fn hint_of_sends_changes_nothing() {
    let _watch = watch();
    let [sender, receiver] = udp_pair(Family::V4);
    let to = address_of(*receiver);
    assert_eq!(sender.send_flags(b"ab", MSG_DONTROUTE), Ok(2));
    assert_eq!(sender.send_to_flags(b"cd", MSG_DONTROUTE, &to), Ok(2));
    for data in [b"ab", b"cd"] {
        assert_eq!(receiver.recv_some(9).unwrap(), data);
    }
}
