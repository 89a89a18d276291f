//! The models with one bug put in: each must be found, and as what it is.
//!
//! One test per invariant at least; the message that is expected says which one the model saw broken. "deadlock" is
//! loom's word for a thread that sleeps for ever: a packet or a notification did not reach it.
//!
//! A model that fails may take its process along (loom unwinds threads that hold its locks), so each is explored in
//! a process of its own: this program again, told by the environment to explore.

/// `dispatch.rs` of wharf-sys with bugs that can be switched on, and the checks of its invariants.
#[allow(dead_code, reason = "the models use a part of it")]
mod dispatch {
    include!(concat!(env!("OUT_DIR"), "/dispatch_seeded.rs"));
}
/// `direction.rs` of wharf-sys with bugs that can be switched on.
#[allow(dead_code, reason = "the models use a part of it")]
mod direction {
    include!(concat!(env!("OUT_DIR"), "/direction_seeded.rs"));
}
/// `place.rs` of wharf-sys with bugs that can be switched on, on loom's atomics and the model's memory.
#[allow(dead_code, reason = "the models use a part of it")]
mod place {
    include!(concat!(env!("OUT_DIR"), "/place_seeded.rs"));
}
/// `lookout.rs` of wharf-sys with bugs that can be switched on.
#[allow(dead_code, reason = "the models use a part of it")]
mod lookout {
    include!(concat!(env!("OUT_DIR"), "/lookout_seeded.rs"));
}
/// `parker.rs` of wharf-sys with bugs that can be switched on.
#[allow(dead_code, reason = "the models use a part of it")]
mod parker {
    include!(concat!(env!("OUT_DIR"), "/parker_seeded.rs"));
}
#[allow(dead_code, reason = "some of it serves models.rs only")]
mod model;

use std::process::Command;

use model::set::Wakeup;
use model::{
    Bug, arming, deferring, explore_with, lookouts, moving, parking, places, ports, sockets, system,
};

const EXPLORE: &str = "WHARF_EXPLORE_SEEDED";

/// Explores one test's model in another process, and expects it to fail with `message`.
fn expect_found(test: &str, message: &str) {
    let program = std::env::current_exe().expect("the test knows its program");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(EXPLORE, test)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test's program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the bug was not found");
    assert!(
        said.contains(message),
        "the bug was found as something else:\n{said}"
    );
}

/// Each line: a bug, the model that finds it, and as what.
macro_rules! found {
    ($($name:ident: $bug:ident in $model:expr, as $message:literal;)*) => {
        $(
            #[test]
            fn $name() {
                match std::env::var_os(EXPLORE) {
                    Some(_) => explore_with(Bug::$bug, $model),
                    None => expect_found(stringify!($name), $message),
                }
            }
        )*
    };
}

found! {
    // P1: no packet lost, none twice
    p1_time_out_looked_at_before_the_hand_over: TimeOutBeforeHandOver
        in ports::post_against_time_out_of_a_lone_benched_waiter, as "deadlock";
    p1_time_out_looked_at_before_the_grant: TimeOutBeforeGrant
        in ports::post_against_time_out_of_a_poller, as "pollers are miscounted";
    // P2: the active count
    p2_late_poll_takes_what_was_granted: LatePollTakesGranted
        in ports::late_poll_against_granted, as "P2";
    p2_packet_picked_up_is_counted_twice: GrantIsCountedTwice
        in ports::post_against_time_out_of_a_poller, as "P2";
    // P3: the release rule
    p3_lower_without_release: LowerForgetsRelease in ports::worker_blocks_elsewhere, as "P3";
    p3_liveness_armed_by_packets_only: WaiterDoesNotArm in ports::counted_thread_sleeps_outside, as "deadlock";
    p3_lifo_poller_serves_itself_first: PollerServesItselfFirst
        in ports::harvest_under_a_more_recent_waiter, as "LIFO";
    p3_lifo_any_poller_takes_the_grant: AnyPollerTakesTheGrant
        in || ports::post_to_the_most_recent_of_three_pollers(Wakeup::One), as "deadlock";
    // P4: somebody polls
    p4_nobody_becomes_the_poller: NobodyBecomesPoller in ports::worker_blocks_elsewhere, as "P4";
    // P5: a granted packet has a wake on its way
    p5_grant_without_a_write: GrantIsSilent in ports::post_against_time_out_of_a_poller, as "deadlock";
    p5_chain_is_forgotten: ChainIsForgotten in || ports::two_posts_two_pollers(Wakeup::One), as "deadlock";
    p5_misdirected_poller_keeps_the_wake: MisdirectedKeepsTheWake
        in || ports::two_posts_two_pollers(Wakeup::One), as "deadlock";
    p5_edge_is_stolen_from_a_grant: EdgeIsStolen in ports::late_poll_against_granted, as "deadlock";
    p5_edge_is_stolen_from_close: EdgeIsStolen in ports::late_poll_against_close, as "deadlock";
    // P6: every waiter leaves, once
    p6_close_forgets_the_benched: CloseForgetsBenched in || ports::close_against_waiters_and_a_post(Wakeup::One), as "deadlock";
    p6_close_chain_is_forgotten: CloseChainIsForgotten in || ports::close_against_waiters_and_a_post(Wakeup::One), as "deadlock";
    p6_notification_before_parking_is_forgotten: BenchForgetsToken in ports::apc_against_hand_over, as "deadlock";

    // the helper: requests progress even when nobody waits
    last_poller_does_not_arm: LastPollerDoesNotArm
        in arming::request_against_leaving_and_disarming, as "deadlock";
    disarm_does_not_look_again: DisarmDoesNotLookAgain
        in arming::request_against_leaving_and_disarming, as "deadlock";
    parked_without_a_fence: ParkedWithoutFence
        in arming::request_against_leaving_and_disarming, as "deadlock";

    // D1: one attempt at a time, in call order
    d1_two_owners: OwnershipIsShared in sockets::two_pushers, as "D1";
    d1_delivery_after_ownership: DeliveredAfterOwnership in sockets::two_pushers, as "D1: results";
    d1_let_go_before_the_delivery: LetGoBeforeDelivery
        in sockets::gathered_result_against_the_next_receive, as "D1: results";
    d1_parked_before_the_delivery: ParkedBeforeDelivery
        in sockets::gathered_result_against_the_next_edge, as "D1: results";
    d1_close_overtakes_the_owner: ClosesBesideTheOwner
        in sockets::close_behind_an_owner, as "D1: not attempted";
    d1_blocked_head_loses_its_place: BlockedHeadGoesToTheEnd
        in sockets::two_pushers, as "D1: requests";
    d1_company_loses_its_place: CompanyGoesToTheEnd in sockets::datagrams_during_attempt, as "D1: requests";
    // D2: no lost wake-up
    d2_ready_is_cleared_after_the_attempt: ReadyIsClearedAfterAttempt
        in sockets::edges_during_short_attempts, as "deadlock";
    d2_end_is_forgotten: EndIsForgotten in sockets::data_and_fin_in_one_edge, as "deadlock";
    d2_short_result_believed_before_an_edge_could_come: ShortBelievedUnwatched
        in sockets::edges_during_short_attempts, as "deadlock";
    d2_parked_without_being_watched: ParkedUnwatched in sockets::data_and_fin_in_one_edge, as "deadlock";
    d2_close_is_not_noticed_by_the_owner: MarkIsForgotten in sockets::close_against_attempt, as "deadlock";
    d2_cancel_is_not_noticed_in_company: CompanyIsNotMarked in sockets::cancel_against_company, as "deadlock";
    d2_close_is_not_noticed_in_company: CompanyOutlivesClose in sockets::close_against_company, as "deadlock";
    d2_hand_on_is_silent: HandOnIsSilent in || sockets::hand_on_against_close(false), as "deadlock";
    // D3: exactly once
    d3_canceller_and_owner_both_finish: CancelFinishesMarked in sockets::cancel_against_attempt, as "D3";
    // D4: bytes taken are reported
    d4_cancel_wins_over_bytes: MarkBeatsSuccess in sockets::cancel_against_attempt, as "D4";

    // and of another descriptor in the same place
    d2_new_descriptor_is_believed_empty: RenewedUnready
        in moving::renewal_of_an_unwatched_socket, as "deadlock";
    d2_new_stream_has_the_old_end: EndSurvives
        in moving::renewal_of_an_unwatched_socket, as "the end of the old stream";
    d2_end_of_the_new_stream_is_forgotten: RenewedAfterAdd in moving::edge_against_renewal, as "deadlock";
    // D5: a request that moves is in one of two places
    d5_cancel_looks_behind_first: CancelLooksBehindFirst in moving::cancel_against_move, as "D5";
    d5_request_is_nowhere: MoveLeavesFirst in moving::cancel_against_move, as "D5";
    d5_close_comes_as_a_cancel: MarkIsACancel in moving::close_against_move, as "D5: a close";
    d5_mark_stays_behind: MarkStaysBehind in moving::cancel_against_move, as "deadlock";

    // S1: every deferred send is attempted
    s1_deferrer_does_not_look_again: DeferrerDoesNotLookAgain
        in deferring::last_packet_against_deferring, as "S1";
    s1_empty_queue_without_a_fence: EmptyQueueWithoutFence
        in deferring::last_packet_against_deferring, as "S1";
    s1_helper_stops_without_a_last_look: HelperStopsWithoutLook
        in deferring::helper_against_deferring, as "deadlock";
    s1_helper_forgets_who_is_in_a_hurry: HelperForgetsHurry
        in deferring::helper_against_deferring, as "deadlock";
    // S2: a socket with a deferred head is in the list
    s2_flusher_leaves_the_mark: FlusherLeavesTheMark in deferring::cancel_against_flush, as "S2";
    // S3: in call order, once
    s3_later_send_passes_the_queue_by: LaterSendPassesBy in deferring::later_send_against_flush, as "D1";
    // S4: what was deferred went before what came after
    s4_close_does_not_wait_for_a_flush: FlushIsOvertaken in deferring::close_against_flush, as "S4";
    s4_flush_is_forgotten: FlushIsForgotten in deferring::close_against_flush, as "S4";

    // T1: a value that is looked at stays
    t1_emptied_while_pinned: EmptiedWhilePinned in places::looks_against_removal, as "Concurrent read and write accesses";
    t1_unpinned_without_release: UnpinnedWithoutRelease
        in places::looks_against_removal, as "Causality violation";
    t1_filled_without_release: FilledWithoutRelease in places::looks_against_reuse, as "Causality violation";
    // T2: a value that was removed goes once, and so its place becomes vacant
    t2_last_pin_does_not_empty: LastPinDoesNotEmpty in places::looks_against_removal, as "never became vacant";
    t2_failed_look_does_not_empty: FailedLookDoesNotEmpty
        in places::looks_against_removal, as "never became vacant";
    t2_emptied_by_two: EmptiedWithoutClaim in places::looks_against_removal, as "Concurrent write accesses";
    t2_removed_by_two: RetiredTwice in places::two_removals, as "removed by two";
    // T3: a key finds its own value or nothing
    t3_generation_stays: GenerationStays in places::looks_against_reuse, as "generation did not change";

    // the parker
    parking_overwrites_a_notification: ParkOverwritesNotification
        in parking::two_wakers_two_futex_sleeps, as "deadlock";
    poll_is_woken_like_a_futex: PollIsNotWoken in parking::two_wakers_two_polls, as "deadlock";
    set_is_woken_like_a_futex: SetIsNotWoken in parking::two_wakers_two_sets, as "deadlock";
    set_is_named_late: WakerIsToldLate in parking::two_wakers_two_sets, as "deadlock";

    // L1: one sleeper
    l1_everybody_keeps: EverybodyKeeps in lookouts::two_waits_two_events, as "L1";
    // L2: every wait ends
    l2_hand_over_is_silent: HandOverIsSilent in lookouts::two_waits_two_events, as "deadlock";
    l2_who_is_gone_takes_over: WhoIsGoneTakesOver in lookouts::hand_over_against_notification, as "deadlock";
    l2_passing_harvest_keeps_the_wake: PassingHarvestKeepsTheWake
        in lookouts::notification_against_passing_harvest, as "deadlock";
    l2_sleeper_is_counted_late: SleeperIsCountedLate
        in lookouts::notification_against_passing_harvest, as "deadlock";
    // L3: while threads wait, one of them keeps the lookout
    l3_nobody_takes_over: NobodyTakesOver in lookouts::two_waits_two_events, as "L3";
    // L4: otherwise the helper does
    l4_vacancy_is_silent: VacancyIsSilent in lookouts::event_against_vacancy, as "deadlock";
}
