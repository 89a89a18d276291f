//! `WSAPoll`: as `select`, with one list of sockets instead of sets.

use wharf::{Error, PollEntry, Readiness, poll};

use crate::serve::bell::Bell;
use crate::serve::conversation::{Conversation, Next};
use crate::serve::crew::{Inbox, Kind};

pub const KIND: Kind = Kind {
    work,
    sessions_max: usize::MAX,
};

fn work(inbox: &Inbox) -> Result<(), Error> {
    let (bell, button) = Bell::new()?;
    inbox.open(move || button.press());
    let mut conversations: Vec<Conversation> = Vec::new();
    loop {
        let ready = wait(&bell, &conversations)?;
        let (rung, ready) = ready.split_last().expect("the bell has an entry");
        let mut ready = ready.iter();
        conversations.retain_mut(|conversation| {
            let is_ready = ready.next().is_some_and(|&is_ready| is_ready);
            !is_ready || conversation.advance() != Next::Over
        });
        if *rung {
            bell.silence()?;
            let arrived = inbox.take();
            if arrived.ending {
                return Ok(());
            }
            let arrived = arrived.connections.into_iter();
            conversations.extend(
                arrived.filter_map(|(socket, session)| Conversation::begin(socket, session)),
            );
        }
    }
}

/// Waits until the bell rings or conversations can go on: whether each of them is ready, and last the bell.
fn wait(bell: &Bell, conversations: &[Conversation]) -> Result<Vec<bool>, Error> {
    let entry = |conversation: &Conversation| match conversation.next() {
        Next::Send => Readiness::WRITE,
        _ => Readiness::READ,
    };
    let mut entries: Vec<PollEntry<'_>> = conversations
        .iter()
        .map(|conversation| PollEntry::new(conversation.socket(), entry(conversation)))
        .chain([PollEntry::new(bell.socket(), Readiness::READ)])
        .collect();
    poll(&mut entries, None)?;
    Ok(entries
        .iter()
        .map(|entry| !entry.ready().is_empty())
        .collect())
}
