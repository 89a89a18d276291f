//! The calls that move data, and block unless the socket was told not to.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::ptr::null_mut;

use wharf_sys::{
    MSG_OOB, MSG_PEEK, MSG_WAITALL, SOCKET_ERROR, WSARecv, WSARecvFrom, WSASend, WSASendTo, recv,
    recvfrom, send, sendto,
};

use crate::address::Address;
use crate::buffers::List;
use crate::routine::rethrow;
use crate::{Error, Socket};

/// Calls that send.
impl Socket {
    /// Sends, and tells how much: everything, unless the socket does not block.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-send>
    ///
    /// # Errors
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more.
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction; [`Error::NOT_CONNECTED`] without a peer.
    /// - [`Error::WOULD_BLOCK`] if there is no room and the socket does not block.
    /// - [`Error::MESSAGE_SIZE`] if it is too long for a datagram.
    pub fn send(&self, data: &[u8]) -> Result<usize, Error> {
        self.send_with(data, 0)
    }

    /// Sends urgent data; the last byte is the urgent one.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::{Readiness, PollEntry, Socket, poll};
    /// # let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// # let client = Socket::connect_to(listener.local_addr()?)?;
    /// # let (server, _) = listener.accept()?;
    /// client.send_urgent(b"!")?;
    /// poll(&mut [PollEntry::new(&server, Readiness::URGENT)], None)?;
    /// let mut urgent = [0];
    /// assert_eq!(server.recv_urgent(&mut urgent)?, 1);
    /// assert_eq!(&urgent, b"!");
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Socket::send`].
    #[doc(alias = "send_out_of_band")]
    pub fn send_urgent(&self, data: &[u8]) -> Result<usize, Error> {
        self.send_with(data, MSG_OOB)
    }

    fn send_with(&self, data: &[u8], flags: i32) -> Result<usize, Error> {
        let length = clamped(data.len());
        // SAFETY: the buffer is valid for its length.
        finished(unsafe { send(self.as_raw(), data.as_ptr(), length, flags) })
    }

    /// Sends several pieces as one; for a datagram socket, as one datagram.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use wharf::Socket;
    /// # let listener = Socket::listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
    /// # let client = Socket::connect_to(listener.local_addr()?)?;
    /// # let (server, _) = listener.accept()?;
    /// assert_eq!(client.send_vectored([&b"head "[..], b"body"])?, 9);
    /// # let mut buffer = [0; 9];
    /// # assert_eq!(server.recv_all(&mut buffer)?, 9);
    /// # assert_eq!(&buffer, b"head body");
    /// # Ok::<_, wharf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Socket::send`]; [`Error::INVALID`] without a piece, or with more than 4 GiB.
    pub fn send_vectored<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<usize, Error> {
        let list = List::to_send(pieces);
        let (buffers, count) = list.parts()?;
        let (socket, mut sent) = (self.as_raw(), 0);
        // SAFETY: the slices are valid for their lengths; the call does not write to them.
        let result = unsafe { WSASend(socket, buffers, count, &mut sent, 0, null_mut(), None) };
        finished_with(result, &sent)
    }

    /// Sends a datagram to `address`, and tells how much: all of it. A stream does not look at the address.
    ///
    /// A socket that is not bound is bound to a port that the system chooses.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-sendto>
    ///
    /// # Errors
    /// - [`Error::MESSAGE_SIZE`] if it is too long.
    /// - [`Error::ADDRESS_NOT_AVAILABLE`] if it is no address to send to.
    /// - [`Error::ADDRESS_FAMILY_NOT_SUPPORTED`] or [`Error::FAULT`] if it is of another family than the socket.
    /// - [`Error::ACCESS`] if it is everybody's, without [`Socket::set_broadcast`].
    /// - [`Error::HOST_UNREACHABLE`], [`Error::NETWORK_UNREACHABLE`] if there is no way.
    /// - [`Error::WOULD_BLOCK`] if there is no room and the socket does not block.
    pub fn send_to(&self, data: &[u8], address: SocketAddr) -> Result<usize, Error> {
        let (address, length) = (Address::from(address), clamped(data.len()));
        let (to, to_length) = (address.as_ptr(), address.length());
        // SAFETY: buffer and address are valid for their lengths.
        finished(unsafe { sendto(self.as_raw(), data.as_ptr(), length, 0, to, to_length) })
    }

    /// As [`Socket::send_to`], of several pieces as one datagram.
    ///
    /// # Errors
    /// As [`Socket::send_to`]; [`Error::INVALID`] without a piece, or with more than 4 GiB.
    pub fn send_to_vectored<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        address: SocketAddr,
    ) -> Result<usize, Error> {
        let list = List::to_send(pieces);
        let (buffers, count) = list.parts()?;
        let address = Address::from(address);
        let mut sent = 0;
        // SAFETY: slices and address are valid for their lengths; the call does not write to them.
        let result = unsafe {
            WSASendTo(
                self.as_raw(),
                buffers,
                count,
                &mut sent,
                0,
                address.as_ptr(),
                address.length(),
                null_mut(),
                None,
            )
        };
        finished_with(result, &sent)
    }
}

/// Calls that receive.
impl Socket {
    /// Receives what is there, at least a byte, waiting for it; 0: the peer has nothing more to say.
    ///
    /// A datagram socket receives one datagram, only from the peer it is connected to if it is.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-recv>
    ///
    /// # Errors
    /// - [`Error::CONNECTION_RESET`], [`Error::CONNECTION_ABORTED`] if the connection is no more; of a datagram socket the
    ///   former if an earlier datagram found nobody (see [`Socket::set_connection_resets`]).
    /// - [`Error::SHUT_DOWN`] after a shutdown of this direction; [`Error::NOT_CONNECTED`] without a peer.
    /// - [`Error::INVALID`] if a datagram socket is not bound.
    /// - [`Error::WOULD_BLOCK`] if there is nothing and the socket does not block.
    /// - [`Error::TIMED_OUT`] if the time of [`Socket::set_receive_timeout`] passed.
    /// - [`Error::MESSAGE_SIZE`] if the datagram is longer than the buffer: it is full, the rest is lost.
    pub fn recv(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, 0)
    }

    /// As [`Socket::recv`], but leaves the data where it is.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_PEEK)
    }

    /// As [`Socket::recv`], but waits until the buffer is full or the peer has nothing more to say.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::OPERATION_NOT_SUPPORTED`] if the socket is no stream or does not block.
    pub fn recv_all(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_WAITALL)
    }

    /// Receives the urgent byte.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::WOULD_BLOCK`] or [`Error::INVALID`] if there is none.
    #[doc(alias = "recv_out_of_band")]
    pub fn recv_urgent(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.recv_with(buffer, MSG_OOB)
    }

    fn recv_with(&self, buffer: &mut [u8], flags: i32) -> Result<usize, Error> {
        let length = clamped(buffer.len());
        // SAFETY: the buffer is valid for its length.
        finished(unsafe { recv(self.as_raw(), buffer.as_mut_ptr(), length, flags) })
    }

    /// Receives into several pieces, filling one after the other.
    ///
    /// # Errors
    /// As [`Socket::recv`]; [`Error::INVALID`] without a piece, or with more than 4 GiB.
    pub fn recv_vectored<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a mut [u8]>,
    ) -> Result<usize, Error> {
        let list = List::to_receive(pieces);
        let (buffers, count) = list.parts()?;
        let (socket, mut received, mut flags) = (self.as_raw(), 0, 0);
        let (bytes, flags) = (&mut received, &mut flags);
        // SAFETY: the slices are valid for their lengths, and borrowed for as long as the call.
        let result = unsafe { WSARecv(socket, buffers, count, bytes, flags, null_mut(), None) };
        finished_with(result, &received)
    }

    /// Receives a datagram, waiting for it, and tells its sender; of a stream, as [`Socket::recv`], and the peer.
    ///
    /// Windows: <https://learn.microsoft.com/windows/win32/api/winsock/nf-winsock-recvfrom>
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.recv_from_with(buffer, 0)
    }

    /// As [`Socket::recv_from`], but leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`Socket::recv_from`].
    pub fn peek_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.recv_from_with(buffer, MSG_PEEK)
    }

    fn recv_from_with(&self, buffer: &mut [u8], flags: i32) -> Result<(usize, SocketAddr), Error> {
        let length = clamped(buffer.len());
        let mut address = Address::empty();
        let (from, from_length) = address.as_out();
        let data = buffer.as_mut_ptr();
        // SAFETY: the buffer is valid for its length, and there is room for an address.
        let received = unsafe { recvfrom(self.as_raw(), data, length, flags, from, from_length) };
        Ok((finished(received)?, self.sender(&address)?))
    }

    /// As [`Socket::recv_from`], into several pieces, filling one after the other.
    ///
    /// # Errors
    /// As [`Socket::recv_from`]; [`Error::INVALID`] without a piece, or with more than 4 GiB.
    pub fn recv_from_vectored<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a mut [u8]>,
    ) -> Result<(usize, SocketAddr), Error> {
        let list = List::to_receive(pieces);
        let (buffers, count) = list.parts()?;
        let (mut received, mut flags) = (0, 0);
        let mut address = Address::empty();
        let (from, from_length) = address.as_out();
        // SAFETY: the slices are valid for their lengths, and borrowed for as long as the call; there is room for an
        // address.
        let result = unsafe {
            WSARecvFrom(
                self.as_raw(),
                buffers,
                count,
                &mut received,
                &mut flags,
                from,
                from_length,
                null_mut(),
                None,
            )
        };
        Ok((finished_with(result, &received)?, self.sender(&address)?))
    }

    /// A stream is not told: there it is the peer.
    fn sender(&self, address: &Address) -> Result<SocketAddr, Error> {
        address.get().or_else(|_| self.peer_addr())
    }
}

/// Receives and sends like the calls of the socket; vectored too.
impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv(buffer)?)
    }

    fn read_vectored(&mut self, pieces: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if pieces.is_empty() {
            return Ok(0);
        }
        Ok(self.recv_vectored(pieces.iter_mut().map(|piece| &mut piece[..]))?)
    }
}

impl Write for &Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(self.send(data)?)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if pieces.is_empty() {
            return Ok(0);
        }
        Ok(self.send_vectored(pieces.iter().map(|piece| &piece[..]))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, pieces: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(pieces)
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A length as Winsock counts. What is beyond waits for the next call.
fn clamped(length: usize) -> i32 {
    length.min(i32::MAX as usize) as i32
}

/// The answer of a call that counts.
fn finished(result: i32) -> Result<usize, Error> {
    let count = Error::last_if(result == SOCKET_ERROR).map(|()| result as usize);
    rethrow();
    count
}

/// The answer of a call that counts elsewhere.
fn finished_with(result: i32, count: &u32) -> Result<usize, Error> {
    let result = Error::last_if(result == SOCKET_ERROR);
    rethrow();
    result.map(|()| *count as usize)
}
