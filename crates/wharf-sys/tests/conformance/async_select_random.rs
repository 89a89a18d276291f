//! Random sequences against the rules of WSAAsyncSelect, which are written down here once more, as simply as can be: each message
//! comes exactly when the rules say so, once, in their order, to the window and with the number that was asked for.
//!
//! Source: "WSAAsyncSelect function", remarks.

use std::collections::VecDeque;
use std::time::Instant;

use wharf_sys::*;

use crate::async_select::{Told, Window, select};
use crate::harness::*;
use crate::tcp::*;

/// The messages that registrations ask for.
const NUMBERS: [u32; 2] = [WM_USER + 1, WM_USER + 7];

/// Where a registration has its messages sent: which window, which number.
type Target = (usize, u32);

/// A message: where it came, and what it told.
type Came = (Target, u32);

/// What the rules say of one stream.
#[derive(Default)]
struct Rules {
    unread: usize,
    ended: bool,
    full: bool, // a send was not taken, and the peer has not read since
    /// Sizes of overlapped receives that wait.
    waiting: VecDeque<usize>,
    registration: Option<(Target, u32)>,
    enabled: u32,
    expected: VecDeque<Came>,
}

impl Rules {
    /// Messages that are due together come in this order.
    const ORDER: [u32; 3] = [FD_READ, FD_WRITE, FD_CLOSE];

    fn holds(&self, event: u32) -> bool {
        match event {
            FD_READ => self.unread > 0,
            FD_WRITE => !self.full,
            _ => self.ended,
        }
    }

    /// What holds, is asked for and enabled is posted, and not again before it is enabled again.
    fn look(&mut self) {
        let Some((target, mask)) = self.registration else {
            return;
        };
        for event in Self::ORDER {
            if mask & self.enabled & event != 0 && self.holds(event) {
                self.enabled &= !event;
                self.expected.push_back((target, event));
            }
        }
    }

    /// A registration takes the place of the one before, and everything may be posted again.
    fn register(&mut self, target: Target, mask: u32) {
        self.registration = (mask != 0).then_some((target, mask));
        self.enabled = u32::MAX;
        self.look();
    }

    /// Data arrives; receives that wait are first. The sizes of those that are done.
    fn arrive(&mut self, mut bytes: usize) -> Vec<usize> {
        let mut done = Vec::new();
        while bytes > 0 {
            let Some(size) = self.waiting.pop_front() else {
                break;
            };
            done.push(size.min(bytes));
            bytes -= size.min(bytes);
        }
        self.unread += bytes;
        self.look();
        done
    }

    /// A receive of any kind enables FD_READ, whatever it gets.
    fn receive(&mut self, size: usize) -> usize {
        let taken = size.min(self.unread);
        self.unread -= taken;
        self.enabled |= FD_READ;
        self.look();
        taken
    }

    /// A send that is not taken enables FD_WRITE.
    fn block(&mut self) {
        self.full = true;
        self.enabled |= FD_WRITE;
    }

    fn drain(&mut self) {
        self.full = false;
        self.look();
    }

    fn end(&mut self) {
        self.ended = true;
        self.look();
    }
}

/// One connection, watched at its server's end, and what is to be expected of it.
struct Watched {
    pair: Pair,
    rules: Rules,
    requests: VecDeque<Request>,
    log: Vec<String>, // what was done
}

impl Watched {
    fn new() -> Watched {
        let pair = connected_pair(Family::V4);
        // Little room for what the server's end sends.
        pair.server.set_option(SOL_SOCKET, SO_SNDBUF, 8192).unwrap();
        pair.client.set_option(SOL_SOCKET, SO_RCVBUF, 8192).unwrap();
        pair.server.set_non_blocking(true);
        Watched {
            pair,
            rules: Rules::default(),
            requests: VecDeque::new(),
            log: Vec::new(),
        }
    }

    fn register(&mut self, random: &mut Random, windows: &[Window]) {
        const MASKS: [u32; 6] = [
            FD_READ,
            FD_WRITE,
            FD_CLOSE,
            FD_READ | FD_CLOSE,
            FD_READ | FD_WRITE | FD_CLOSE,
            0,
        ];
        let window = random.below(windows.len() as u64) as usize;
        let number = NUMBERS[random.below(2) as usize];
        let mask = MASKS[random.below(MASKS.len() as u64) as usize];
        self.log.push(format!("register {window} {mask:#x}"));
        assert_eq!(
            select(*self.pair.server, windows[window].0, number, mask),
            Ok(())
        );
        self.rules.register((window, number), mask);
    }

    fn arrive(&mut self, bytes: usize) {
        self.log.push(format!("arrive {bytes}"));
        self.pair.client.send_all(&vec![1; bytes]);
        for size in self.rules.arrive(bytes) {
            let request = self.requests.pop_front().expect("one waits");
            request.until_finished();
            assert_eq!(request.received().len(), size, "{:?}", self.log);
        }
        if self.rules.waiting.is_empty() {
            self.pair.server.until_unread(self.rules.unread as u32);
        }
    }

    fn receive(&mut self, size: usize) {
        self.log.push(format!("receive {size}"));
        let expected = match self.rules.receive(size) {
            0 if self.rules.ended => Ok(0),
            0 => Err(WSAEWOULDBLOCK),
            taken => Ok(taken),
        };
        let received = self.pair.server.recv_some(size).map(|some| some.len());
        assert_eq!(received, expected, "{:?}", self.log);
    }

    fn receive_overlapped(&mut self, size: usize) {
        self.log.push(format!("overlapped {size}"));
        let request = Request::new(size);
        let answer = self.pair.server.receive(&request);
        if self.rules.waiting.is_empty() && self.rules.unread > 0 {
            // Pending only if somebody is just delivering the one before.
            let taken = self.rules.receive(size) as u32;
            assert!(answer == done(taken) || answer == PENDING, "{:?}", self.log);
            request.until_finished();
        } else {
            assert_eq!(answer, PENDING, "{:?}", self.log);
            self.rules.receive(0);
            self.rules.waiting.push_back(size);
            self.requests.push_back(request);
        }
    }

    /// Sends until there is no room, and none comes of what is acknowledged late: with what the peer sends meanwhile it
    /// acknowledges everything.
    fn fill(&mut self) {
        self.log.push("fill".into());
        let data = [2; 4096];
        let mut without_room = 0;
        while without_room < 3 {
            while self.pair.server.send(&data).is_ok() {}
            self.arrive(1);
            without_room = match is_writable(*self.pair.server) {
                true => 0,
                false => without_room + 1,
            };
        }
        assert_eq!(self.pair.server.send(&data), Err(WSAEWOULDBLOCK));
        self.rules.block();
    }

    /// The peer reads everything that was sent.
    fn drain(&mut self) {
        self.log.push("drain".into());
        self.pair.client.set_non_blocking(true);
        let mut buffer = [0; 16384];
        until("there is room to send", || {
            while self.pair.client.recv(&mut buffer).is_ok() {}
            is_writable(*self.pair.server)
        });
        self.pair.client.set_non_blocking(false);
        self.rules.drain();
    }

    /// Whether it is registered for FD_WRITE: how often that comes while it is filled is a matter of chance.
    fn expects_room(&self) -> bool {
        let mask = self.rules.registration.map_or(0, |(_, mask)| mask);
        mask & FD_WRITE != 0
    }

    fn end(&mut self) {
        self.log.push("end".into());
        self.pair.client.shutdown(SD_SEND).unwrap();
        self.rules.end();
    }

    fn step(&mut self, random: &mut Random, windows: &[Window]) {
        let size = 1 + random.below(40) as usize;
        let receives_wait = !self.rules.waiting.is_empty();
        match random.below(12) {
            0..=3 if !self.rules.ended => self.arrive(size),
            4..=6 if !receives_wait => self.receive(size),
            7 if !self.rules.ended => self.receive_overlapped(size),
            8 if !self.rules.full && !self.rules.ended && !self.expects_room() => self.fill(),
            9 if self.rules.full => self.drain(),
            10 => self.register(random, windows),
            11 if random.one_in(6) && !receives_wait && !self.rules.ended => self.end(),
            _ => {}
        }
    }
}

fn is_writable(socket: Raw) -> bool {
    let mut entry = WSAPOLLFD {
        fd: socket.0,
        events: POLLWRNORM,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    check_count(unsafe { WSAPoll(&mut entry, 1, 0) }).unwrap();
    entry.revents & POLLWRNORM != 0
}

/// How the next message is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Peek,
    Get,
    /// A wait for input, then a peek.
    Wait,
}

/// The next message of any of the windows; `None` if none is there, or comes until the deadline.
fn next_message(windows: &[Window], ask: Ask) -> Option<(Target, Told)> {
    // SAFETY: an all-zero MSG is a valid value of that plain structure.
    let mut found: MSG = unsafe { std::mem::zeroed() };
    let (low, high, all) = (NUMBERS[0], NUMBERS[1], std::ptr::null_mut());
    let deadline = Instant::now() + DEADLINE;
    loop {
        // SAFETY: `found` lives through the call.
        let any = unsafe {
            match ask {
                Ask::Get => GetMessageA(&mut found, all, low, high) > 0,
                _ => PeekMessageA(&mut found, all, low, high, PM_REMOVE) != FALSE,
            }
        };
        if any {
            let window = windows.iter().position(|window| window.0 == found.hwnd);
            let window = window.expect("a message comes to one of the windows");
            return Some(((window, found.message), Told::from(found)));
        }
        if ask == Ask::Peek || Instant::now() > deadline {
            return None;
        }
        // SAFETY: no handles.
        unsafe { MsgWaitForMultipleObjects(0, std::ptr::null(), FALSE, 1000, QS_ALLINPUT) };
    }
}

/// The messages that are expected come: those of each connection in their order. Nothing else does.
fn check_messages(windows: &[Window], connections: &mut [Watched], random: &mut Random) {
    let is_expected = |connection: &Watched| !connection.rules.expected.is_empty();
    loop {
        let ask = match connections.iter().any(is_expected) {
            false => Ask::Peek,
            true if random.one_in(2) => Ask::Get,
            true => Ask::Wait,
        };
        let Some((target, told)) = next_message(windows, ask) else {
            if let Some(waits) = connections.iter().find(|one| is_expected(one)) {
                panic!("{:?} did not come: {:?}", waits.rules.expected, waits.log);
            }
            return;
        };
        let of = |connection: &&mut Watched| connection.pair.server.0 == told.socket;
        let connection = connections.iter_mut().find(of).expect("one of them");
        assert_eq!(
            connection.rules.expected.pop_front(),
            Some((target, told.event)),
            "{:?}",
            connection.log
        );
        assert_eq!(told.error, 0, "{:?}", connection.log);
    }
}

/// Sends, receives of both kinds, sends that are not taken, ends and registrations, by chance, on three connections and to
/// two windows: after each step exactly the messages come that the rules say.
#[test]
fn random_messages_follow_the_rules() {
    let _watch = watch();
    not_under_wine(
        "now and then no FD_CLOSE at a registration after the end",
        random_messages,
    );
}

fn random_messages() {
    let mut random = Random::new(seed(), 0);
    let windows = [Window::new(), Window::new()];
    let until = Instant::now() + stress_duration();
    let mut rounds = 0;
    while Instant::now() < until {
        let mut connections = [(); 3].map(|()| Watched::new());
        for _ in 0..120 {
            let which = random.below(3) as usize;
            connections[which].step(&mut random, &windows);
            check_messages(&windows, &mut connections, &mut random);
        }
        for connection in connections {
            drop(connection.pair.server); // first: the end of its peer would be one more event
            drop(connection.pair.client);
            for request in connection.requests {
                request.until_finished();
            }
        }
        rounds += 1;
    }
    println!("{rounds} rounds");
}
