//! What the tests share.
#![allow(dead_code)] // not everything by every one

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use wharf::{CompletionPort, Key, Packet, Socket};

/// How long anything that must happen may take, on a machine with a hundred times as much to do as it can.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A free port of this machine.
pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A socket that listens there.
pub fn listener() -> Socket {
    Socket::listen_at(loopback()).unwrap()
}

/// Two connected sockets.
pub fn pair() -> (Socket, Socket) {
    let listener = listener();
    let client = Socket::connect_to(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Two datagram sockets, and the address of the second.
pub fn datagrams() -> (Socket, Socket, SocketAddr) {
    let (one, other) = (
        Socket::datagram_at(loopback()).unwrap(),
        Socket::datagram_at(loopback()).unwrap(),
    );
    let to = other.local_addr().unwrap();
    (one, other, to)
}

/// Two datagram sockets, each the other's peer.
pub fn connected() -> (Socket, Socket) {
    let (one, other, to) = datagrams();
    one.connect(to).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    (one, other)
}

/// The next packet.
#[track_caller]
pub fn take<T, K: Key>(port: &CompletionPort<T, K>) -> Packet<T, K> {
    let packet = port.take(Some(DEADLINE)).unwrap();
    packet.expect("a packet comes in time")
}

/// Whether this is a Windows program under Wine, which knows itself by its environment.
pub fn under_wine() -> bool {
    std::env::var_os("WINECONFIGDIR").is_some()
}

/// Counts how many like it there are.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn new(live: &Arc<AtomicUsize>) -> Counted {
        live.fetch_add(1, SeqCst);
        Counted(Arc::clone(live))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
