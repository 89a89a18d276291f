//! One way: blocks of `message_bytes`, as fast as the server takes them.

use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context, Result};
use bench::message::template;
use bench::{Measurement, net};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::Arguments;
use crate::window::Window;

pub fn run(arguments: &Arguments) -> Result<Measurement> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut clients = Vec::new();
    for index in 0..arguments.connections {
        let socket = net::connection(index, arguments.port).context("connect")?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(
            &epoll,
            &socket,
            epoll::EventData::new_u64(index as u64),
            flags,
        )?;
        clients.push(Client { socket, sent: 0 });
    }
    let block = template(arguments.message_bytes);
    let mut window = Window::new(arguments);
    let mut events = Vec::with_capacity(512);
    loop {
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        events.clear();
        match epoll::wait(
            &epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&limit),
        ) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let now = Instant::now();
        if window.is_over(now)? {
            return window.close(now);
        }
        for event in &events {
            while clients[event.data.u64() as usize].send(&block)? {
                window.count();
                let now = Instant::now();
                if window.is_over(now)? {
                    return window.close(now);
                }
            }
        }
    }
}

struct Client {
    socket: OwnedFd,
    sent: usize, // of the current block
}

impl Client {
    /// Goes on with the block; false if the socket takes no more now.
    fn send(&mut self, block: &[u8]) -> Result<bool> {
        while self.sent < block.len() {
            match send(&self.socket, &block[self.sent..], SendFlags::NOSIGNAL) {
                Ok(len) => self.sent += len,
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.sent = 0;
        Ok(true)
    }
}
