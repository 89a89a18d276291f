//! Takes the engine's state machines into the models: as they are, and with bugs that can be switched on.
//!
//! A bug is a piece of the real text and what stands there instead. A piece that is not found exactly once fails the
//! build: then the real file has changed and the bug has to be put in anew. White space does not matter.

use std::path::{Path, PathBuf};
use std::{env, fs};

const ENGINE: &str = "../wharf-sys/src/linux";

/// Replaces one piece of the real text; `$bug` stands for the question whether the bug is on.
struct Seed {
    bug: &'static str,
    real: &'static str,
    wrong: &'static str,
}

const DISPATCH: &[Seed] = &[
    Seed {
        bug: "LowerForgetsRelease",
        real: "if self.uncount(id) { self.settle(wakes);",
        wrong: "if self.uncount(id) && !$bug { self.settle(wakes);",
    },
    Seed {
        bug: "NobodyBecomesPoller",
        real: "if self.active < self.limit && self.pollers() == 0 {",
        wrong: "if !$bug && self.active < self.limit && self.pollers() == 0 {",
    },
    Seed {
        bug: "ChainIsForgotten",
        real: "wakes.poller |= !self.granted.is_empty()",
        wrong: "wakes.poller |= !$bug && !self.granted.is_empty()",
    },
    Seed {
        bug: "AnyPollerTakesTheGrant",
        real: "let own = self.granted.iter().position(|(owner, _)| *owner == id)?;",
        wrong: "let own = self.granted.iter().position(|(owner, _)| $bug || *owner == id)?;",
    },
    Seed {
        bug: "MisdirectedKeepsTheWake",
        real: "self.pass_on(wakes); match self.compete(id, wakes) {",
        wrong: "if !$bug { self.pass_on(wakes); } match self.compete(id, wakes) {",
    },
    Seed {
        bug: "CloseChainIsForgotten",
        real: "(self.closed && self.polling > 0)",
        wrong: "(!$bug && self.closed && self.polling > 0)",
    },
    Seed {
        bug: "LatePollTakesGranted",
        real: "if others >= self.limit { return None; } let packet = self.queue.pop_front()?;",
        wrong: "if $bug && let Some((_, packet)) = self.granted.pop_front() { self.raise(id); return Some(packet); }
            if others >= self.limit { return None; } let packet = self.queue.pop_front()?;",
    },
    Seed {
        bug: "TimeOutBeforeHandOver",
        real: "let place = match self.assignment(id) {",
        wrong: "let handed = if $bug { None } else { self.assignment(id) }; let place = match handed {",
    },
    Seed {
        bug: "TimeOutBeforeGrant",
        real: "Place::Polling => { if let Some(packet) = self.take_granted(id, wakes) {",
        wrong: "Place::Polling => { if !$bug && let Some(packet) = self.take_granted(id, wakes) {",
    },
    Seed {
        bug: "CloseForgetsBenched",
        real: "Waiter::Benched(id, _) => self.hand(id, Assignment::Abandoned, wakes),",
        wrong: "Waiter::Benched(id, _) => if !$bug { self.hand(id, Assignment::Abandoned, wakes) },",
    },
    Seed {
        bug: "PollerServesItselfFirst",
        real: "if let Some(Waiter::Benched(..)) = self.waiters.last() { self.serve_top(wakes);",
        wrong: "if $bug && let Some(place) = self.polling_entry(id) {
                let entry = self.waiters.remove(place);
                self.waiters.push(entry);
            }
            if let Some(Waiter::Benched(..)) = self.waiters.last() { self.serve_top(wakes);",
    },
    Seed {
        bug: "GrantIsCountedTwice",
        real: "self.taken += 1; self.set_counted(id, true);",
        wrong: "self.taken += 1; if $bug { self.active += 1; } self.set_counted(id, true);",
    },
];

const DIRECTION: &[Seed] = &[
    Seed {
        bug: "ReadyIsClearedAfterAttempt",
        real: "if self.ready { self.ready = false; return Blocked::Retry(request);",
        wrong: "if $bug { self.ready = false; }
            if self.ready { self.ready = false; return Blocked::Retry(request);",
    },
    Seed {
        bug: "EndIsForgotten",
        real: "self.ended |= ended;",
        wrong: "self.ended |= ended && !$bug;",
    },
    Seed {
        bug: "OwnershipIsShared",
        real: "if self.owner.is_some() ||",
        wrong: "if self.owner.is_some() && !$bug ||",
    },
    Seed {
        bug: "BlockedHeadGoesToTheEnd",
        real: "self.queue.push_front(request); Blocked::Parked",
        wrong: "if $bug { self.queue.push_back(request) } else { self.queue.push_front(request) }; Blocked::Parked",
    },
    Seed {
        bug: "MarkIsForgotten",
        real: "if let Some(status) = self.mark() { self.owner = Some(Owner::Delivering); return Blocked::Ended",
        wrong: "if !$bug && let Some(status) = self.mark() {
            self.owner = Some(Owner::Delivering);
            return Blocked::Ended",
    },
    Seed {
        bug: "RenewedUnready",
        real: "pub fn renew(&mut self) { self.ready = true;",
        wrong: "pub fn renew(&mut self) { self.ready |= !$bug;",
    },
    Seed {
        bug: "EndSurvives",
        real: "self.ended = false;",
        wrong: "self.ended &= $bug;",
    },
    Seed {
        bug: "CompanyIsNotMarked",
        real: "if mark.is_none() && select(*tag) { *mark = Some(status);",
        wrong: "if mark.is_none() && select(*tag) { if !$bug { *mark = Some(status); }",
    },
    Seed {
        bug: "CompanyOutlivesClose",
        real: "match company.and_then(|(_, mark)| mark.or(self.closing)) {",
        wrong: "match company.and_then(|(_, mark)| if $bug { mark } else { mark.or(self.closing) }) {",
    },
    Seed {
        bug: "CompanyGoesToTheEnd",
        real: "None => self.queue.push_front(request),",
        wrong: "None => if $bug { self.queue.push_back(request) } else { self.queue.push_front(request) },",
    },
    Seed {
        bug: "FlusherLeavesTheMark",
        real: "self.deferred = false; let head = self.claim();",
        wrong: "self.deferred &= $bug; let head = self.claim();",
    },
    Seed {
        bug: "FlushIsForgotten",
        real: "self.flushing = self.owner.is_some();",
        wrong: "self.flushing = self.owner.is_some() && !$bug;",
    },
];

const PLACE: &[Seed] = &[
    Seed {
        bug: "EmptiedWhilePinned",
        real: "word & (PINS | LEAVING) == (PIN | LEAVING) && self.empty(word - PIN)",
        wrong: "(word & (PINS | LEAVING) == (PIN | LEAVING) || $bug && word & LEAVING != 0) && self.empty(word - PIN)",
    },
    Seed {
        bug: "LastPinDoesNotEmpty",
        real: "fn empty(&self, word: u64) -> bool {",
        wrong: "fn empty(&self, word: u64) -> bool { if $bug { return false; }",
    },
    Seed {
        bug: "FailedLookDoesNotEmpty",
        real: "Err(self.unpin())",
        wrong: "Err(if $bug { self.word.fetch_sub(PIN, Release); false } else { self.unpin() })",
    },
    Seed {
        bug: "EmptiedWithoutClaim",
        real: "if claimed {",
        wrong: "let claimed = claimed || $bug; if claimed {",
    },
    Seed {
        bug: "GenerationStays",
        real: "self.word.fetch_add(GENERATION, Release);",
        wrong: "if !$bug { self.word.fetch_add(GENERATION, Release); }",
    },
    Seed {
        bug: "RetiredTwice",
        real: "is_here.then_some(",
        wrong: "(is_here || $bug).then_some(",
    },
    Seed {
        bug: "UnpinnedWithoutRelease",
        real: "let word = self.word.fetch_sub(PIN, Release);",
        wrong: "let word = self.word.fetch_sub(PIN, if $bug { Relaxed } else { Release });",
    },
    Seed {
        bug: "FilledWithoutRelease",
        real: "self.word.fetch_or(PRESENT, Release)",
        wrong: "self.word.fetch_or(PRESENT, if $bug { Relaxed } else { Release })",
    },
];

const LOOKOUT: &[Seed] = &[
    Seed {
        bug: "EverybodyKeeps",
        real: "pub fn keeps(&self, id: u64) -> bool {",
        wrong: "pub fn keeps(&self, id: u64) -> bool { $bug || self.is_keeper(id) } fn is_keeper(&self, id: u64) -> bool {",
    },
    Seed {
        bug: "EverybodyKeeps",
        real: "if !self.keeps(id) {",
        wrong: "if !self.is_keeper(id) {",
    },
    Seed {
        bug: "NobodyTakesOver",
        real: "self.keeper = self.others.pop();",
        wrong: "self.keeper = if $bug { None } else { self.others.pop() };",
    },
    Seed {
        bug: "WhoIsGoneTakesOver",
        real: "self.others.retain(|(other, _)| *other != id);",
        wrong: "self.others.retain(|(other, _)| $bug || *other != id);",
    },
];

const PARKER: &[Seed] = &[
    Seed {
        bug: "ParkOverwritesNotification",
        real: "self.state.compare_exchange(EMPTY, how, Ordering::AcqRel, Ordering::Acquire).is_ok();",
        wrong: "if $bug { self.state.store(how, Ordering::Release); true }
            else { self.state.compare_exchange(EMPTY, how, Ordering::AcqRel, Ordering::Acquire).is_ok() };",
    },
    Seed {
        bug: "PollIsNotWoken",
        real: "PARKED_IN_POLL => {",
        wrong: "PARKED_IN_POLL if $bug => super::system::futex_wake(&self.state), PARKED_IN_POLL => {",
    },
    Seed {
        bug: "SetIsNotWoken",
        real: "PARKED_IN_SET => system::eventfd_write(",
        wrong: "PARKED_IN_SET if $bug => super::system::futex_wake(&self.state), PARKED_IN_SET => system::eventfd_write(",
    },
    Seed {
        bug: "WakerIsToldLate",
        real: "self.waker.store(waker, Ordering::Relaxed);",
        wrong: "let asleep = $bug && self.fall_asleep(PARKED_IN_SET);
            self.waker.store(waker, Ordering::Relaxed);
            if asleep { let result = sleep(); self.wake_up(); return Some(result); }",
    },
];

fn main() {
    write("engine/dispatch", DISPATCH, |text| {
        text + &read(Path::new("inspection/dispatch.rs"))
    });
    write("engine/direction", DIRECTION, |text| text);
    write("objects/place", PLACE, |text| {
        let text = replace(&text, "use std::sync::atomic::", "use loom::sync::atomic::");
        replace(
            &text,
            "use std::mem::MaybeUninit;",
            "use crate::model::memory::MaybeUninit;",
        )
    });
    write("engine/lookout", LOOKOUT, |text| {
        text + &read(Path::new("inspection/lookout.rs"))
    });
    write("threads/parker", PARKER, on_loom);
    println!("cargo::rerun-if-changed=build.rs");
}

/// The parker is no pure state machine: its word becomes loom's, its system calls the model's.
fn on_loom(text: String) -> String {
    let text = replace(&text, "use std::sync::atomic::", "use loom::sync::atomic::");
    let text = replace(
        &text,
        "use std::os::fd::{AsRawFd, OwnedFd};",
        "use super::system::{AsRawFd, OwnedFd};",
    );
    let text = replace(&text, "use crate::platform::system;", "use super::system;");
    text.replace("libc::", "super::system::")
}

/// Writes `<name>.rs` for `<room>/<name>`: the real text after `adapt`, and `<name>_seeded.rs`, the same with the bugs.
fn write(file: &str, seeds: &[Seed], adapt: impl Fn(String) -> String) {
    let source = Path::new(ENGINE).join(file).with_extension("rs");
    let (_, name) = file.split_once('/').expect("a room and a name");
    let real = adapt(read(&source).replace("//!", "//")); // an included file cannot document its module
    let seeded = seeds.iter().fold(real.clone(), |text, seed| {
        let wrong = seed.wrong.replace(
            "$bug",
            &format!("crate::model::seeded(crate::model::Bug::{})", seed.bug),
        );
        replace(&text, seed.real, &wrong)
    });
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the output directory"));
    for (suffix, text) in [("", real), ("_seeded", seeded)] {
        let path = out.join(format!("{name}{suffix}.rs"));
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn read(path: &Path) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces the only occurrence of `piece`.
fn replace(text: &str, piece: &str, by: &str) -> String {
    let found: Vec<_> = text
        .char_indices()
        .filter_map(|(start, _)| occurrence(text, start, piece))
        .collect();
    let [range] = &found[..] else {
        panic!("the engine's text contains {} times: {piece}", found.len());
    };
    format!("{}{by}{}", &text[..range.start], &text[range.end..])
}

/// Where `piece` ends if it stands at `start`, white space aside.
fn occurrence(text: &str, start: usize, piece: &str) -> Option<std::ops::Range<usize>> {
    let mut end = start;
    for wanted in piece.chars().filter(|c| !c.is_whitespace()) {
        let rest = text[end..].trim_start();
        if !rest.starts_with(wanted) || (end == start && rest.len() < text[start..].len()) {
            return None;
        }
        end = text.len() - rest.len() + wanted.len_utf8();
    }
    Some(start..end)
}
