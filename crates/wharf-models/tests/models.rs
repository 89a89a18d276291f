//! The engine's protocols, explored by loom: every model runs the real state machines.
//!
//! What a model is about stands at its scenario. The number here is the bound explored: how many preemptions an execution
//! may have at most; switches away from a thread that blocks or ends are free, and time-outs are threads of their
//! own. With `WHARF_LOOM_PREEMPTIONS` the bound is higher, in debug builds lower.

/// `dispatch.rs` of wharf-sys, with the checks of its invariants appended.
#[allow(dead_code, reason = "the models use a part of it")]
mod dispatch {
    include!(concat!(env!("OUT_DIR"), "/dispatch.rs"));
}
/// `direction.rs` of wharf-sys.
#[allow(dead_code, reason = "the models use a part of it")]
mod direction {
    include!(concat!(env!("OUT_DIR"), "/direction.rs"));
}
/// `place.rs` of wharf-sys, on loom's atomics and the model's memory.
#[allow(dead_code, reason = "the models use a part of it")]
mod place {
    include!(concat!(env!("OUT_DIR"), "/place.rs"));
}
/// `lookout.rs` of wharf-sys.
#[allow(dead_code, reason = "the models use a part of it")]
mod lookout {
    include!(concat!(env!("OUT_DIR"), "/lookout.rs"));
}
/// `parker.rs` of wharf-sys, on loom's atomics and the model's system calls.
#[allow(dead_code, reason = "the models use a part of it")]
mod parker {
    include!(concat!(env!("OUT_DIR"), "/parker.rs"));
}
#[allow(dead_code, reason = "some of it serves seeded.rs only")]
mod model;

use model::set::Wakeup;
use model::{
    arming, deferring, explore, lookouts, moving, parking, places, ports, sockets, system,
};

// ---- a port's waiters: P1 to P6, no lost packet, none twice, nobody asleep with work for it ----

#[test]
fn post_against_time_out_of_a_poller() {
    explore(6, ports::post_against_time_out_of_a_poller);
}

#[test]
fn post_against_time_out_of_a_lone_benched_waiter() {
    explore(6, ports::post_against_time_out_of_a_lone_benched_waiter);
}

#[test]
fn posts_against_time_out_of_a_benched_waiter() {
    explore(3, ports::posts_against_time_out_of_a_benched_waiter);
}

#[test]
fn two_posts_two_pollers_one_edge_wakes_one() {
    explore(3, || ports::two_posts_two_pollers(Wakeup::One));
}

#[test]
fn two_posts_two_pollers_one_edge_wakes_all() {
    explore(3, || ports::two_posts_two_pollers(Wakeup::All));
}

#[test]
fn two_posts_two_pollers_one_time_out() {
    explore(3, ports::two_posts_two_pollers_one_time_out);
}

#[test]
fn post_to_the_most_recent_of_three_pollers_one_edge_wakes_one() {
    explore(3, || {
        ports::post_to_the_most_recent_of_three_pollers(Wakeup::One)
    });
}

#[test]
fn post_to_the_most_recent_of_three_pollers_one_edge_wakes_all() {
    explore(2, || {
        ports::post_to_the_most_recent_of_three_pollers(Wakeup::All)
    });
}

#[test]
fn harvest_under_a_more_recent_waiter() {
    explore(3, ports::harvest_under_a_more_recent_waiter);
}

#[test]
fn close_against_waiters_and_a_post() {
    explore(2, || ports::close_against_waiters_and_a_post(Wakeup::One));
}

#[test]
fn close_against_waiters_and_a_post_one_edge_wakes_all() {
    explore(2, || ports::close_against_waiters_and_a_post(Wakeup::All));
}

#[test]
fn close_against_time_out() {
    explore(3, ports::close_against_time_out);
}

#[test]
fn late_poll_against_granted() {
    explore(5, ports::late_poll_against_granted);
}

#[test]
fn late_poll_against_close() {
    explore(5, ports::late_poll_against_close);
}

#[test]
fn apc_against_hand_over() {
    explore(6, ports::apc_against_hand_over);
}

#[test]
fn apc_and_time_out_against_hand_over() {
    explore(3, ports::apc_and_time_out_against_hand_over);
}

#[test]
fn worker_blocks_elsewhere() {
    explore(3, ports::worker_blocks_elsewhere);
}

#[test]
fn counted_thread_sleeps_outside() {
    explore(5, ports::counted_thread_sleeps_outside);
}

#[test]
fn request_against_leaving_and_disarming() {
    explore(3, arming::request_against_leaving_and_disarming);
}

// ---- a socket's direction: D1 to D4 ----

#[test]
fn data_and_fin_in_one_edge() {
    explore(4, sockets::data_and_fin_in_one_edge);
}

#[test]
fn edges_during_short_attempts() {
    explore(4, sockets::edges_during_short_attempts);
}

#[test]
fn cancel_against_attempt() {
    explore(3, sockets::cancel_against_attempt);
}

#[test]
fn close_against_attempt() {
    explore(3, sockets::close_against_attempt);
}

#[test]
fn two_pushers() {
    explore(3, sockets::two_pushers);
}

#[test]
fn gathered_result_against_the_next_receive() {
    explore(4, sockets::gathered_result_against_the_next_receive);
}

#[test]
fn close_behind_an_owner() {
    explore(3, sockets::close_behind_an_owner);
}

#[test]
fn gathered_result_against_the_next_edge() {
    explore(3, sockets::gathered_result_against_the_next_edge);
}

#[test]
fn datagrams_during_attempt() {
    explore(3, sockets::datagrams_during_attempt);
}

#[test]
fn cancel_against_company() {
    explore(3, sockets::cancel_against_company);
}

#[test]
fn close_against_company() {
    explore(3, sockets::close_against_company);
}

#[test]
fn hand_on() {
    explore(4, || sockets::hand_on_against_close(false));
}

#[test]
fn hand_on_against_close() {
    explore(3, || sockets::hand_on_against_close(true));
}

// ---- a request that moves, a descriptor that is replaced: D2, D3, D5 ----

#[test]
fn cancel_against_move() {
    explore(4, moving::cancel_against_move);
}

#[test]
fn cancel_against_reuse() {
    explore(3, moving::cancel_against_reuse);
}

#[test]
fn close_against_move() {
    explore(4, moving::close_against_move);
}

#[test]
fn edge_against_renewal() {
    explore(4, moving::edge_against_renewal);
}

#[test]
fn renewal_of_an_unwatched_socket() {
    explore(4, moving::renewal_of_an_unwatched_socket);
}

// ---- deferred sends: S1 to S4 ----

#[test]
fn last_packet_against_deferring() {
    explore(6, deferring::last_packet_against_deferring);
}

#[test]
fn last_packet_against_two_deferring() {
    explore(3, deferring::last_packet_against_two_deferring);
}

#[test]
fn helper_against_deferring() {
    explore(3, deferring::helper_against_deferring);
}

#[test]
fn later_send_against_flush() {
    explore(3, deferring::later_send_against_flush);
}

#[test]
fn close_against_flush() {
    explore(5, deferring::close_against_flush);
}

#[test]
fn cancel_against_flush() {
    explore(5, deferring::cancel_against_flush);
}

// ---- a place of a table: T1 to T3 ----

#[test]
fn looks_against_removal() {
    explore(4, places::looks_against_removal);
}

#[test]
fn looks_against_reuse() {
    explore(5, places::looks_against_reuse);
}

#[test]
fn two_removals() {
    explore(4, places::two_removals);
}

// ---- the parker: no lost notification ----

#[test]
fn two_wakers_two_futex_sleeps() {
    explore(4, parking::two_wakers_two_futex_sleeps);
}

#[test]
fn two_wakers_two_polls() {
    explore(4, parking::two_wakers_two_polls);
}

#[test]
fn two_wakers_two_sets() {
    explore(4, parking::two_wakers_two_sets);
}

#[test]
fn futex_then_set() {
    explore(4, parking::futex_then_set);
}

#[test]
fn poll_then_futex() {
    explore(5, parking::poll_then_futex);
}

#[test]
fn socket_against_notification() {
    explore(6, parking::socket_against_notification);
}

#[test]
fn time_out_against_notification() {
    explore(6, parking::time_out_against_notification);
}

// ---- the lookout: L1 to L4, every wait for sockets ends ----

#[test]
fn two_waits_two_events() {
    explore(3, lookouts::two_waits_two_events);
}

#[test]
fn event_against_notification() {
    explore(3, lookouts::event_against_notification);
}

#[test]
fn hand_over_against_notification() {
    explore(2, lookouts::hand_over_against_notification);
}

#[test]
fn notification_against_passing_harvest() {
    explore(5, lookouts::notification_against_passing_harvest);
}

#[test]
fn event_against_vacancy() {
    explore(3, lookouts::event_against_vacancy);
}
