//! An echo server with `WSAEventSelect`: a thread for each 63 clients, for an array of events.

use wharf::{Error, Event, Events, Socket, Waited, wait_any};
use wharf_examples::{Client, Inbox, Place, in_groups};

struct Member {
    client: Client,
    happened: Event,
    _place: Place,
}

impl Member {
    fn new(socket: Socket, place: Place) -> Result<Member, Error> {
        let client = Client::new(socket)?;
        let happened = Event::manual_reset()?;
        let events = Events::READ | Events::WRITE | Events::CLOSE;
        client.socket.event_select(&happened, events)?;
        Ok(Member {
            client,
            happened,
            _place: place,
        })
    }

    /// Whether the client goes on, after whatever has happened: data, room, the end.
    fn go_on(&mut self) -> Result<bool, Error> {
        let told = self.client.socket.network_events(&self.happened)?;
        Ok(told.events.is_empty() || self.client.go_on())
    }
}

fn work(inbox: &Inbox) -> Result<(), Error> {
    let mut members: Vec<Member> = Vec::new();
    loop {
        let mut events = vec![&inbox.changed];
        events.extend(members.iter().map(|member| &member.happened));
        let Waited::Signalled(first) = wait_any(&events, None)? else {
            continue;
        };
        if first == 0 {
            for (socket, place) in inbox.take() {
                members.push(Member::new(socket, place)?);
            }
        }
        // The lowest is told; those after it may be signalled too.
        for index in (first.saturating_sub(1)..members.len()).rev() {
            if !members[index].go_on()? {
                members.swap_remove(index);
            }
        }
    }
}

fn main() -> Result<(), Error> {
    wharf_examples::run(|listener| in_groups(&listener, work))
}
