//! Random scripts of posts, waits and computing threads at a completion port, against the rules of [`crate::concurrency`].

use std::collections::VecDeque;
use std::time::Instant;

use crate::harness::*;
use crate::scene::{Actor, Doing, NOT_LIMITED, Scene, Waiting, numbered};

/// Random scripts for two ports and several actors (post, poll, wait, block, go on, end) go as the rules
/// say, step by step: who gets which packet, who waits, who is refused.
/// Source: I/O Completion Ports, "Threads and Concurrency".
#[test]
fn random_scripts_go_by_the_rules() {
    const SCRIPTS: u64 = 20;
    const STEPS: usize = 150;
    let _watch = watch();
    not_under_wine(NOT_LIMITED, || {
        let (seed, start) = (seed(), Instant::now());
        // Fewer scripts where each takes long.
        for number in (0..SCRIPTS).take_while(|_| start.elapsed() < DEADLINE) {
            let mut script = Script::new(Random::new(seed, number));
            (0..STEPS).for_each(|_| script.step());
        }
    });
}

/// What the rules say about one port.
struct Rules {
    limit: u32,
    active: u32,
    queue: VecDeque<u32>,
    waiters: Vec<usize>,
}

impl Rules {
    fn new(limit: u32) -> Rules {
        Rules {
            limit,
            active: 0,
            queue: VecDeque::new(),
            waiters: Vec::new(),
        }
    }

    /// The release rule: the most recent waiter and the oldest packet, if there is a place.
    fn release(&mut self) -> Option<(usize, u32)> {
        if self.active >= self.limit || self.queue.is_empty() {
            return None;
        }
        let waiter = self.waiters.pop()?;
        self.active += 1;
        Some((waiter, self.queue.pop_front()?))
    }

    /// The packet that a thread which just gave up its place takes with it, if any.
    fn take(&mut self) -> Option<u32> {
        if self.active >= self.limit {
            return None;
        }
        let number = self.queue.pop_front()?;
        self.active += 1;
        Some(number)
    }
}

/// What an actor of a script is doing.
enum Part {
    Computing(Actor),
    Waiting(Waiting),
    Blocked(Actor, Event, Doing<bool>),
}

struct Script {
    random: Random,
    scenes: [Scene; 2],
    rules: [Rules; 2],
    /// The cast; nobody stands at its place during the own step.
    parts: Vec<Option<Part>>,
    /// The port that each actor is associated with.
    homes: Vec<Option<usize>>,
    packets: u32,
}

impl Script {
    const ACTORS: usize = 5;

    fn new(mut random: Random) -> Script {
        let limits: [u32; 2] = std::array::from_fn(|_| 1 + random.below(3) as u32);
        Script {
            random,
            scenes: limits.map(Scene::new),
            rules: limits.map(Rules::new),
            parts: (0..Script::ACTORS)
                .map(|_| Some(Part::Computing(Actor::new())))
                .collect(),
            homes: vec![None; Script::ACTORS],
            packets: 0,
        }
    }

    fn step(&mut self) {
        let who = self.random.below(Script::ACTORS as u64) as usize;
        let port = self.random.below(2) as usize;
        let next = match self.parts[who].take().expect("a step is over") {
            Part::Computing(actor) => self.act(who, actor, port),
            Part::Blocked(actor, event, blocking) => self.go_on(who, actor, event, blocking),
            waiting @ Part::Waiting(_) => waiting,
        };
        self.parts[who] = Some(next);
        if self.random.one_in(2) {
            self.post(port);
        }
        for (scene, rules) in self.scenes.iter().zip(&self.rules) {
            until_port_waiters(scene.port.raw(), rules.waiters.len());
        }
    }

    fn act(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        match self.random.below(5) {
            0 => self.poll(who, actor, port),
            1 => self.block(who, actor),
            2 => self.replace(who, actor),
            _ => self.wait(who, actor, port),
        }
    }

    fn post(&mut self, port: usize) {
        self.packets += 1;
        self.scenes[port].post(self.packets);
        self.rules[port].queue.push_back(self.packets);
        self.release(port);
    }

    /// Applies the release rule; whom it names must come back with just that packet.
    fn release(&mut self, port: usize) {
        let Some((who, number)) = self.rules[port].release() else {
            return;
        };
        let Some(Part::Waiting(waiting)) = self.parts[who].take() else {
            panic!("only waiters are released")
        };
        self.parts[who] = Some(Part::Computing(waiting.takes(number)));
    }

    /// The actor gives up its place at its port.
    fn give_up_place(&mut self, who: usize) {
        if let Some(home) = self.homes[who] {
            self.rules[home].active -= 1;
        }
    }

    /// The actor turns to a port; the one it comes from may release a waiter.
    fn turn_to(&mut self, who: usize, port: usize) {
        self.give_up_place(who);
        if let Some(left) = self.homes[who].replace(port).filter(|home| *home != port) {
            self.release(left);
        }
    }

    fn poll(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        let outcome = actor.take(&self.scenes[port].port, 0);
        self.turn_to(who, port);
        let expected = match self.rules[port].take() {
            Some(number) => Taken::Packet(numbered(number)),
            None => {
                self.rules[port].active += 1;
                TIMED_OUT
            }
        };
        assert_eq!(outcome, expected);
        Part::Computing(actor)
    }

    fn wait(&mut self, who: usize, actor: Actor, port: usize) -> Part {
        let waiting = actor.wait(&self.scenes[port].port);
        self.turn_to(who, port);
        match self.rules[port].take() {
            Some(number) => Part::Computing(waiting.takes(number)),
            None => {
                self.rules[port].waiters.push(who);
                until_port_waiters(self.scenes[port].port.raw(), self.rules[port].waiters.len());
                Part::Waiting(waiting)
            }
        }
    }

    fn block(&mut self, who: usize, actor: Actor) -> Part {
        let event = Event::auto();
        let blocking = actor.block_on(&event);
        self.give_up_place(who);
        self.homes[who]
            .into_iter()
            .for_each(|home| self.release(home));
        Part::Blocked(actor, event, blocking)
    }

    fn go_on(&mut self, who: usize, actor: Actor, event: Event, blocking: Doing<bool>) -> Part {
        event.set();
        assert!(blocking.outcome());
        if let Some(home) = self.homes[who] {
            self.rules[home].active += 1;
        }
        Part::Computing(actor)
    }

    /// The actor ends, another takes over its part.
    fn replace(&mut self, who: usize, actor: Actor) -> Part {
        actor.exit();
        self.give_up_place(who);
        self.homes[who]
            .take()
            .into_iter()
            .for_each(|home| self.release(home));
        Part::Computing(Actor::new())
    }
}
