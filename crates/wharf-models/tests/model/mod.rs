//! What the models share: bugs that can be switched on, the exploration, and the engine's surroundings.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub mod arming;
pub mod deferring;
pub mod lookouts;
pub mod memory;
pub mod moving;
pub mod parking;
pub mod places;
pub mod port;
pub mod ports;
pub mod set;
pub mod socket;
pub mod sockets;
pub mod system;

/// A bug that a model must find. Those marked "text" are put into the state machine itself by `build.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    // a port
    /// Text: a thread that gives its place away does not release the next.
    LowerForgetsRelease,
    /// Text: no benched thread is told to poll when nobody does.
    NobodyBecomesPoller,
    /// Text: a poller that took a granted packet does not pass the wake on.
    ChainIsForgotten,
    /// Text: whichever poller returns first takes a packet that was granted to another one.
    AnyPollerTakesTheGrant,
    /// Text: a poller that was woken for another one's packet does not pass the wake on.
    MisdirectedKeepsTheWake,
    /// Text: a poller that leaves a closed port does not pass the wake on.
    CloseChainIsForgotten,
    /// Text: a call that does not wait helps itself to a packet that was granted to a poller.
    LatePollTakesGranted,
    /// Text: a benched thread whose time ran out does not look at what it was handed.
    TimeOutBeforeHandOver,
    /// Text: a poller whose time ran out does not look at what was granted.
    TimeOutBeforeGrant,
    /// Text: closing leaves the benched threads asleep.
    CloseForgetsBenched,
    /// Text: a poller keeps what it harvested although a more recent thread is benched.
    PollerServesItselfFirst,
    /// Text: picking a packet up counts the thread a second time.
    GrantIsCountedTwice,
    /// Granting a packet does not write the eventfd.
    GrantIsSilent,
    /// A harvest in passing swallows the eventfd's edge.
    EdgeIsStolen,
    /// The helper is told of a stall only when a packet arrives, not when a waiter does.
    WaiterDoesNotArm,
    /// A thread looks whether it was handed something before it looks for a notification, then sleeps without one.
    BenchForgetsToken,
    /// The poller that leaves as the last one does not arm the helper.
    LastPollerDoesNotArm,
    /// The helper stops ticking without a last look.
    DisarmDoesNotLookAgain,
    /// A request that pends looks for sleepers without a fence after it was counted.
    ParkedWithoutFence,
    // a socket's direction
    /// Text: an edge that came during the attempt is cleared after it.
    ReadyIsClearedAfterAttempt,
    /// Text: the end of the stream is not remembered.
    EndIsForgotten,
    /// Text: a second thread may attempt beside the owner.
    OwnershipIsShared,
    /// Text: a request that would block goes behind the others.
    BlockedHeadGoesToTheEnd,
    /// Text: the owner does not look whether its request was cancelled.
    MarkIsForgotten,
    /// Text: one of a head's company is not marked when it is cancelled.
    CompanyIsNotMarked,
    /// Text: what is left of a head's company waits again although the socket was closed.
    CompanyOutlivesClose,
    /// Text: what is left of a head's company goes behind the others.
    CompanyGoesToTheEnd,
    /// A short result is believed although no edge could have come yet.
    ShortBelievedUnwatched,
    /// A request is parked without the descriptor being registered.
    ParkedUnwatched,
    /// The result is delivered after ownership ended.
    DeliveredAfterOwnership,
    /// A direction is let go before what was gathered from it is delivered.
    LetGoBeforeDelivery,
    /// The same, when a further request found nothing.
    ParkedBeforeDelivery,
    /// closesocket does not wait for the owner to come to what is queued behind.
    ClosesBesideTheOwner,
    /// The mark is looked at before the result: bytes already taken are not reported.
    MarkBeatsSuccess,
    /// The canceller finishes the marked request, and so does its owner.
    CancelFinishesMarked,
    /// A thread that has done its share tells nobody to go on.
    HandOnIsSilent,
    // a request that moves, a descriptor that is replaced
    /// Text: the direction of a new descriptor keeps that an attempt would find nothing.
    RenewedUnready,
    /// Text: the direction of a new descriptor keeps the end of the old one.
    EndSurvives,
    /// A cancel looks first where a request may be on its way to.
    CancelLooksBehindFirst,
    /// A request leaves its direction before it is in the next one.
    MoveLeavesFirst,
    /// A cancel mark is not carried over to the next direction.
    MarkStaysBehind,
    /// The mark that is carried over is a cancel's, though it was a close's.
    MarkIsACancel,
    /// A direction is renewed when the new descriptor is in the epoll set already.
    RenewedAfterAdd,
    // deferred sends
    /// Text: the mark that a socket is in the list stays when it is taken out.
    FlusherLeavesTheMark,
    /// Text: that the owner attempts what was deferred is not remembered.
    FlushIsForgotten,
    /// A worker that deferred does not look whether packets are still queued.
    DeferrerDoesNotLookAgain,
    /// A worker that finds the queue empty looks at the list without a fence.
    EmptyQueueWithoutFence,
    /// The helper ends its short ticks without a last look.
    HelperStopsWithoutLook,
    /// The helper's last look overwrites what somebody else said meanwhile.
    HelperForgetsHurry,
    /// A send that is not deferred is attempted beside the queue.
    LaterSendPassesBy,
    /// A close does not wait for who attempts deferred sends at this moment.
    FlushIsOvertaken,
    // a place of a table
    /// Text: a value is dropped although somebody looks at it.
    EmptiedWhilePinned,
    /// Text: nobody empties the place.
    LastPinDoesNotEmpty,
    /// Text: a look that found nothing takes its pin back without emptying the place.
    FailedLookDoesNotEmpty,
    /// Text: two threads may empty the place.
    EmptiedWithoutClaim,
    /// Text: the next value has the same generation.
    GenerationStays,
    /// Text: a value that was removed can be removed again.
    RetiredTwice,
    /// Text: looking at a value is not ordered before its end.
    UnpinnedWithoutRelease,
    /// Text: a value is not complete before it can be found.
    FilledWithoutRelease,
    // the parker
    /// Text: parking overwrites a notification that came before.
    ParkOverwritesNotification,
    /// Text: a thread in ppoll is woken as if it slept on the futex.
    PollIsNotWoken,
    /// Text: a thread in an epoll set is woken as if it slept on the futex.
    SetIsNotWoken,
    /// Text: a thread says in which set it sleeps after it has said that it sleeps.
    WakerIsToldLate,
    // the lookout
    /// Text: every thread that waits takes itself for the keeper.
    EverybodyKeeps,
    /// Text: a keeper that leaves hands the lookout to nobody.
    NobodyTakesOver,
    /// Text: a thread whose wait is over may still be chosen.
    WhoIsGoneTakesOver,
    /// Who takes the lookout over is not woken.
    HandOverIsSilent,
    /// The helper is not told that nobody keeps the lookout.
    VacancyIsSilent,
    /// A harvest in passing keeps a wake that was meant for the keeper.
    PassingHarvestKeepsTheWake,
    /// A keeper is counted among the sleepers after its parker says that it sleeps.
    SleeperIsCountedLate,
}

thread_local! {
    // Not loom's: loom runs all threads of a model on the thread of its test.
    static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether this bug is on.
pub fn seeded(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

/// Explores a model with a bug switched on, which is expected to panic.
pub fn explore_with(bug: Bug, scenario: impl Fn() + Send + Sync + 'static) {
    SEEDED.set(Some(bug));
    explore(2, scenario);
}

/// Runs a model in every interleaving with at most so many preemptions per execution.
///
/// `WHARF_LOOM_PREEMPTIONS` raises the bound (a number), or removes it (`none`). A switch away from a thread that
/// blocks or ends is no preemption and always explored. A debug build is slow, and explores two at most.
pub fn explore(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound(preemptions);
    builder.max_branches = 10_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = executions.clone();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        scenario();
    });
    println!(
        "{} executions, preemptions: {:?}",
        executions.load(Relaxed),
        bound(preemptions)
    );
}

fn bound(default: usize) -> Option<usize> {
    match std::env::var("WHARF_LOOM_PREEMPTIONS") {
        Ok(value) if value == "none" => None,
        Ok(value) => Some(
            value
                .parse()
                .map_or(default, |wanted: usize| wanted.max(default)),
        ),
        Err(_) if cfg!(debug_assertions) => Some(default.min(2)),
        Err(_) => Some(default),
    }
}
