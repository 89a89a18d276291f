//! The order of packets: those of one socket's receives are queued as its data came, whoever attempts them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;

/// The key of the socket whose packets are compared; those of the others are their numbers.
const KEY: usize = usize::MAX;

/// How many receives are outstanding on that socket.
const OUTSTANDING: usize = 8;

/// How many other sockets share the port, so that a look at the sockets finds much to do.
const OTHERS: usize = 24;

/// The length of a message, which is its number.
const MESSAGE: usize = size_of::<u64>();

/// One thread posts receives, one takes packets: what it takes is in the order in which the receives were posted, and so
/// are the messages in them, although both threads attempt them.
/// Source: "I/O Completion Ports" (packets are queued in FIFO order); WSARecv (receives are filled in the order of the
/// calls).
#[test]
fn packets_of_receives_come_in_the_order_of_the_data() {
    let _watch = watch();
    let seed = seed();
    let port = Port::new(1);
    let listener = Listener::new(Family::V4);
    let pair = listener.pair();
    port.associate(pair.server.handle(), KEY);
    let others: Vec<_> = (0..OTHERS).map(|_| listener.pair()).collect();
    for (number, other) in others.iter().enumerate() {
        port.associate(other.server.handle(), number);
    }
    let requests: Arc<Vec<_>> = Arc::new((0..OUTSTANDING).map(|_| Request::new(MESSAGE)).collect());
    let posted = Arc::new(Mutex::new(VecDeque::new()));
    let (free, to_post) = mpsc::channel::<usize>();

    let poster = spawn({
        let (server, requests, posted) = (*pair.server, requests.clone(), posted.clone());
        let mut random = Random::new(seed, 0);
        move || {
            for index in to_post {
                random_pause(&mut random, 100);
                posted.lock().unwrap().push_back(index);
                assert!(server.receive(&requests[index]).is_ok());
            }
        }
    });
    let sender = spawn({
        let client = *pair.client;
        let mut random = Random::new(seed, 1);
        let others: Vec<_> = others.iter().map(|other| *other.client).collect();
        move || {
            let started = Instant::now();
            let mut message = 0_u64;
            while started.elapsed() < stress_duration() {
                for _ in 0..=random.below(4) {
                    client.send_all(&message.to_ne_bytes());
                    message += 1;
                }
                others.iter().for_each(|other| other.send_all(b"x"));
                random_pause(&mut random, 300);
            }
            for socket in others.into_iter().chain([client]) {
                socket.shutdown(SD_SEND).unwrap();
            }
        }
    });

    (0..OUTSTANDING).for_each(|index| free.send(index).unwrap());
    let beside: Vec<_> = (0..OTHERS).map(|_| Request::new(64)).collect();
    for (other, request) in others.iter().zip(&beside) {
        assert!(other.server.receive(request).is_ok());
    }
    let mut expected = 0_u64;
    let mut ended = 0;
    while ended < OUTSTANDING + OTHERS {
        let packet = next(&port).packet();
        let goes_on = packet.bytes > 0;
        ended += usize::from(!goes_on);
        if packet.key != KEY {
            if goes_on {
                let answer = others[packet.key].server.receive(&beside[packet.key]);
                assert!(answer.is_ok());
            }
            continue;
        }
        let index = posted.lock().unwrap().pop_front().unwrap();
        let request = &requests[index];
        assert_eq!(
            packet.overlapped,
            request.overlapped() as usize,
            "the packet of message {expected} was overtaken"
        );
        if goes_on {
            assert_eq!(request.received(), expected.to_ne_bytes());
            expected += 1;
            free.send(index).unwrap();
        }
    }
    drop(free);
    poster.join();
    sender.join();
    assert!(expected > 0);
}

/// Computes for up to so many microseconds.
fn random_pause(random: &mut Random, limit_us: u64) {
    let end = Instant::now() + Duration::from_micros(random.below(limit_us));
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
