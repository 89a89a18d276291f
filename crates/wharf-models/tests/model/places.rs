//! The races of one place of a table, as scenarios: threads that look, remove, and use the place again.

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread::{self, JoinHandle};

use crate::place::Place;

/// A table of one place. A value is the number of its generation.
struct Table {
    place: Place<Value>,
    refill: bool,          // whoever finds the place vacant puts the next value in
    vacated: Mutex<usize>, // how often it became vacant; the lock of the table's free places
    drops: Arc<[AtomicUsize; 2]>,
}

struct Value {
    number: u64,
    drops: Arc<[AtomicUsize; 2]>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops[self.number as usize].fetch_add(1, Relaxed);
    }
}

impl Table {
    fn new(refill: bool) -> Arc<Table> {
        let table = Table {
            place: Place::vacant(),
            refill,
            vacated: Mutex::new(0),
            drops: Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]),
        };
        assert_eq!(table.fill(0), 0);
        Arc::new(table)
    }

    fn fill(&self, number: u64) -> u64 {
        let drops = self.drops.clone();
        // SAFETY: of a model there is nothing to prove: what is wrong is found.
        unsafe { self.place.fill(Value { number, drops }) }
    }

    /// A look with a key: finds its value or nothing, and the value stays while it is looked at.
    fn look(&self, wanted: u64) -> bool {
        match self.place.pin(|generation| generation == wanted) {
            Ok(generation) => {
                assert_eq!(generation, wanted, "another value was found");
                for _ in 0..2 {
                    // SAFETY: as in `fill`.
                    let number = unsafe { self.place.value() }.number;
                    assert_eq!(number, wanted, "another value was found");
                    thread::yield_now();
                }
                self.reuse(self.place.unpin());
                true
            }
            Err(vacant) => {
                self.reuse(vacant);
                false
            }
        }
    }

    /// Whether it was this call that removed the value.
    fn remove(&self, wanted: u64) -> bool {
        match self.place.pin(|generation| generation == wanted) {
            Ok(generation) => {
                let removed = self.place.retire(generation);
                self.reuse(self.place.unpin());
                removed
            }
            Err(vacant) => {
                self.reuse(vacant);
                false
            }
        }
    }

    fn reuse(&self, vacant: bool) {
        if vacant {
            let mut vacated = self.vacated.lock().unwrap();
            *vacated += 1;
            assert_eq!(*vacated, 1, "the place became vacant twice");
            if self.refill {
                assert_eq!(self.fill(1), 1, "the generation did not change");
            }
        }
    }

    /// Everybody is gone: the first value went, once.
    fn expect_removed(&self) {
        let drops = |value: usize| self.drops[value].load(Relaxed);
        assert_eq!(
            *self.vacated.lock().unwrap(),
            1,
            "the place never became vacant"
        );
        assert_eq!((drops(0), drops(1)), (1, 0), "drops");
        assert!(!self.look(0), "a stale key found something");
        assert_eq!(self.look(1), self.refill);
    }
}

fn spawn(table: &Arc<Table>, body: impl FnOnce(&Table) + 'static) -> JoinHandle<()> {
    let table = table.clone();
    thread::spawn(move || body(&table))
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Two threads look with the key of a value that a third removes; whoever looks last vacates the place.
pub fn looks_against_removal() {
    let table = Table::new(false);
    let lookers = [(); 2].map(|()| spawn(&table, |table| _ = table.look(0)));
    assert!(table.remove(0));
    join(lookers);
    table.expect_removed();
}

/// The place is used again at once, while keys of the old value are still looked for.
pub fn looks_against_reuse() {
    let table = Table::new(true);
    let stale = spawn(&table, |table| _ = table.look(0));
    let fresh = spawn(&table, |table| _ = table.look(1));
    assert!(table.remove(0));
    join([stale, fresh]);
    table.expect_removed();
}

/// Two threads remove the same value beside a look: one of them did.
pub fn two_removals() {
    let table = Table::new(false);
    let removed = Arc::new(AtomicUsize::new(0));
    let other = {
        let removed = removed.clone();
        spawn(&table, move |table| {
            removed.fetch_add(usize::from(table.remove(0)), Relaxed);
        })
    };
    let looker = spawn(&table, |table| _ = table.look(0));
    removed.fetch_add(usize::from(table.remove(0)), Relaxed);
    join([other, looker]);
    assert_eq!(removed.load(Relaxed), 1, "removed by two");
    table.expect_removed();
}
