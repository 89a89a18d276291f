//! The system is played by the test here, so that miri can watch the memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use super::*;
use crate::address::Address;
use crate::request::{one, one_mut};

/// A buffer in the operation's own allocation, one on the heap, and something that is counted.
struct Value {
    inline: [u8; 8],
    heap: Vec<u8>,
    counted: Arc<()>,
}

fn value(counted: &Arc<()>) -> Operation<Value> {
    Operation::new(Value {
        inline: [0; 8],
        heap: vec![0; 8],
        counted: Arc::clone(counted),
    })
}

fn pending(_: *mut OVERLAPPED) -> Result<(), Error> {
    Err(Error::IO_PENDING)
}

#[test]
fn the_overlapped_is_first() {
    assert_eq!(mem::offset_of!(Frame<u8>, overlapped), 0);
    assert_eq!(mem::offset_of!(Frame<Value>, overlapped), 0);
}

#[test]
fn the_system_writes_until_it_reports() {
    let counted = Arc::new(());
    let mut operation = value(&counted);
    for round in 1..4 {
        let inline = one_mut(&mut operation.body().inline).first().unwrap();
        // SAFETY: the report is below, once.
        let flight = unsafe { operation.launch(0, pending) }.unwrap();
        // SAFETY: under way: the buffer and the OVERLAPPED are the system's.
        unsafe {
            inline.buf.write(round);
            (*flight.overlapped()).InternalHigh = 1;
            operation = Operation::from_overlapped(flight.overlapped());
        }
        assert_eq!(operation.inline[0], round);

        let heap = one_mut(&mut operation.body().heap).first().unwrap();
        // SAFETY: as above.
        let flight = unsafe { operation.launch(0, pending) }.unwrap();
        // SAFETY: as above.
        unsafe {
            heap.buf.add(7).write(round);
            operation = flight.land();
        }
        assert_eq!(operation.heap[7], round);
    }
    drop(operation);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn another_thread_may_take_the_report_and_drop_everything() {
    struct Sent(*mut OVERLAPPED, *mut u8);
    // SAFETY: addresses, of what is nobody else's meanwhile.
    unsafe impl Send for Sent {}

    let counted = Arc::new(());
    let mut operation = value(&counted);
    let data = one(&operation.body().heap).first().unwrap();
    let mut taker = None;
    let call = |overlapped| {
        let sent = Sent(overlapped, data.buf);
        taker = Some(thread::spawn(move || {
            let Sent(overlapped, data) = { sent };
            // SAFETY: under way: the system reads.
            assert_eq!(unsafe { data.read() }, 0);
            // SAFETY: the one report.
            drop(unsafe { Operation::<Value>::from_overlapped(overlapped) });
        }));
        taker.take().unwrap().join().unwrap(); // before the call returns
        Ok(())
    };
    // SAFETY: the report is above, once.
    let _ = unsafe { operation.launch(0, call) }.unwrap();
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn the_system_writes_beside_the_buffers_too() {
    const ROOM: usize = 4 + crate::ACCEPT_ROOM;
    let from = SocketAddr::from(([1, 2, 3, 4], 567));
    let mut operation = Operation::new([0; ROOM]);
    for _ in 0..2 {
        let data = one_mut(operation.body()).first().unwrap();
        let place = Exchange::of(operation.exchange_mut()).await_sender();
        let flags = operation.flags();
        // SAFETY: the report is below, once.
        let flight = unsafe { operation.launch(0, pending) }.unwrap();
        let address = Address::from(from);
        // SAFETY: under way: all of it is the system's.
        unsafe {
            data.buf.write(1);
            flags.write(2);
            place.sender_length.write(address.length());
            let bytes = address.length() as usize;
            let to = place.sender.cast::<u8>();
            address.as_ptr().cast::<u8>().copy_to(to, bytes);
            operation = Operation::from_overlapped(flight.overlapped());
            operation.settle(true);
        }
        assert_eq!((operation.received_from(), operation[0]), (Some(from), 1));

        let buffer = one_mut(operation.body()).first().unwrap();
        let exchange = Exchange::of(operation.exchange_mut());
        let place = exchange.await_connection(7, buffer).unwrap();
        assert_eq!((place.data_room, place.buffer), (4, buffer.buf));
        // SAFETY: the report is below, once.
        let flight = unsafe { operation.launch(0, pending) }.unwrap();
        // SAFETY: as above; the addresses, which are none, are looked at.
        unsafe {
            place.buffer.add(3).write(9);
            operation = flight.land();
            operation.settle(true);
        }
        assert_eq!((operation.received_from(), operation[3]), (None, 9));
        assert!(operation.take_accepted().is_none());
    }
}

#[test]
fn what_is_refused_comes_back() {
    let counted = Arc::new(());
    let mut operation = value(&counted);
    operation.inline[3] = 9;
    // SAFETY: refused, so there is no report.
    let refused = unsafe { operation.launch(0, |_| Err(Error::NOT_CONNECTED)) }
        .map(drop)
        .unwrap_err();
    assert_eq!(
        (refused.error, refused.operation.inline[3]),
        (Error::NOT_CONNECTED, 9)
    );
    let value = refused.operation.into_inner();
    assert_eq!(Arc::strong_count(&value.counted), 2);
}

#[test]
fn what_is_never_reported_is_leaked() {
    let counted = Arc::new(());
    // SAFETY: there is no report.
    let flight = unsafe { value(&counted).launch(0, pending) }.unwrap();
    assert_eq!(Arc::strong_count(&counted), 2);
    // SAFETY: not to leak it here; the system has let go.
    drop(unsafe { flight.land() });
    assert_eq!(Arc::strong_count(&counted), 1);
}
