//! Datagrams: one socket and many slots, each of which receives a datagram, sends it back, and begins again.

use std::os::fd::AsRawFd;

use bench::net;
use bench::server::Arguments;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::net::SocketFlags;

const SLOTS: usize = 64;

/// A datagram with its sender, where the kernel looks for it.
struct Slot {
    buffer: Box<[u8]>,
    data: libc::iovec,
    peer: libc::sockaddr_in,
    message: libc::msghdr,
    sending: bool,
}

impl Slot {
    fn new(buffer_len: usize) -> Box<Slot> {
        // SAFETY: all zeroes is a valid value of these plain structures.
        let (peer, message) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut buffer: Box<[u8]> = vec![0; buffer_len].into();
        let data = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: 0,
        };
        Box::new(Slot {
            buffer,
            data,
            peer,
            message,
            sending: false,
        })
    }

    /// The operation that is due: with `received` bytes their send, otherwise a receive.
    fn next(&mut self, [socket, answering]: [Fd; 2], received: usize) -> squeue::Entry {
        self.sending = received > 0;
        self.data.iov_len = match received {
            0 => self.buffer.len(),
            len => len,
        };
        self.message.msg_name = (&raw mut self.peer).cast();
        self.message.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        self.message.msg_iov = &raw mut self.data;
        self.message.msg_iovlen = 1;
        match self.sending {
            true => opcode::SendMsg::new(answering, &self.message).build(),
            false => opcode::RecvMsg::new(socket, &mut self.message).build(),
        }
    }
}

pub fn echo(arguments: &Arguments) -> anyhow::Result<()> {
    let socket = net::datagrams(arguments.port, SocketFlags::empty())?;
    let answering = net::answering(arguments.workload, &socket, SocketFlags::empty())?;
    let fds = [Fd(socket.as_raw_fd()), Fd(answering.as_raw_fd())];
    let mut builder = IoUring::builder();
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun();
    let mut ring = builder.build(2 * SLOTS as u32)?;
    let mut slots: Vec<_> = (0..SLOTS)
        .map(|_| Slot::new(arguments.buffer_len()))
        .collect();
    let start = |ring: &mut IoUring, slot: &mut Slot, index: usize, received: usize| {
        let entry = slot.next(fds, received).user_data(index as u64);
        // SAFETY: slots are boxed and live for ever; each has one operation under way. There is room for all.
        unsafe { ring.submission().push(&entry) }
    };
    for (index, slot) in slots.iter_mut().enumerate() {
        start(&mut ring, slot, index, 0)?;
    }
    let mut batch: Vec<cqueue::Entry> = Vec::with_capacity(2 * SLOTS);
    loop {
        let _ = ring.submit_and_wait(1); // interrupted: completions come either way
        batch.extend(ring.completion());
        for completion in batch.drain(..) {
            let index = completion.user_data() as usize;
            let slot = &mut *slots[index];
            let received = match slot.sending {
                true => 0,
                false => completion.result().max(0) as usize,
            };
            start(&mut ring, slot, index, received)?;
        }
    }
}
