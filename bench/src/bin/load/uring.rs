//! The clients' sockets: io_uring with one issuer, multishot receives into a provided-buffer ring, and sends that only
//! report failure. It costs about a third of what an epoll loop costs, so the server is what saturates first.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering::Release};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

const GROUP: u16 = 1;
/// Marks the (failed) completion of a send.
const SEND: u64 = 1 << 32;

/// Something arrived at `connection`: `len` bytes in the buffer `buffer`.
#[derive(Clone, Copy)]
struct Arrival {
    connection: usize,
    buffer: u16,
    len: usize,
}

pub struct Clients {
    ring: IoUring,
    buffers: Buffers,
    sockets: Vec<OwnedFd>,
    /// `depth` messages for each connection; a message stays where it is until its answer is back.
    outgoing: Vec<u8>,
    server: Option<Box<libc::sockaddr_in>>, // where sockets send that are not connected
    depth: usize,
    message_len: usize,
    arrivals: Vec<Arrival>,
}

impl Clients {
    /// Sets up the receives of `sockets`. Outgoing messages begin as copies of `template`.
    pub fn new(
        sockets: Vec<OwnedFd>,
        template: &[u8],
        depth: usize,
        server: Option<libc::sockaddr_in>,
    ) -> Result<Self> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun();
        builder.setup_cqsize((4 * sockets.len()).next_power_of_two().max(4096) as u32);
        let ring = builder
            .build(2048)
            .context("the load generator needs io_uring (Linux 6.1)")?;
        let buffer_len = template.len().clamp(256, 65536);
        let count = (sockets.len() * 2)
            .next_power_of_two()
            .clamp(64, 4096)
            .min((256 << 20) / buffer_len);
        let mut clients = Self {
            buffers: Buffers::register(&ring, count.next_power_of_two() as u16, buffer_len)?,
            ring,
            outgoing: template.repeat(depth * sockets.len()),
            sockets,
            server: server.map(Box::new),
            depth,
            message_len: template.len(),
            arrivals: Vec::with_capacity(1024),
        };
        for connection in 0..clients.sockets.len() {
            clients.receive(connection)?;
        }
        Ok(clients)
    }

    /// The place of message `sequence` of `connection`, free since the answer to `sequence - depth` came.
    pub fn message(&mut self, connection: usize, sequence: u32) -> &mut [u8] {
        let start = self.place(connection, sequence);
        &mut self.outgoing[start..start + self.message_len]
    }

    /// Sends message `sequence`. A short send is a failure, which `wait` reports.
    pub fn send(&mut self, connection: usize, sequence: u32) -> Result<()> {
        let start = self.place(connection, sequence);
        let message = &self.outgoing[start..start + self.message_len];
        let send = opcode::Send::new(
            Fd(self.sockets[connection].as_raw_fd()),
            message.as_ptr(),
            message.len() as u32,
        )
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
        let send = match &self.server {
            Some(server) => send
                .dest_addr((&raw const **server).cast())
                .dest_addr_len(size_of::<libc::sockaddr_in>() as u32),
            None => send,
        };
        let send = send
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(SEND | connection as u64);
        self.push(&send)
    }

    /// Submits what was sent and waits for arrivals, at most a tenth of a second. Returns how many there are.
    pub fn wait(&mut self) -> Result<usize> {
        self.release_arrivals();
        let limit = Timespec::from(Duration::from_millis(100));
        match self
            .ring
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&limit))
        {
            Err(error)
                if !matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY)
                ) =>
            {
                return Err(error).context("io_uring_enter");
            }
            _ => {}
        }
        let completions: Vec<cqueue::Entry> = self.ring.completion().take(1024).collect();
        for completion in completions {
            self.sort(&completion)?;
        }
        Ok(self.arrivals.len())
    }

    /// The connection and the bytes of the `index`th arrival of the last wait.
    pub fn arrival(&self, index: usize) -> (usize, &[u8]) {
        let Arrival {
            connection,
            buffer,
            len,
        } = self.arrivals[index];
        (connection, self.buffers.get(buffer, len))
    }

    fn sort(&mut self, completion: &cqueue::Entry) -> Result<()> {
        let connection = completion.user_data() as u32 as usize;
        if completion.user_data() & SEND != 0 {
            bail!(
                "send on connection {connection}: short, or failed ({})",
                completion.result()
            );
        }
        match completion.result() {
            0 => bail!("the server closed connection {connection}"),
            len if len > 0 => {
                let buffer = cqueue::buffer_select(completion.flags())
                    .context("a receive without a buffer")?;
                self.arrivals.push(Arrival {
                    connection,
                    buffer,
                    len: len as usize,
                });
            }
            error if error == -libc::ENOBUFS => {}
            error => bail!(
                "receive on connection {connection}: {}",
                std::io::Error::from_raw_os_error(-error)
            ),
        }
        if cqueue::more(completion.flags()) {
            Ok(())
        } else {
            self.receive(connection)
        }
    }

    fn release_arrivals(&mut self) {
        for arrival in self.arrivals.drain(..) {
            self.buffers.give(arrival.buffer);
        }
        self.buffers.publish();
    }

    fn receive(&mut self, connection: usize) -> Result<()> {
        let socket = Fd(self.sockets[connection].as_raw_fd());
        self.push(
            &opcode::RecvMulti::new(socket, GROUP)
                .build()
                .user_data(connection as u64),
        )
    }

    fn place(&self, connection: usize, sequence: u32) -> usize {
        (connection * self.depth + sequence as usize % self.depth) * self.message_len
    }

    fn push(&mut self, entry: &squeue::Entry) -> Result<()> {
        // SAFETY: sends point into `outgoing`, which never moves and lives as long as the ring; receives use `buffers`.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }
}

/// A ring of buffers that the kernel takes from when something arrives.
struct Buffers {
    entries: *mut BufRingEntry,
    data: Vec<u8>,
    buffer_len: usize,
    mask: u16,
    tail: u16,
}

impl Buffers {
    /// Registers `count` (a power of two) buffers.
    fn register(ring: &IoUring, count: u16, buffer_len: usize) -> Result<Self> {
        let bytes = usize::from(count) * size_of::<BufRingEntry>();
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let entries = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
                -1,
                0,
            )
        };
        anyhow::ensure!(
            entries != libc::MAP_FAILED,
            "no memory for the ring of buffers"
        );
        // SAFETY: the mapping has room for `count` entries and is never unmapped.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(entries as u64, count, GROUP, 0)
        }?;
        let data = vec![0; usize::from(count) * buffer_len];
        let mut buffers = Self {
            entries: entries.cast(),
            data,
            buffer_len,
            mask: count - 1,
            tail: 0,
        };
        for buffer in 0..count {
            buffers.give(buffer);
        }
        buffers.publish();
        Ok(buffers)
    }

    fn get(&self, buffer: u16, len: usize) -> &[u8] {
        &self.data[usize::from(buffer) * self.buffer_len..][..len]
    }

    /// Gives `buffer` back; the kernel sees it once published.
    fn give(&mut self, buffer: u16) {
        let address = self.data[usize::from(buffer) * self.buffer_len..].as_ptr();
        // SAFETY: the masked index is within the mapping, and the kernel reads entries before the tail only.
        let entry = unsafe { &mut *self.entries.add((self.tail & self.mask).into()) };
        entry.set_addr(address as u64);
        entry.set_len(self.buffer_len as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: `entries` is a registered ring.
        let tail = unsafe { BufRingEntry::tail(self.entries) }.cast::<AtomicU16>();
        // SAFETY: the tail is aligned, lives as long as the mapping, and is written by this thread only.
        // Release: the kernel's acquire of the tail sees the entries before it.
        unsafe { (*tail).store(self.tail, Release) };
    }
}
