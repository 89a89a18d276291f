//! The races of a completion port's waiters, as scenarios. At most five threads each, the scenario's own included.

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use super::port::{Alertable, Outcome, Packet, Port};
use super::set::Wakeup;
use crate::dispatch::Place;

fn port(limit: usize, threads: usize) -> Arc<Port> {
    Arc::new(Port::new(limit, threads, Wakeup::One))
}

fn spawn<R: 'static>(port: &Arc<Port>, body: impl FnOnce(&Port) -> R + 'static) -> JoinHandle<R> {
    let port = port.clone();
    thread::spawn(move || body(&port))
}

/// A thread that begins at `place`, waits until it gets a packet, and exits.
fn worker(
    port: &Arc<Port>,
    thread: usize,
    place: Place,
    alertable: Alertable,
) -> JoinHandle<Outcome> {
    spawn(port, move |port| {
        let outcome = port.wait_for_packet(thread, place, alertable);
        port.leave(thread);
        outcome
    })
}

fn packets_of(workers: Vec<JoinHandle<Outcome>>) -> Vec<Packet> {
    let packet = |worker: JoinHandle<Outcome>| match worker.join().unwrap() {
        Outcome::Packet(packet) => packet,
        other => panic!("P6: a worker that waits for ever left with {other:?}"),
    };
    let mut packets: Vec<_> = workers.into_iter().map(packet).collect();
    packets.sort();
    packets
}

fn expect_empty(port: &Port) {
    assert_eq!(
        port.packets(),
        0,
        "P1: a packet was delivered twice or not at all"
    );
}

/// The only waiter polls; its time runs out while a packet is posted.
pub fn post_against_time_out_of_a_poller() {
    let port = port(1, 1);
    let place = port.sit(0, Alertable::No);
    assert_eq!(place, Place::Polling);
    let waiter = worker(&port, 0, place, Alertable::No);
    let timer = spawn(&port, |port| port.run_out(0));
    port.post(1);
    assert_eq!(packets_of(vec![waiter]), [1]);
    timer.join().unwrap();
    expect_empty(&port);
}

/// The only waiter is benched (it is alertable, so it never polls); its time runs out while a packet is posted.
///
/// If it leaves without the packet, another thread gets it.
pub fn post_against_time_out_of_a_lone_benched_waiter() {
    let port = port(1, 2);
    let place = port.sit(0, Alertable::Yes);
    assert_eq!(place, Place::Benched);
    let waiter = spawn(&port, move |port| port.wait(0, place));
    let timer = spawn(&port, |port| port.run_out(0));
    port.post(1);
    match waiter.join().unwrap() {
        Outcome::TimedOut => {
            port.leave(0);
            assert_eq!(port.get(1, Alertable::No), Outcome::Packet(1));
        }
        outcome => assert_eq!(outcome, Outcome::Packet(1)),
    }
    timer.join().unwrap();
    expect_empty(&port);
}

/// One polls, one is benched; the benched one's time runs out while two packets are posted.
pub fn posts_against_time_out_of_a_benched_waiter() {
    let port = port(1, 2);
    let places = [port.sit(0, Alertable::No), port.sit(1, Alertable::No)];
    assert_eq!(places, [Place::Polling, Place::Benched]);
    let workers = vec![
        worker(&port, 0, places[0], Alertable::No),
        worker(&port, 1, places[1], Alertable::No),
    ];
    let timer = spawn(&port, |port| port.run_out(1));
    port.post(1);
    port.post(2);
    assert_eq!(packets_of(workers), [1, 2]);
    timer.join().unwrap();
    expect_empty(&port);
}

/// Two packets for two pollers; the eventfd's writes may coalesce, and one edge wakes `wakeup`.
pub fn two_posts_two_pollers(wakeup: Wakeup) {
    let port = Arc::new(Port::new(2, 2, wakeup));
    let places = [port.sit(0, Alertable::No), port.sit(1, Alertable::No)];
    assert_eq!(places, [Place::Polling; 2]);
    let workers = vec![
        worker(&port, 0, places[0], Alertable::No),
        worker(&port, 1, places[1], Alertable::No),
    ];
    let poster = spawn(&port, |port| port.post(1));
    port.post(2);
    assert_eq!(packets_of(workers), [1, 2]);
    poster.join().unwrap();
    expect_empty(&port);
}

/// Two packets for two pollers, and the time of one of them runs out.
pub fn two_posts_two_pollers_one_time_out() {
    let port = port(2, 2);
    let places = [port.sit(0, Alertable::No), port.sit(1, Alertable::No)];
    let workers = vec![
        worker(&port, 0, places[0], Alertable::No),
        worker(&port, 1, places[1], Alertable::No),
    ];
    let timer = spawn(&port, |port| port.run_out(0));
    port.post(1);
    port.post(2);
    assert_eq!(packets_of(workers), [1, 2]);
    timer.join().unwrap();
    expect_empty(&port);
}

/// One packet for three pollers: the most recent gets it, whoever the kernel wakes; then the port is closed.
pub fn post_to_the_most_recent_of_three_pollers(wakeup: Wakeup) {
    let port = Arc::new(Port::new(3, 3, wakeup));
    let places = [0, 1, 2].map(|thread| port.sit(thread, Alertable::No));
    assert_eq!(places, [Place::Polling; 3]);
    let waiters =
        [0, 1, 2].map(|thread| spawn(&port, move |port| port.wait(thread, places[thread])));
    port.post(1);
    let [first, second, most_recent] = waiters;
    let outcome = most_recent.join().unwrap();
    assert_eq!(outcome, Outcome::Packet(1), "LIFO: among pollers");
    assert_eq!(port.close(), 0);
    for waiter in [first, second] {
        assert_eq!(waiter.join().unwrap(), Outcome::Abandoned);
    }
    expect_empty(&port);
}

/// The poller harvests while a more recent thread is benched: that one gets the packet, then roles change.
pub fn harvest_under_a_more_recent_waiter() {
    let port = port(1, 2);
    let places = [port.sit(0, Alertable::No), port.sit(1, Alertable::No)];
    assert_eq!(places, [Place::Polling, Place::Benched]);
    let poller = worker(&port, 0, places[0], Alertable::No);
    let benched = worker(&port, 1, places[1], Alertable::No);
    let peer = spawn(&port, |port| port.network(1));
    peer.join().unwrap();
    port.network(2);
    assert_eq!(
        benched.join().unwrap(),
        Outcome::Packet(1),
        "LIFO: the most recent waiter is released first"
    );
    assert_eq!(poller.join().unwrap(), Outcome::Packet(2));
    expect_empty(&port);
}

/// Pollers and a benched thread wait; the port is closed while a packet is posted.
pub fn close_against_waiters_and_a_post(wakeup: Wakeup) {
    let port = Arc::new(Port::new(2, 3, wakeup));
    let places = [0, 1, 2].map(|thread| port.sit(thread, Alertable::No));
    assert_eq!(places, [Place::Polling, Place::Polling, Place::Benched]);
    let waiters =
        [0, 1, 2].map(|thread| spawn(&port, move |port| port.wait(thread, places[thread])));
    let closer = spawn(&port, |port| port.close());
    let accepted = port.post(1);
    let outcomes = waiters.map(|waiter| waiter.join().unwrap());
    let delivered = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Packet(1))
        .count();
    let abandoned = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Abandoned)
        .count();
    assert_eq!(
        delivered + abandoned,
        3,
        "P6: a waiter of a closed port left with neither: {outcomes:?}"
    );
    assert_eq!(
        delivered + closer.join().unwrap(),
        usize::from(accepted),
        "P1: the packet"
    );
    expect_empty(&port);
}

/// The time of a poller runs out while the port is closed; a second one waits for ever.
pub fn close_against_time_out() {
    let port = port(2, 2);
    let places = [0, 1].map(|thread| port.sit(thread, Alertable::No));
    let waiters = [0, 1].map(|thread| spawn(&port, move |port| port.wait(thread, places[thread])));
    let timer = spawn(&port, |port| port.run_out(0));
    assert_eq!(port.close(), 0);
    let [timed, endless] = waiters.map(|waiter| waiter.join().unwrap());
    assert!(
        matches!(timed, Outcome::TimedOut | Outcome::Abandoned),
        "P6: {timed:?}"
    );
    assert_eq!(endless, Outcome::Abandoned, "P6: no time runs out here");
    timer.join().unwrap();
}

/// A call with time-out 0 comes while a packet is granted to a poller.
pub fn late_poll_against_granted() {
    let port = port(2, 2);
    let place = port.sit(0, Alertable::No);
    let waiter = worker(&port, 0, place, Alertable::No);
    let late = spawn(&port, |port| port.get_now(1));
    port.post(1);
    let late = late.join().unwrap();
    let expected = match late {
        Outcome::Packet(packet) => 3 - packet,
        _ => 1,
    };
    if expected == 2 {
        port.post(2);
    }
    assert_eq!(packets_of(vec![waiter]), [expected]);
    expect_empty(&port);
}

/// A call with time-out 0 comes while the port is closed under a poller.
pub fn late_poll_against_close() {
    let port = port(2, 2);
    let place = port.sit(0, Alertable::No);
    let waiter = spawn(&port, move |port| port.wait(0, place));
    let late = spawn(&port, |port| port.get_now(1));
    port.close();
    assert_eq!(waiter.join().unwrap(), Outcome::Abandoned);
    assert!(matches!(
        late.join().unwrap(),
        Outcome::Abandoned | Outcome::TimedOut
    ));
}

/// An APC comes for an alertable waiter while it is handed a packet: the packet wins, the APC is not lost.
pub fn apc_against_hand_over() {
    let port = port(1, 1);
    let place = port.sit(0, Alertable::Yes);
    assert_eq!(place, Place::Benched);
    let waiter = spawn(&port, move |port| port.wait(0, place));
    let caller = spawn(&port, |port| port.queue_apc(0));
    port.post(1);
    let first = waiter.join().unwrap();
    caller.join().unwrap();
    match first {
        Outcome::Packet(1) => assert_eq!(
            port.get(0, Alertable::Yes),
            Outcome::Apc,
            "P6: the APC was lost"
        ),
        Outcome::Apc => assert_eq!(
            port.get(0, Alertable::Yes),
            Outcome::Packet(1),
            "P1: the packet was lost"
        ),
        other => panic!("P6: {other:?}"),
    }
    expect_empty(&port);
}

/// As above, and the waiter's time may run out as well.
pub fn apc_and_time_out_against_hand_over() {
    let port = port(1, 1);
    let place = port.sit(0, Alertable::Yes);
    let waiter = worker(&port, 0, place, Alertable::Yes);
    let caller = spawn(&port, |port| port.queue_apc(0));
    let timer = spawn(&port, |port| port.run_out(0));
    port.post(1);
    assert_eq!(packets_of(vec![waiter]), [1]);
    caller.join().unwrap();
    timer.join().unwrap();
    expect_empty(&port);
}

/// The only running thread blocks elsewhere and comes back, while the poller harvests what may not run yet.
///
/// Whoever lowers the active count has to release the next thread, and to make a benched one the poller.
pub fn worker_blocks_elsewhere() {
    let port = port(1, 3);
    port.post(0);
    assert_eq!(port.get(0, Alertable::No), Outcome::Packet(0));
    let places = [port.sit(1, Alertable::No), port.sit(2, Alertable::No)];
    assert_eq!(places, [Place::Polling, Place::Benched]);
    let workers = vec![
        worker(&port, 1, places[0], Alertable::No),
        worker(&port, 2, places[1], Alertable::No),
    ];
    let running = spawn(&port, |port| {
        port.lower(0);
        port.raise(0);
        port.leave(0);
    });
    port.network(1);
    port.network(2);
    assert_eq!(packets_of(workers), [1, 2]);
    running.join().unwrap();
    expect_empty(&port);
}

/// Limit 1: the counted thread sleeps outside the library until the next packet has been handled.
pub fn counted_thread_sleeps_outside() {
    let port = port(1, 2);
    port.post(1);
    assert_eq!(port.get(0, Alertable::No), Outcome::Packet(1));
    port.post(2);
    let handled = Arc::new((Mutex::new(false), Condvar::new()));
    let sleeper = spawn(&port, {
        let handled = handled.clone();
        move |port| {
            let mut done = handled.0.lock().unwrap();
            while !*done {
                done = handled.1.wait(done).unwrap();
            }
            drop(done);
            port.leave(0);
        }
    });
    let helper = spawn(&port, |port| port.count_out_when_armed(0));
    assert_eq!(port.get(1, Alertable::No), Outcome::Packet(2));
    *handled.0.lock().unwrap() = true;
    handled.1.notify_one();
    sleeper.join().unwrap();
    helper.join().unwrap();
    port.leave(1);
    expect_empty(&port);
}
