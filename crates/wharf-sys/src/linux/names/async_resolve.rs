//! Look-ups that the program does not wait for, or only for so long: what GetAddrInfoEx does when it is asynchronous.
//!
//! A thread of the pool asks. Meanwhile the look-up stands in a table, under the number that the program may cancel it by.
//! Whoever takes it out ends it: the thread that asked, a cancellation, or the clock. So it ends once, and only who ends it
//! touches the program's memory; what nobody waits for any more is asked to its end and dropped.
//!
//! An event is signalled by whoever ends the look-up. A routine is the program's code: it runs on a thread of the pool,
//! never inside a call that cancels.
//!
//! Source: "GetAddrInfoExW", "GetAddrInfoExCancel".

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::mpsc::channel;

use super::resolve::Resolved;
use crate::platform::lock::Lock;
use crate::platform::objects::timer::{self, Appointment};
use crate::platform::status::Status;
use crate::platform::threads::parker::{Deadline, time_left};
use crate::platform::threads::pool;
use crate::platform::threads::thread;

/// What a look-up says.
pub type Answer = Result<Resolved, Status>;

/// Who started a look-up.
pub trait Asker: Send {
    /// Stores the answer where the program expects it.
    fn store(&mut self, answer: Answer);

    /// Whether telling it runs the program's code.
    fn is_called(&self) -> bool;

    /// Tells that the answer is there. The program's memory is its own from then on.
    fn tell(self: Box<Self>);
}

/// The number of something under way. No two are alike, and all are odd, so none is a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(u64);

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Number {
    /// As the program knows it.
    pub fn value(self) -> usize {
        self.0 as usize
    }

    /// The number of that value, if it was ever given out.
    pub fn given_out(value: usize) -> Option<Number> {
        let number = value as u64;
        (number % 2 == 1 && number < NEXT_NUMBER.load(Relaxed)).then_some(Number(number))
    }
}

/// What is under way, by its number. Taking something out is the right to end it.
pub struct Pending<T>(Lock<BTreeMap<Number, T>>);

impl<T> Pending<T> {
    /// Nothing.
    pub const fn new() -> Pending<T> {
        Pending(Lock::new(BTreeMap::new()))
    }

    /// One more.
    pub fn add(&self, item: T) -> Number {
        let number = Number(NEXT_NUMBER.fetch_add(2, Relaxed));
        self.0.lock().insert(number, item);
        number
    }

    /// Takes it out, if nobody has.
    pub fn take(&self, number: Number) -> Option<T> {
        self.0.lock().remove(&number)
    }

    /// As [`take`](Self::take), after something is done with it that is over for everybody who finds it gone.
    pub fn take_after(&self, number: Number, act: impl FnOnce(&mut T)) -> Option<T> {
        let mut items = self.0.lock();
        act(items.get_mut(&number)?);
        items.remove(&number)
    }
}

struct Lookup {
    asker: Box<dyn Asker>,
    limit: Option<Appointment>, // with the clock, which is called off when the look-up ends
}

static LOOKUPS: Pending<Lookup> = Pending::new();

/// Where a look-up is ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a thread of the pool.
    Pool,
    /// Elsewhere: no code of the program may run here.
    Elsewhere,
}

impl Lookup {
    fn end(self, answer: Answer, place: Place) {
        let mut asker = self.asker;
        asker.store(answer);
        match asker.is_called() && place == Place::Elsewhere {
            true => pool::run_at_once(Box::new(move || asker.tell())),
            false => asker.tell(),
        }
    }
}

/// Starts to `ask`; the asker is told of the answer, or at the deadline of `TIMED_OUT`.
///
/// `number_out` is given the number before anything can end.
///
/// # Errors
/// `NOT_ENOUGH_MEMORY`, `INSUFFICIENT_RESOURCES`: nobody will be told anything.
pub fn start(
    ask: impl FnOnce() -> Answer + Send + 'static,
    deadline: Deadline,
    asker: Box<dyn Asker>,
    number_out: impl FnOnce(Number),
) -> Result<(), Status> {
    if deadline.is_some() {
        timer::start_clock()?;
    }
    let number = LOOKUPS.add(Lookup { asker, limit: None });
    number_out(number);
    let run = move || {
        let answer = ask();
        end(number, answer, Place::Pool);
    };
    if let Err(status) = pool::run(Box::new(run)) {
        drop(LOOKUPS.take(number));
        return Err(status);
    }
    if let Some(deadline) = deadline {
        let expire = move || {
            end(number, Err(Status::TIMED_OUT), Place::Elsewhere);
        };
        let appointment = timer::call_at(deadline, Box::new(expire));
        if let Some(lookup) = LOOKUPS.0.lock().get_mut(&number) {
            lookup.limit = Some(appointment);
        }
    }
    Ok(())
}

/// Ends a look-up, unless somebody has.
fn end(number: Number, answer: Answer, place: Place) -> Option<()> {
    LOOKUPS.take(number).map(|lookup| lookup.end(answer, place))
}

/// Ends a look-up without a result. The asker is told.
///
/// # Errors
/// `NO_SUCH_HANDLE` if it has ended, or there was none.
pub fn cancel(value: usize) -> Result<(), Status> {
    Number::given_out(value)
        .and_then(|number| end(number, Err(Status::LOOKUP_CANCELLED), Place::Elsewhere))
        .ok_or(Status::NO_SUCH_HANDLE)
}

/// Asks and waits for the answer until the deadline.
///
/// # Errors
/// `TIMED_OUT`, `NOT_ENOUGH_MEMORY`, and those of `ask`.
pub fn wait_for(ask: impl FnOnce() -> Answer + Send + 'static, deadline: Deadline) -> Answer {
    let Some(time) = time_left(deadline) else {
        return ask();
    };
    let (told, answer) = channel();
    pool::run(Box::new(move || {
        let _ = told.send(ask()); // too late is too late
    }))?;
    let _blocked = thread::block();
    answer.recv_timeout(time).unwrap_or(Err(Status::TIMED_OUT))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender};
    use std::thread::{self, ThreadId};
    use std::time::{Duration, Instant};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    /// An asker that writes down what it is told, and on which thread.
    struct Notes {
        answer: Option<Answer>,
        is_called: bool,
        told: Sender<(Answer, ThreadId)>,
    }

    impl Asker for Notes {
        fn store(&mut self, answer: Answer) {
            assert!(self.answer.replace(answer).is_none(), "stored twice");
        }

        fn is_called(&self) -> bool {
            self.is_called
        }

        fn tell(self: Box<Self>) {
            let answer = self.answer.expect("the answer is stored first");
            self.told.send((answer, thread::current().id())).unwrap();
        }
    }

    /// A look-up whose answer comes when the sender is used or dropped.
    fn started(
        is_called: bool,
        deadline: Deadline,
    ) -> (Number, Sender<()>, Receiver<(Answer, ThreadId)>) {
        let (told, notes) = channel();
        let (answer, answered) = channel::<()>();
        let ask = move || {
            let _ = answered.recv();
            Ok(Resolved {
                addresses: Vec::new(),
                canonical_name: None,
            })
        };
        let asker = Box::new(Notes {
            answer: None,
            is_called,
            told,
        });
        let mut number = None;
        start(ask, deadline, asker, |given| number = Some(given)).unwrap();
        (number.unwrap(), answer, notes)
    }

    fn code(answer: Answer) -> u32 {
        answer.err().map_or(0, Status::to_winsock)
    }

    /// Source: GetAddrInfoExW, lpCompletionRoutine and lpHandle.
    #[test]
    fn an_answer_is_told_once_and_ends_the_number() {
        let (number, answer, notes) = started(true, None);
        assert!(notes.try_recv().is_err());
        drop(answer);
        let (told, thread) = notes.recv_timeout(DEADLINE).unwrap();
        assert_eq!(code(told), 0);
        assert_ne!(thread, thread::current().id());
        assert_eq!(cancel(number.value()), Err(Status::NO_SUCH_HANDLE));
        assert!(notes.recv_timeout(DEADLINE).is_err(), "the asker is gone");
    }

    /// Source: GetAddrInfoExCancel, remarks: told at once, with WSA_E_CANCELLED; the sample waits for its routine with no
    /// lock held, but a program may cancel under a lock that its routine takes.
    #[test]
    fn a_cancelled_lookup_is_told_at_once_and_its_answer_to_nobody() {
        for is_called in [true, false] {
            let (number, answer, notes) = started(is_called, None);
            assert_eq!(cancel(number.value()), Ok(()));
            let (told, thread) = notes.recv_timeout(DEADLINE).unwrap();
            assert_eq!(code(told), 10111);
            assert_eq!(thread == thread::current().id(), !is_called);
            assert_eq!(cancel(number.value()), Err(Status::NO_SUCH_HANDLE));
            drop(answer);
            assert!(notes.recv_timeout(DEADLINE).is_err(), "the asker is gone");
        }
    }

    /// Source: GetAddrInfoExW, timeout.
    #[test]
    fn a_deadline_ends_a_lookup() {
        for is_called in [true, false] {
            let begun = Instant::now();
            let time = Duration::from_millis(30);
            let (number, _answer, notes) = started(is_called, Some(begun + time));
            let (told, thread) = notes.recv_timeout(DEADLINE).unwrap();
            assert_eq!(code(told), 10060);
            assert!(begun.elapsed() >= time);
            assert_ne!(thread, thread::current().id());
            assert_eq!(cancel(number.value()), Err(Status::NO_SUCH_HANDLE));
        }
    }

    #[test]
    fn a_lookup_that_ends_in_time_calls_its_deadline_off() {
        let (_, answer, notes) = started(false, Some(Instant::now() + DEADLINE));
        drop(answer);
        assert_eq!(code(notes.recv_timeout(DEADLINE).unwrap().0), 0);
        let (number, _answer, notes) = started(false, Some(Instant::now() + DEADLINE));
        cancel(number.value()).unwrap();
        assert_eq!(code(notes.recv_timeout(DEADLINE).unwrap().0), 10111);
    }

    /// Source: GetAddrInfoExW, timeout (it is not said to be for asynchronous calls only).
    #[test]
    fn who_waits_waits_so_long() {
        let (answer, answered) = channel::<()>();
        let begun = Instant::now();
        let ask = move || {
            let _ = answered.recv();
            Err(Status::NO_DATA)
        };
        let waited = wait_for(ask, Some(begun + Duration::from_millis(30)));
        assert_eq!(code(waited), 10060);
        assert!(begun.elapsed() >= Duration::from_millis(30));
        drop(answer);
        let in_time = wait_for(|| Err(Status::NO_DATA), Some(begun + DEADLINE));
        assert_eq!(code(in_time), 11004);
    }

    /// Cancelled and answered at the same moment, each look-up is told one of the two, once.
    #[test]
    fn answer_and_cancellation_race_for_one_end() {
        for _ in 0..500 {
            let (number, answer, notes) = started(true, None);
            let gate = Arc::new(std::sync::Barrier::new(2));
            let canceller = thread::spawn({
                let gate = gate.clone();
                move || {
                    gate.wait();
                    cancel(number.value())
                }
            });
            gate.wait();
            drop(answer);
            let told = code(notes.recv_timeout(DEADLINE).unwrap().0);
            let cancelled = canceller.join().unwrap();
            assert_eq!(told, if cancelled.is_ok() { 10111 } else { 0 });
            assert!(notes.recv_timeout(DEADLINE).is_err(), "told twice");
        }
    }

    #[test]
    fn numbers_are_told_from_handles() {
        let (number, _answer, _notes) = started(false, None);
        assert_eq!(number.value() % 2, 1);
        assert_eq!(Number::given_out(number.value()), Some(number));
        for value in [0, 2, usize::MAX, number.value() + 1] {
            assert_eq!(Number::given_out(value), None);
            assert_eq!(cancel(value), Err(Status::NO_SUCH_HANDLE));
        }
        cancel(number.value()).unwrap();
    }
}
