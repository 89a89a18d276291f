//! Everything at once: threads that start, take, finish, cancel, hand on, copy, convert and drop whatever they find on common
//! shelves. Each operation ends once, nothing is lost, and nothing of it stays behind.
//!
//! `WHARF_SEED` repeats a round, `WHARF_STRESS_SECONDS` goes on for longer.

mod common;

use std::cell::Cell;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Counted, DEADLINE, listener, loopback, under_wine};
use wharf::{
    ACCEPT_ROOM, AssociatedSocket, CompletionPort, Error, Event, Events, Finished, Operation,
    Packet, Pending, PollEntry, Readiness, Refused, Request, Socket, Window, poll, sleep_alertable,
};

type Port = CompletionPort<Value>;
type Associated = AssociatedSocket<Value>;

const THREADS: u64 = 4;
const STEPS: usize = 500;
/// Blocking calls and waits are to be short.
const MOMENT: Duration = Duration::from_millis(1);
/// How deep routines go on from routines.
const DEPTH_MAX: u32 = 4;

thread_local! {
    /// Routines of this thread that are to run.
    static ROUTINES: Cell<usize> = const { Cell::new(0) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// What an operation owns.
struct Value {
    inline: [u8; 64 + ACCEPT_ROOM],
    heap: Vec<u8>,
    under_way: bool,
    socket: Option<Arc<Associated>>,
    world: Arc<World>,
    _counted: Counted,
}

/// What the threads share.
#[derive(Default)]
struct World {
    live: Arc<AtomicUsize>,
    seeds: AtomicU64,
    ports: Shelf<Arc<Port>>,
    associated: Shelf<Arc<Associated>>,
    plain: Shelf<Arc<Socket>>,
    pending: Shelf<Pending<Value>>,
    idle: Shelf<Operation<Value>>,
    addresses: Shelf<SocketAddr>,
}

/// Where threads put things, and find those of others.
struct Shelf<T>(Mutex<Vec<T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf(Mutex::default())
    }
}

impl<T> Shelf<T> {
    const ROOM: u64 = 16;

    /// What has no room is dropped, after the shelf was left alone.
    fn put(&self, random: &mut Random, thing: T) {
        let crowded = self.0.lock().unwrap().len() as u64 >= Shelf::<T>::ROOM;
        let _old = crowded.then(|| self.take(random));
        self.0.lock().unwrap().push(thing);
    }

    fn take(&self, random: &mut Random) -> Option<T> {
        let mut things = self.0.lock().unwrap();
        let place = random.below(things.len().max(1) as u64) as usize;
        (place < things.len()).then(|| things.swap_remove(place))
    }

    fn clear(&self) {
        let things = std::mem::take(&mut *self.0.lock().unwrap());
        drop(things);
    }
}

impl<T: Clone> Shelf<T> {
    fn pick(&self, random: &mut Random) -> Option<T> {
        let things = self.0.lock().unwrap();
        let place = random.below(things.len().max(1) as u64) as usize;
        things.get(place).cloned()
    }
}

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % limit
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

fn request<'a>(
    inline: &'a mut [u8],
    heap: &'a mut [u8],
    what: u64,
    address: SocketAddr,
) -> Request<'a> {
    match what {
        0..=4 => Request::receive(inline),
        5 => Request::receive_vectored([heap, inline]),
        6 => Request::receive_from(heap),
        7 | 8 => Request::send(heap),
        9 => Request::send_vectored([&*inline, heap]),
        10 => Request::send_to(heap, address),
        11 => Request::accept(),
        12 => Request::accept_and_receive(inline),
        13 => Request::connect(address),
        14 => Request::connect_and_send(address, heap),
        _ => Request::disconnect_for_reuse(),
    }
}

/// Starts an operation on any socket, with any report.
fn start(world: &Arc<World>, random: &mut Random) {
    let reused = world.idle.take(random);
    let mut operation = reused.unwrap_or_else(|| {
        Operation::new(Value {
            inline: [0; 64 + ACCEPT_ROOM],
            heap: vec![7; random.below(200) as usize],
            under_way: false,
            socket: None,
            world: Arc::clone(world),
            _counted: Counted::new(&world.live),
        })
    });
    let address = world.addresses.pick(random).unwrap_or(loopback());
    let what = random.below(16);
    let found = |value: &mut Value| value.under_way = true;
    let refused = match (world.associated.pick(random), world.plain.pick(random)) {
        (Some(socket), _) if random.one_in(3) => socket
            .start(operation, |value| {
                found(value);
                request(&mut value.inline, &mut value.heap, what, address)
            })
            .err(),
        (Some(socket), _) if random.one_in(2) => {
            operation.socket = Some(socket);
            operation
                .start(|value| {
                    found(value);
                    let socket = value.socket.as_deref().expect("it was just given one");
                    (
                        socket,
                        request(&mut value.inline, &mut value.heap, what, address),
                    )
                })
                .err()
        }
        (Some(socket), _) if random.one_in(3) => {
            pend(world, random, &socket, operation, what, address)
        }
        (_, Some(socket)) if random.one_in(2) => {
            pend(world, random, &socket, operation, what, address)
        }
        (_, Some(socket)) => {
            let started = socket.start_with_routine(
                operation,
                |value| {
                    found(value);
                    request(&mut value.inline, &mut value.heap, what, address)
                },
                routine,
            );
            ROUTINES.set(ROUTINES.get() + usize::from(started.is_ok()));
            started.err()
        }
        _ => None,
    };
    if let Some(mut refused) = refused {
        assert!(std::mem::take(&mut refused.operation.under_way));
        refused.operation.socket = None;
        world.idle.put(random, refused.operation);
    }
}

fn pend(
    world: &World,
    random: &mut Random,
    socket: &Socket,
    operation: Operation<Value>,
    what: u64,
    address: SocketAddr,
) -> Option<Refused<Value>> {
    let started = socket.start_with_event(operation, |value| {
        value.under_way = true;
        request(&mut value.inline, &mut value.heap, what, address)
    });
    started
        .map(|pending| world.pending.put(random, pending))
        .err()
}

/// An operation is over.
fn end(world: &Arc<World>, random: &mut Random, finished: Finished<Value>) {
    let mut operation = finished.operation;
    assert!(std::mem::take(&mut operation.under_way), "it ends twice");
    operation.socket = None;
    let accepted = operation.take_accepted();
    assert!(accepted.is_none() || finished.result.is_ok());
    if let (Some(accepted), Some(listener)) = (accepted, world.plain.pick(random))
        && let Ok(socket) = accepted.into_socket(&listener)
    {
        shelve(world, random, socket);
    }
    match random.below(3) {
        0 => drop(operation),
        1 => world.idle.put(random, operation),
        _ => {
            if let Some(port) = world.ports.pick(random) {
                operation.under_way = true;
                port.post_operation(operation, 0, 0)
                    .expect("the port is there");
            }
        }
    }
}

fn routine(finished: Finished<Value>) {
    ROUTINES.set(ROUTINES.get() - 1);
    let world = Arc::clone(&finished.operation.world);
    let mut random = Random::new(world.seeds.fetch_add(1, SeqCst));
    DEPTH.set(DEPTH.get() + 1);
    end(&world, &mut random, finished);
    if DEPTH.get() < DEPTH_MAX {
        (0..random.below(3)).for_each(|_| step(&world, &mut random));
    }
    DEPTH.set(DEPTH.get() - 1);
}

fn take(world: &Arc<World>, random: &mut Random, port: &Port) {
    let mut packets = Vec::new();
    if random.one_in(2) {
        packets.extend(port.take(Some(MOMENT)).expect("the port is there"));
    } else {
        let taken = port.take_many(&mut packets, Some(MOMENT));
        assert_eq!(taken, Ok(packets.len()));
    }
    for Packet {
        operation,
        bytes,
        result,
        ..
    } in packets
    {
        if let Some(operation) = operation {
            end(
                world,
                random,
                Finished {
                    operation,
                    bytes,
                    result,
                },
            );
        }
    }
}

/// A socket goes onto a shelf, perhaps as one of a port.
fn shelve(world: &World, random: &mut Random, socket: Socket) {
    let _ = socket.set_receive_timeout(Some(MOMENT));
    let _ = socket.set_send_timeout(Some(MOMENT));
    if random.one_in(8) {
        let _ = socket.set_linger(Some(Duration::from_secs(random.below(2))));
    }
    match world.ports.pick(random) {
        Some(port) if random.one_in(2) => {
            if let Ok(socket) = port.associate(socket, 1) {
                world.associated.put(random, Arc::new(socket));
            }
        }
        _ => world.plain.put(random, Arc::new(socket)),
    }
}

fn make(world: &World, random: &mut Random) -> Result<(), Error> {
    match random.below(8) {
        0 => {
            let port = Port::new(random.below(3) as u32)?;
            world.ports.put(random, Arc::new(port));
        }
        1 => shelve(world, random, Socket::stream_for(loopback())?),
        2 => {
            let socket = Socket::datagram_at(loopback())?;
            if random.one_in(2) {
                socket.connect(socket.local_addr()?)?;
            }
            world.addresses.put(random, socket.local_addr()?);
            shelve(world, random, socket);
        }
        _ => {
            let listener = listener();
            let client = Socket::connect_to(listener.local_addr()?)?;
            shelve(world, random, listener.accept()?.0);
            shelve(world, random, client);
            if random.one_in(2) {
                listener.set_nonblocking(true)?;
                world.addresses.put(random, listener.local_addr()?);
                shelve(world, random, listener);
            }
        }
    }
    Ok(())
}

/// What one does to a socket.
fn treat(world: &World, random: &mut Random, socket: &Socket) -> Result<(), Error> {
    match random.below(10) {
        0 => socket.cancel()?,
        1 => socket.recv(&mut [0; 50]).map(drop)?,
        2 | 3 => socket.send(&[3; 77]).map(drop)?,
        4 => socket.shutdown([Shutdown::Read, Shutdown::Write][random.below(2) as usize])?,
        5 => drop(socket.try_clone()?.send(&[4; 7])), // not for long: its handle would keep operations under way
        6 => {
            let stream = std::net::TcpStream::try_from(socket.try_clone()?)?;
            shelve(world, random, Socket::try_from(stream)?);
        }
        7 => {
            let event = Event::auto_reset()?;
            socket.event_select(&event, Events::READ | Events::ACCEPT | Events::CLOSE)?;
            socket.network_events(&event)?;
        }
        8 => {
            let window = Window::new()?;
            socket.async_select(&window, Events::READ | Events::WRITE | Events::CLOSE)?;
            window.take_within(MOMENT).map(drop)?;
        }
        _ => {
            let mut entry = [PollEntry::new(socket, Readiness::READ | Readiness::WRITE)];
            poll(&mut entry, Some(Duration::ZERO)).map(drop)?;
        }
    }
    Ok(())
}

fn step(world: &Arc<World>, random: &mut Random) {
    match random.below(16) {
        0 => drop(make(world, random)),
        1..=4 => start(world, random),
        5..=8 => {
            if let Some(port) = world.ports.pick(random) {
                take(world, random, &port);
            }
        }
        9 => drop(sleep_alertable(Some(MOMENT))),
        10 => {
            if let Some(pending) = world.pending.take(random) {
                match random.below(3) {
                    0 => drop(pending),
                    1 => {
                        let _ = pending.cancel(); // it may be over
                        end(world, random, pending.wait());
                    }
                    _ => match pending.try_finish() {
                        Ok(finished) => end(world, random, finished),
                        Err(pending) => world.pending.put(random, pending),
                    },
                }
            }
        }
        11 if random.one_in(2) => drop(world.associated.take(random)),
        11 => drop(world.plain.take(random)),
        12 => drop(world.idle.take(random)),
        13 | 14 => {
            if let Some(socket) = world.plain.pick(random) {
                let _ = treat(world, random, &socket); // whatever it is, it may not like it
            }
        }
        _ => {
            if let Some(socket) = world.associated.pick(random) {
                let _ = treat(world, random, &socket);
            }
        }
    }
}

/// A thread's part; it ends when its routines have run.
fn work(world: &Arc<World>, seed: u64) {
    let mut random = Random::new(seed);
    (0..STEPS).for_each(|_| step(world, &mut random));
    DEPTH.set(DEPTH_MAX);
    let deadline = Instant::now() + DEADLINE;
    while ROUTINES.get() > 0 {
        assert!(Instant::now() < deadline, "a routine never runs");
        if let Some(socket) = world.plain.pick(&mut random) {
            let _ = socket.cancel(); // there may be nothing
        }
        sleep_alertable(Some(MOMENT));
    }
}

fn round(seed: u64) {
    println!("WHARF_SEED={seed}");
    let world = Arc::new(World::default());
    let live = Arc::clone(&world.live);
    world.seeds.store(seed << 32, SeqCst);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let world = &world;
            scope.spawn(move || work(world, seed * THREADS + thread));
        }
    });
    let shelves: [&dyn Fn(); 5] = [
        &|| world.ports.clear(),
        &|| world.associated.clear(),
        &|| world.plain.clear(),
        &|| world.pending.clear(),
        &|| world.idle.clear(),
    ];
    for shelf in 0..shelves.len() {
        shelves[(shelf + seed as usize) % shelves.len()]();
    }
    assert_eq!(live.load(SeqCst), 0, "seed {seed}");
}

#[test]
fn every_operation_ends_once_whatever_becomes_of_everything() {
    if under_wine() {
        return; // it tells nothing of operations whose thread has ended
    }
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text: String| text.parse().ok())
    };
    if let Some(seed) = number("WHARF_SEED") {
        return round(seed);
    }
    let seconds = number("WHARF_STRESS_SECONDS").unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = 1;
    while seed <= 8 || Instant::now() < end {
        round(seed);
        seed += 1;
    }
}
