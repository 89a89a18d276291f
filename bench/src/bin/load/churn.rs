//! Connect, one echo, close: `connections` at a time.

use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bench::message::{STAMP_LEN, Verifier, stamp, template};
use bench::{Measurement, net};
use rustix::event::{Timespec, epoll};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::Arguments;
use crate::window::Window;

struct Client {
    socket: OwnedFd,
    verifier: Verifier,
    begun: Instant,
}

pub fn run(arguments: &Arguments) -> Result<Measurement> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut message = template(arguments.message_bytes);
    let mut born = 0;
    let mut start = |slot: usize| -> Result<Client> {
        let begun = Instant::now();
        let socket = net::connection(born, arguments.port).context("connect")?;
        message[..STAMP_LEN].copy_from_slice(&stamp(born as u32, 0));
        send(&socket, &message, SendFlags::NOSIGNAL)?;
        epoll::add(
            &epoll,
            &socket,
            epoll::EventData::new_u64(slot as u64),
            epoll::EventFlags::IN,
        )?;
        let verifier = Verifier::new(born as u32, arguments.message_bytes, false);
        born += 1;
        Ok(Client {
            socket,
            verifier,
            begun,
        })
    };
    let mut clients = (0..arguments.connections)
        .map(&mut start)
        .collect::<Result<Vec<_>>>()?;
    let mut window = Window::new(arguments);
    let mut events = Vec::with_capacity(512);
    let mut buffer = vec![0; arguments.message_bytes];
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
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let now = Instant::now();
        if window.is_over(now)? {
            return window.close(now);
        }
        for event in &events {
            let slot = event.data.u64() as usize;
            let client = &mut clients[slot];
            let (_, len) = recv(&client.socket, &mut buffer[..], RecvFlags::empty())?;
            if len == 0 {
                bail!("the server closed a connection before its echo");
            }
            match client.verifier.check(&buffer[..len]) {
                Ok(0) => continue,
                Ok(_) => {}
                Err(_) => bail!("what came back is not what was sent"),
            }
            let begun = client.begun;
            clients[slot] = start(slot)?; // closes the old one
            window.record(begun.elapsed());
        }
    }
}
