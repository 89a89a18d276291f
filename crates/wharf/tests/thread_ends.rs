//! Values in thread-local storage: they are dropped when their thread ends, some after what the library keeps of the thread.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use common::{Counted, DEADLINE, pair, under_wine};
use wharf::{
    AssociatedSocket, CompletionPort, Event, Events, Finished, Operation, Pending, Socket, Window,
    sleep_alertable,
};

type Buffer = ([u8; 8], Counted);

/// What stays in its thread.
type Heard = ([u8; 8], Rc<RefCell<Vec<u8>>>, Counted);

/// One of each, with something under way on it.
struct All {
    window: Window,
    event: Event,
    pending: Pending<Buffer>,
    plain: Socket,
    associated: AssociatedSocket<Buffer>,
    port: CompletionPort<Buffer>,
    peers: [Socket; 2],
    live: Arc<AtomicUsize>,
}

fn buffer(live: &Arc<AtomicUsize>) -> Operation<Buffer> {
    Operation::new(([0; 8], Counted::new(live)))
}

impl All {
    fn new(live: &Arc<AtomicUsize>) -> All {
        let port = CompletionPort::new(0).unwrap();
        let (peers, sockets): (Vec<_>, Vec<_>) = [(); 2].map(|()| pair()).into_iter().unzip();
        let [plain, other] = sockets.try_into().unwrap();
        let associated = port.associate(other, 7).unwrap();
        associated
            .start_receive(buffer(live), |(bytes, _)| bytes)
            .unwrap();
        let pending = plain
            .receive_with_event(buffer(live), |(bytes, _)| bytes)
            .unwrap();
        let window = Window::new().unwrap();
        associated.async_select(&window, Events::CLOSE).unwrap();
        All {
            window,
            event: Event::auto_reset().unwrap(),
            pending,
            plain,
            associated,
            port,
            peers: peers.try_into().unwrap(),
            live: Arc::clone(live),
        }
    }

    /// All of it works.
    fn use_it(self) {
        let [of_plain, of_associated] = &self.peers;
        of_associated.send(b"packet").unwrap();
        let packet = self.port.take(Some(DEADLINE)).unwrap().expect("a packet");
        assert_eq!((packet.key, packet.bytes, packet.result), (7, 6, Ok(())));
        let operation = packet.operation.expect("not posted");
        self.associated
            .start_send(operation, |(bytes, _)| &bytes[..6])
            .unwrap();
        let sent = self.port.take(Some(DEADLINE)).unwrap().expect("a packet");
        assert_eq!((sent.bytes, of_associated.recv(&mut [0; 8])), (6, Ok(6)));

        of_plain.send(b"event").unwrap();
        let finished = self.pending.wait();
        assert_eq!((finished.bytes, finished.result), (5, Ok(())));

        let ran = Rc::new(RefCell::new(Vec::new()));
        let operation = Operation::new(([0; 8], Rc::clone(&ran), Counted::new(&self.live)));
        let receive = |finished: Finished<Heard>| {
            let (bytes, ran, _) = &*finished.operation;
            ran.borrow_mut().extend(&bytes[..finished.bytes as usize]);
        };
        self.plain
            .receive_with_routine(operation, |(bytes, ..)| bytes, receive)
            .unwrap();
        of_plain.send(b"routine").unwrap();
        assert!(sleep_alertable(Some(DEADLINE)));
        assert_eq!(*ran.borrow(), b"routine");

        let moment = Duration::from_millis(1);
        assert_eq!(self.event.wait(Some(moment)), Ok(false));
        assert_eq!(self.window.take_within(moment), Ok(None));
        self.plain.set_receive_timeout(Some(moment)).unwrap();
        assert!(self.plain.recv(&mut [0]).is_err());
    }
}

thread_local! {
    static KEPT: RefCell<Option<All>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// Makes and uses everything when it is dropped.
struct Late(Arc<AtomicUsize>);

impl Drop for Late {
    fn drop(&mut self) {
        All::new(&self.0).use_it();
    }
}

/// What a thread with this work leaves behind.
fn left_by(work: impl FnOnce(&Arc<AtomicUsize>) + Send) -> usize {
    let live = Arc::default();
    thread::scope(|scope| scope.spawn(|| work(&live)).join()).expect("it does not panic");
    live.load(SeqCst)
}

/// The storage is dropped before the library's own of this thread, or after it: what is used first is dropped last.
#[test]
fn values_are_dropped_with_their_thread() {
    for first in [false, true] {
        let left = left_by(|live| {
            if first {
                KEPT.with(|kept| drop(kept.take()));
            }
            let all = All::new(live);
            KEPT.set(Some(all));
        });
        assert_eq!(left, 0);
    }
}

#[test]
fn the_end_of_a_thread_can_use_everything() {
    if under_wine() {
        return; // it has ended a thread's input by then
    }
    for first in [false, true] {
        let left = left_by(|live| {
            let late = Late(Arc::clone(live));
            if first {
                LATE.set(Some(late));
                All::new(live).use_it();
            } else {
                All::new(live).use_it();
                LATE.set(Some(late));
            }
        });
        assert_eq!(left, 0);
    }
}
