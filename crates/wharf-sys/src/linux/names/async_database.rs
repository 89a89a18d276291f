//! Tasks: entries of the database that are looked up while the program goes on, as Winsock 1.1 does it.
//!
//! As every look-up that nobody waits for (`async_resolve.rs`) a task stands in a table while a thread of the pool asks, and who
//! takes it out ends it. One that is cancelled is ended in silence: nothing of the program's is touched any more. Nor is it once
//! cancelling answers that a task is done: an answer is stored before the task leaves the table.
//!
//! Source: "WSAAsyncGetHostByName" and relatives, "WSACancelAsyncRequest".

use super::async_resolve::{Number, Pending};
use crate::platform::status::Status;
use crate::platform::threads::pool;

/// An entry with everything it points to, ready for where it goes; or why there is none.
pub type Answer = Result<Vec<u8>, Status>;

/// Who started a task.
pub trait Report: Send {
    /// Stores the answer where the program expects it. Under a lock: it does nothing else.
    fn store(&mut self, answer: Answer);

    /// Tells that the task with that number is done.
    fn tell(self: Box<Self>, task: usize);
}

static TASKS: Pending<Box<dyn Report>> = Pending::new();

/// Starts a task.
///
/// # Errors
/// `WOULD_BLOCK` if there is no thread for it now: nothing will be reported.
pub fn start(
    ask: impl FnOnce() -> Answer + Send + 'static,
    report: Box<dyn Report>,
) -> Result<Number, Status> {
    let number = TASKS.add(report);
    let run = move || {
        let answer = ask();
        if let Some(report) = TASKS.take_after(number, |report| report.store(answer)) {
            report.tell(number.value());
        }
    };
    match pool::run(Box::new(run)) {
        Ok(()) => Ok(number),
        Err(_) => {
            drop(TASKS.take(number));
            Err(Status::WOULD_BLOCK)
        }
    }
}

/// Ends a task in silence.
///
/// # Errors
/// `ALREADY` if it has ended, `INVALID` if there was none.
pub fn cancel(value: usize) -> Result<(), Status> {
    let number = Number::given_out(value).ok_or(Status::INVALID)?;
    TASKS.take(number).map(drop).ok_or(Status::ALREADY)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    struct Notes(Option<Answer>, Sender<(usize, Answer)>);

    impl Report for Notes {
        fn store(&mut self, answer: Answer) {
            assert!(self.0.replace(answer).is_none(), "stored twice");
        }

        fn tell(self: Box<Self>, task: usize) {
            let answer = self.0.expect("the answer is stored first");
            self.1.send((task, answer)).unwrap();
        }
    }

    /// A task whose answer comes when the sender is dropped.
    fn started() -> (Number, Sender<()>, Receiver<(usize, Answer)>) {
        let (told, notes) = channel();
        let (answer, answered) = channel::<()>();
        let ask = move || {
            let _ = answered.recv();
            Ok(vec![1, 2, 3])
        };
        (
            start(ask, Box::new(Notes(None, told))).unwrap(),
            answer,
            notes,
        )
    }

    /// Source: WSACancelAsyncRequest, WSAEALREADY.
    #[test]
    fn a_task_is_reported_once_by_its_number() {
        let (number, answer, notes) = started();
        drop(answer);
        let (task, answer) = notes.recv_timeout(DEADLINE).unwrap();
        assert_eq!((task, answer), (number.value(), Ok(vec![1, 2, 3])));
        assert_eq!(cancel(number.value()), Err(Status::ALREADY));
        assert!(notes.recv_timeout(DEADLINE).is_err(), "reported twice");
    }

    /// Source: WSACancelAsyncRequest.
    #[test]
    fn a_cancelled_task_is_reported_to_nobody() {
        let (number, answer, notes) = started();
        assert_eq!(cancel(number.value()), Ok(()));
        assert!(
            notes.recv_timeout(DEADLINE).is_err(),
            "the reporter is gone"
        );
        drop(answer);
        assert_eq!(cancel(number.value()), Err(Status::ALREADY));
        assert_eq!(cancel(0), Err(Status::INVALID));
        assert_eq!(cancel(usize::MAX), Err(Status::INVALID));
    }
}
