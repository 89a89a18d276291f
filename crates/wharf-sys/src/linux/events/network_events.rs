//! Network events: what of a socket's condition is reported, and when.
//!
//! A [`Look`] is the condition of a socket at one moment; an [`Occasion`] is why somebody looked. Two policies decide
//! what is new in it: [`Record`] for WSAEventSelect, [`Messages`] for WSAAsyncSelect. The first is a memory of the
//! socket, which goes on whatever is registered; the second belongs to one registration.
//!
//! | | event record | messages |
//! |---|---|---|
//! | outside the mask | recorded, reported once a mask has it | forgotten |
//! | registering again | reports nothing twice | posts again what holds |
//! | more of the same arrives | recorded again | nothing until the re-enabling call |
//! | the re-enabling call | takes the event out, looks again | looks again |
//!
//! An edge is not an arrival: the one that tells of a FIN says "readable" as well. So the record compares how much there
//! is with how much there was.
//!
//! Nothing here locks or calls the system. Source: "WSAEventSelect function" and "WSAAsyncSelect function", remarks.

use windows_sys::Win32::Networking::WinSock::{
    FD_ACCEPT, FD_ADDRESS_LIST_CHANGE_BIT, FD_CLOSE, FD_CONNECT, FD_OOB, FD_READ,
    FD_ROUTING_INTERFACE_CHANGE_BIT, FD_WRITE,
};

/// The events that are told once for each time they were asked for by a control code, and hold for one look.
pub const CHANGES: u32 = 1 << FD_ADDRESS_LIST_CHANGE_BIT | 1 << FD_ROUTING_INTERFACE_CHANGE_BIT;

/// A socket's condition at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The conditions that hold: of FD_READ, FD_WRITE, FD_OOB, FD_ACCEPT, FD_CLOSE, and changes.
    pub holds: u32,
    /// With FD_CLOSE: 0 after a FIN, else the error.
    pub close_error: u32,
    /// With FD_READ or FD_ACCEPT: how much is there, or 1, which is enough to tell something from nothing. Otherwise 0.
    pub amount: u32,
    /// With FD_OOB: how far the urgent byte is from the next one to be read.
    pub urgent_distance: u32,
    /// How many connects have ended so far.
    pub connects: u32,
    /// How the last connect ended; `None` while one is under way or if there was none.
    pub connect: Option<u32>,
    /// It is a datagram socket…
    pub datagram: bool,
    /// … and has a local address.
    pub bound: bool,
}

impl Look {
    /// The error that goes with an event.
    pub fn error(&self, event: u32) -> u32 {
        match event {
            FD_CONNECT => self.connect.unwrap_or(0),
            FD_CLOSE => self.close_error,
            _ => 0,
        }
    }
}

/// Why a socket is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Something may have happened to it.
    Change,
    /// A receive was called, whatever came of it.
    Receive,
    /// A receive of urgent data was called.
    ReceiveUrgent,
    /// A receive was called with arguments that cannot be.
    ReceiveRefused,
    /// A send could not take everything.
    SendBlocked,
    /// An accept was called.
    Accept,
}

impl Occasion {
    /// The events that the call re-enables.
    fn enables(self) -> u32 {
        match self {
            Occasion::Change => 0,
            Occasion::Receive | Occasion::ReceiveRefused => FD_READ,
            Occasion::ReceiveUrgent => FD_OOB,
            Occasion::SendBlocked => FD_WRITE,
            Occasion::Accept => FD_ACCEPT,
        }
    }
}

/// The event record of WSAEventSelect.
#[derive(Clone, Debug)]
pub struct Record {
    events: u32,          // recorded and not fetched
    due: u32,             // of FD_WRITE, FD_OOB, FD_CLOSE: to be recorded when it holds
    amount: u32,          // at the last look: more is an arrival
    urgent_distance: u32, // likewise
    connects: u32,        // that are recorded
    connect_error: u32,
    close_error: u32,
}

/// What WSAEnumNetworkEvents tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The events.
    pub events: u32,
    /// Of FD_CONNECT.
    pub connect_error: u32,
    /// Of FD_CLOSE.
    pub close_error: u32,
}

impl Record {
    /// A socket is registered for the first time: everything that holds is recorded.
    pub fn new(look: &Look) -> Record {
        let mut record = Record {
            events: 0,
            due: FD_WRITE | FD_OOB | FD_CLOSE,
            amount: 0,
            urgent_distance: 0,
            connects: 0,
            connect_error: 0,
            close_error: 0,
        };
        record.take_in(Occasion::Change, look);
        record
    }

    /// Records what is new; returns it.
    pub fn take_in(&mut self, occasion: Occasion, look: &Look) -> u32 {
        let called = match occasion {
            Occasion::ReceiveRefused => 0,
            _ => occasion.enables(),
        };
        self.events &= !(called & (FD_READ | FD_OOB | FD_ACCEPT)); // what a send did not take stays
        self.due |= called & (FD_WRITE | FD_OOB);
        if look.holds & FD_OOB == 0 || look.urgent_distance > self.urgent_distance {
            self.due |= FD_OOB;
        }
        let mut candidates = called & (FD_READ | FD_ACCEPT);
        if look.amount > self.amount {
            candidates |= FD_READ | FD_ACCEPT;
        }
        (self.amount, self.urgent_distance) = (look.amount, look.urgent_distance);
        let connected = self.take_in_connect(look);
        let mut holds = look.holds;
        if look.datagram && !look.bound {
            holds &= !FD_WRITE;
        }
        let new = holds & (candidates | self.due | CHANGES);
        self.due &= !new;
        if new & FD_CLOSE != 0 {
            self.close_error = look.close_error;
        }
        self.events |= new | connected;
        new | connected
    }

    /// As [`take_in`](Self::take_in) of a receive that took all there was, urgent data aside: nothing is new.
    pub fn received_everything(&mut self) {
        self.events &= !FD_READ;
        self.amount = 0;
    }

    fn take_in_connect(&mut self, look: &Look) -> u32 {
        let Some(error) = look.connect else {
            self.events &= !FD_CONNECT; // of an earlier connect, which nobody asked for
            return 0;
        };
        if look.connects == self.connects {
            return 0;
        }
        self.connects = look.connects;
        self.connect_error = error;
        if error == 0 {
            self.due |= FD_WRITE;
        }
        FD_CONNECT
    }

    /// Whether nothing was there, so that anything is an arrival, however much it is: the fetch will see how much.
    pub fn has_nothing(&self) -> bool {
        self.amount == 0 && self.events & (FD_READ | FD_ACCEPT) == 0
    }

    /// So much is there now, and known to the program.
    pub fn note_amount(&mut self, amount: u32) {
        self.amount = amount;
    }

    /// The socket is a fresh one: what happens to it is told as for the first time; what was recorded stays.
    pub fn renew(&mut self) {
        self.due = FD_WRITE | FD_OOB | FD_CLOSE;
        (self.amount, self.urgent_distance) = (0, 0);
    }

    /// What is recorded.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Takes the recorded events of the mask; others stay.
    pub fn fetch(&mut self, mask: u32) -> Fetched {
        let events = self.events & mask;
        self.events &= !events;
        Fetched {
            events,
            connect_error: self.connect_error,
            close_error: self.close_error,
        }
    }
}

/// What a registration of WSAAsyncSelect may still post.
#[derive(Clone, Debug)]
pub struct Messages {
    mask: u32,
    enabled: u32,
    connects: u32, // that are posted, or ended before
}

/// Messages that are due together come in this order.
pub const ORDER: [u32; 8] = [
    FD_CONNECT,
    FD_ACCEPT,
    FD_OOB,
    FD_READ,
    FD_WRITE,
    FD_CLOSE,
    1 << FD_ROUTING_INTERFACE_CHANGE_BIT,
    1 << FD_ADDRESS_LIST_CHANGE_BIT,
];

impl Messages {
    /// A registration. What holds already is due with the next look; a connect that has ended is not.
    pub fn new(mask: u32, look: &Look) -> Messages {
        Messages {
            mask,
            enabled: u32::MAX,
            connects: look.connects,
        }
    }

    /// The events that are to be posted.
    pub fn take_in(&mut self, occasion: Occasion, look: &Look) -> u32 {
        self.enabled |= occasion.enables() | CHANGES;
        let mut new = self.take_in_connect(look);
        new |= look.holds & self.enabled & self.mask;
        self.enabled &= !new;
        new
    }

    /// As [`take_in`](Self::take_in) of a receive that took all there was: nothing is to be posted.
    pub fn received_everything(&mut self) {
        self.enabled |= FD_READ;
    }

    fn take_in_connect(&mut self, look: &Look) -> u32 {
        if look.connect.is_none() || look.connects == self.connects {
            return 0;
        }
        self.connects = look.connects;
        if look.connect == Some(0) {
            self.enabled |= FD_WRITE;
        }
        if look.datagram {
            0
        } else {
            FD_CONNECT & self.mask
        }
    }

    /// The socket is a fresh one: everything may be posted.
    pub fn renew(&mut self) {
        self.enabled = u32::MAX;
    }

    /// What was asked for.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether that event may be posted.
    pub fn expects(&self, event: u32) -> bool {
        self.mask & self.enabled & event != 0
    }
}

impl Fetched {
    /// The error that goes with an event.
    pub fn error(&self, event: u32) -> u32 {
        match event {
            FD_CONNECT => self.connect_error,
            FD_CLOSE => self.close_error,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(holds: u32, amount: u32) -> Look {
        Look {
            holds,
            amount,
            ..Look::default()
        }
    }

    const CONNECTED: u32 = FD_WRITE;

    #[test]
    fn an_edge_without_more_data_is_no_arrival() {
        let mut record = Record::new(&look(CONNECTED | FD_READ, 3));
        assert_eq!(record.fetch(u32::MAX).events, FD_READ | FD_WRITE);
        assert_eq!(
            record.take_in(Occasion::Change, &look(CONNECTED | FD_READ, 3)),
            0
        );
        let ended = look(CONNECTED | FD_READ | FD_CLOSE, 3);
        assert_eq!(record.take_in(Occasion::Change, &ended), FD_CLOSE);
        assert_eq!(record.take_in(Occasion::Change, &ended), 0);
        assert_eq!(record.take_in(Occasion::Change, &look(FD_READ, 4)), FD_READ);
    }

    #[test]
    fn a_look_that_comes_late_reports_nothing_twice() {
        let mut record = Record::new(&look(0, 0));
        // A receive took some of what has arrived before its edge was seen.
        assert_eq!(
            record.take_in(Occasion::Receive, &look(FD_READ, 2)),
            FD_READ
        );
        assert_eq!(record.take_in(Occasion::Change, &look(FD_READ, 2)), 0);
        assert_eq!(record.events(), FD_READ);
    }

    #[test]
    fn what_was_there_at_the_fetch_is_no_arrival_afterwards() {
        let mut record = Record::new(&look(FD_READ, 1));
        record.note_amount(5);
        assert_eq!(record.fetch(u32::MAX).events, FD_READ);
        assert_eq!(record.take_in(Occasion::Change, &look(FD_READ, 5)), 0);
        assert_eq!(record.take_in(Occasion::Change, &look(FD_READ, 6)), FD_READ);
    }

    #[test]
    fn an_urgent_byte_is_told_from_what_comes_behind_it() {
        let urgent = |distance| Look {
            urgent_distance: distance,
            ..look(FD_OOB, 0)
        };
        let mut record = Record::new(&urgent(0));
        assert_eq!(record.fetch(u32::MAX).events, FD_OOB);
        let behind = Look {
            amount: 1,
            holds: FD_OOB | FD_READ,
            ..urgent(0)
        };
        assert_eq!(record.take_in(Occasion::Change, &behind), FD_READ);
        assert_eq!(record.take_in(Occasion::Change, &urgent(5)), FD_OOB);
        assert_eq!(record.take_in(Occasion::ReceiveUrgent, &urgent(5)), FD_OOB);
    }

    #[test]
    fn a_new_connect_forgets_the_outcome_of_the_last() {
        let ended = |connects, outcome| Look {
            connects,
            connect: outcome,
            ..Look::default()
        };
        let mut record = Record::new(&ended(1, Some(10061)));
        assert_eq!(record.events(), FD_CONNECT);
        record.take_in(Occasion::Change, &ended(1, None));
        assert_eq!(record.events(), 0);
        assert_eq!(
            record.take_in(Occasion::Change, &ended(2, Some(0))),
            FD_CONNECT
        );
        assert_eq!(record.fetch(FD_CONNECT).error(FD_CONNECT), 0);
    }

    #[test]
    fn a_change_is_told_at_once_and_each_time() {
        let mut record = Record::new(&look(0, 0));
        let mut messages = Messages::new(CHANGES, &look(0, 0));
        for _ in 0..2 {
            assert_eq!(record.take_in(Occasion::Change, &look(CHANGES, 0)), CHANGES);
            assert_eq!(record.fetch(CHANGES).events, CHANGES);
            assert_eq!(
                messages.take_in(Occasion::Change, &look(CHANGES, 0)),
                CHANGES
            );
        }
        assert_eq!(record.take_in(Occasion::Change, &look(0, 0)), 0);
    }

    #[test]
    fn a_message_stands_until_its_call() {
        let mut messages = Messages::new(FD_READ | FD_WRITE, &look(0, 0));
        let both = look(FD_READ | FD_WRITE | FD_CLOSE, 9);
        assert_eq!(
            messages.take_in(Occasion::Change, &both),
            FD_READ | FD_WRITE
        );
        assert_eq!(messages.take_in(Occasion::Change, &both), 0);
        assert_eq!(messages.take_in(Occasion::ReceiveRefused, &both), FD_READ);
        assert_eq!(messages.take_in(Occasion::SendBlocked, &look(0, 0)), 0);
        assert_eq!(
            messages.take_in(Occasion::Change, &look(FD_WRITE, 0)),
            FD_WRITE
        );
    }
}
