//! Queries of the name space of DNS: WSALookupServiceBegin and its like.
//!
//! A query is kept when it begins, and asked when its first result is wanted: only then it may take its time. A thread of its
//! own asks, since the C library cannot be interrupted, and whoever wants the result waits beside it until there is one or the
//! query is ended.
//!
//! Source: "WSALookupServiceBegin", "WSALookupServiceNext", "WSALookupServiceEnd", "WSAQUERYSET".

use std::collections::VecDeque;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::core::GUID;

use crate::types::{SVCID_DNS, SVCID_HOSTNAME, SVCID_INET_HOSTADDRBYINETSTRING};
use crate::types::{SVCID_INET_HOSTADDRBYNAME, SVCID_TCP, SVCID_UDP};

use super::database::{self, Transport};
use super::resolve::{self, Hints, NameHints};
use crate::platform::lock::Lock;
use crate::platform::objects::notification::Notification;
use crate::platform::objects::slab::{Key, Slab};
use crate::platform::sockets::address::{Address, Family};
use crate::platform::status::Status;
use crate::platform::system;

/// The provider of the name space of DNS, as Windows lists it.
pub const PROVIDER: GUID = GUID::from_u128(0x22059D40_7E9E_11CF_AE5A_00AA00A7112B);

/// Whether two identifiers are one.
pub fn is_same(one: &GUID, other: &GUID) -> bool {
    let fields = |id: &GUID| (id.data1, id.data2, id.data3, id.data4);
    fields(one) == fields(other)
}

/// What a query asks for.
#[derive(Clone)]
pub struct Query {
    /// Of a host; none: of this one.
    pub name: Option<CString>,
    /// The class of service.
    pub class: Class,
    /// The identifier of the class, as the results say it.
    pub class_id: GUID,
    /// Only these families with these protocols; an empty list: all.
    pub protocols: Vec<Wanted>,
    /// What the results say.
    pub parts: Parts,
    /// What the results repeat.
    pub query_string: Option<CString>,
}

/// A family and a protocol that are wanted; none: any.
pub type Wanted = (Option<Family>, Option<Transport>);

/// What a result says.
#[derive(Clone, Copy, Default)]
pub struct Parts {
    pub name: bool,
    pub class: bool,
    pub addresses: bool,
    pub query_string: bool,
    /// Other names of the host are results too.
    pub aliases: bool,
    /// The answer is in the local part of an address, not in the remote one.
    pub local: bool,
}

impl Parts {
    /// What one call says of what the other asked for.
    pub fn within(self, asked: Parts) -> Parts {
        Parts {
            name: self.name && asked.name,
            class: self.class && asked.class,
            addresses: self.addresses && asked.addresses,
            query_string: self.query_string && asked.query_string,
            aliases: self.aliases && asked.aliases,
            local: self.local || asked.local, // no restriction
        }
    }
}

/// The classes of services that DNS knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Hosts: the IPv4 addresses, unless protocols are named.
    Host,
    /// The host with the address that the name is.
    HostByAddress,
    /// Addresses of a host for the service at a port.
    Port(Transport, u16),
    /// Addresses of a host in records of that family.
    Record(Family),
}

impl Class {
    /// The class that an identifier stands for.
    pub fn of(id: &GUID) -> Option<Class> {
        const RECORD_A: u16 = 1;
        const RECORD_AAAA: u16 = 28;
        let is = |other: &GUID| is_same(id, other);
        let port = id.data1 as u16; // its low half, if it has one
        if is(&SVCID_HOSTNAME) || is(&SVCID_INET_HOSTADDRBYNAME) {
            Some(Class::Host)
        } else if is(&SVCID_INET_HOSTADDRBYINETSTRING) {
            Some(Class::HostByAddress)
        } else if is(&SVCID_TCP(port)) {
            Some(Class::Port(Transport::Tcp, port))
        } else if is(&SVCID_UDP(port)) {
            Some(Class::Port(Transport::Udp, port))
        } else if is(&SVCID_DNS(RECORD_A)) {
            Some(Class::Record(Family::V4))
        } else if is(&SVCID_DNS(RECORD_AAAA)) {
            Some(Class::Record(Family::V6))
        } else {
            None
        }
    }

    fn port(self) -> u16 {
        match self {
            Class::Port(_, port) => port,
            _ => 0,
        }
    }
}

/// One result.
pub struct Found {
    pub name: Option<Vec<u8>>,
    /// Each with the protocol it is for.
    pub addresses: Vec<(Address, Transport)>,
    /// RESULT_IS_ALIAS: another name of the host.
    pub is_alias: bool,
}

impl Query {
    /// Whether a name is there where the class needs one.
    fn is_complete(&self) -> bool {
        self.class == Class::Host || self.name.as_ref().is_some_and(|name| !name.is_empty())
    }

    fn wants(&self, family: Family, transport: Transport) -> bool {
        let of_class = match self.class {
            Class::Host => family == Family::V4 || !self.protocols.is_empty(),
            Class::HostByAddress => true,
            Class::Port(wanted, _) => transport == wanted,
            Class::Record(wanted) => family == wanted,
        };
        let is_named = self.protocols.iter().any(|(of_family, of_transport)| {
            of_family.is_none_or(|wanted| wanted == family)
                && of_transport.is_none_or(|wanted| wanted == transport)
        });
        of_class && (self.protocols.is_empty() || is_named)
    }

    /// Asks. It may take seconds.
    fn ask(&self) -> Result<VecDeque<Found>, Status> {
        let name = self.name.clone().unwrap_or_default();
        let (found_name, addresses) = match self.class {
            Class::HostByAddress => {
                let address = resolve::numeric(name.to_bytes()).ok_or(Status::NO_SUCH_SERVICE)?;
                let required = NameHints {
                    required: true,
                    ..NameHints::default()
                };
                let name = resolve::name_of_host(&address, required).map_err(not_found)?;
                (Some(name), vec![address])
            }
            _ => {
                let hints = Hints {
                    canonical_name: true,
                    ..Hints::default()
                };
                let resolved = resolve::resolve(Some(&name), None, hints).map_err(not_found)?;
                let canonical = resolved.canonical_name.map(CString::into_bytes);
                (canonical, resolved.addresses)
            }
        };
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| address.with_port(self.class.port()))
            .flat_map(|address| [(address, Transport::Tcp), (address, Transport::Udp)])
            .filter(|(address, transport)| self.wants(address.family(), *transport))
            .collect();
        if addresses.is_empty() {
            return Err(Status::NO_DATA);
        }
        let host = Found {
            name: found_name,
            addresses,
            is_alias: false,
        };
        let aliases = match self.parts.aliases {
            true => database::host_by_name(&name).map_or(Vec::new(), |host| host.aliases),
            false => Vec::new(),
        };
        let alias = |name: CString| Found {
            name: Some(name.into_bytes()),
            addresses: Vec::new(),
            is_alias: true,
        };
        Ok([host]
            .into_iter()
            .chain(aliases.into_iter().map(alias))
            .collect())
    }
}

/// What a name space says of a name that cannot be found, for whatever reason.
fn not_found(status: Status) -> Status {
    match status {
        Status::HOST_NOT_FOUND | Status::TRY_AGAIN | Status::NO_RECOVERY => Status::NO_SUCH_SERVICE,
        other => other,
    }
}

/// A query that has begun.
pub struct Lookup {
    /// The query.
    pub query: Query,
    turn: Lock<()>, // of whoever asks
    progress: Lock<Progress>,
    /// Waits for changes of what was found.
    pub changes: Arc<Notification>,
}

enum Progress {
    Begun,
    Asking(Sender<Answer>),
    Answered {
        results: VecDeque<Found>, // not told yet
        was_too_large: bool,      // the first of them, for the room there was
    },
    Ended,
}

type Answer = Result<VecDeque<Found>, Status>;

impl Lookup {
    /// Begins a query.
    ///
    /// # Errors
    /// `INVALID` without a name that the class needs; `NOT_ENOUGH_MEMORY`.
    pub fn begin(query: Query) -> Result<HANDLE, Status> {
        if !query.is_complete() {
            return Err(Status::INVALID);
        }
        let key = LOOKUPS
            .insert(Lookup::new(query))
            .ok_or(Status::NOT_ENOUGH_MEMORY)?;
        Ok((key.number() as usize * HANDLE_STEP + HANDLE_REST) as HANDLE)
    }

    fn new(query: Query) -> Arc<Lookup> {
        Arc::new(Lookup {
            query,
            turn: Lock::default(),
            progress: Lock::new(Progress::Begun),
            changes: Notification::new(),
        })
    }

    /// Tells the next result by `tell`, which fails with `FAULT` if there is no room for it: it stays the next one, unless the
    /// call after that skips it.
    ///
    /// # Errors
    /// - `NO_MORE_RESULTS`.
    /// - `NO_SUCH_SERVICE`, `NO_DATA` if there are none.
    /// - `LOOKUP_CANCELLED` if the query is ended meanwhile.
    /// - What `tell` says.
    pub fn next(
        &self,
        aliases: bool,
        skip_too_large: bool,
        tell: impl FnOnce(&Found) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let _turn = self.turn.lock();
        let query = self.query.clone();
        self.ask(move || query.ask())?;
        let Progress::Answered {
            results,
            was_too_large,
        } = &mut *self.progress.lock()
        else {
            return Err(Status::LOOKUP_CANCELLED);
        };
        if std::mem::take(was_too_large) && skip_too_large {
            results.pop_front();
        }
        if !aliases {
            results.retain(|found| !found.is_alias);
        }
        let told = tell(results.front().ok_or(Status::NO_MORE_RESULTS)?);
        match told {
            Ok(()) => drop(results.pop_front()),
            Err(_) => *was_too_large = true,
        }
        told
    }

    /// Asks, unless that has been done. A query that failed may be asked again.
    fn ask(&self, ask: impl FnOnce() -> Answer + Send + 'static) -> Result<(), Status> {
        let (sender, receiver) = channel();
        {
            let mut progress = self.progress.lock();
            if !matches!(*progress, Progress::Begun) {
                return Ok(());
            }
            *progress = Progress::Asking(sender.clone());
        }
        let asking = move || {
            system::block_signals();
            let _ = sender.send(ask()); // nobody waits if the query is ended
        };
        let answer = match Builder::new().name("wharf-lookup".into()).spawn(asking) {
            Ok(_) => resolve::waiting(|| receiver.recv()).unwrap_or(Err(Status::NO_RECOVERY)),
            Err(_) => Err(Status::NOT_ENOUGH_MEMORY),
        };
        let mut progress = self.progress.lock();
        if matches!(*progress, Progress::Ended) {
            return Err(Status::LOOKUP_CANCELLED);
        }
        let (next, result) = match answer {
            Ok(results) => {
                let was_too_large = false;
                let answered = Progress::Answered {
                    results,
                    was_too_large,
                };
                (answered, Ok(()))
            }
            Err(status) => (Progress::Begun, Err(status)),
        };
        *progress = next;
        result
    }

    fn end(&self) {
        let before = std::mem::replace(&mut *self.progress.lock(), Progress::Ended);
        if let Progress::Asking(waiting) = before {
            let _ = waiting.send(Err(Status::LOOKUP_CANCELLED)); // it may have its answer by now
        }
        self.changes.close();
    }
}

// ---- handles ----

/// They are no kernel objects: CloseHandle does not know them, and no number is a handle of anything else.
static LOOKUPS: Slab<Arc<Lookup>> = Slab::new();

/// Kernel handles are multiples of four, those of windows are two more.
const HANDLE_STEP: usize = 4;
const HANDLE_REST: usize = 3;

fn key(handle: HANDLE) -> Result<Key, Status> {
    match u32::try_from(handle as usize / HANDLE_STEP) {
        Ok(number) if handle as usize % HANDLE_STEP == HANDLE_REST => Ok(Key::from_number(number)),
        _ => Err(Status::NO_SUCH_HANDLE),
    }
}

/// The query of a handle.
///
/// # Errors
/// `NO_SUCH_HANDLE`.
pub fn find(handle: HANDLE) -> Result<Arc<Lookup>, Status> {
    let lookup = LOOKUPS.get(key(handle)?).ok_or(Status::NO_SUCH_HANDLE)?;
    Ok(Arc::clone(&lookup))
}

/// Ends a query: who waits for a result or for a change learns of it.
///
/// # Errors
/// `NO_SUCH_HANDLE`.
pub fn end(handle: HANDLE) -> Result<(), Status> {
    let lookup = LOOKUPS.remove(key(handle)?);
    lookup.ok_or(Status::NO_SUCH_HANDLE)?.end();
    Ok(())
}

/// Ends every query: the last WSACleanup.
pub fn close_all() {
    for (key, _) in LOOKUPS.all() {
        if let Some(lookup) = LOOKUPS.remove(key) {
            lookup.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: svcguid.h.
    #[test]
    fn classes_are_known_by_their_identifiers() {
        let classes = [
            (SVCID_HOSTNAME, Some(Class::Host)),
            (SVCID_INET_HOSTADDRBYNAME, Some(Class::Host)),
            (SVCID_INET_HOSTADDRBYINETSTRING, Some(Class::HostByAddress)),
            (SVCID_TCP(80), Some(Class::Port(Transport::Tcp, 80))),
            (SVCID_UDP(53), Some(Class::Port(Transport::Udp, 53))),
            (SVCID_DNS(1), Some(Class::Record(Family::V4))),
            (SVCID_DNS(28), Some(Class::Record(Family::V6))),
            (SVCID_DNS(15), None),
            (GUID::from_u128(0), None),
        ];
        for (id, class) in classes {
            assert_eq!(Class::of(&id), class, "{:x} {:x}", id.data1, id.data3);
        }
    }

    fn query(class: Class, protocols: &[Wanted]) -> Query {
        Query {
            name: None,
            class,
            class_id: GUID::from_u128(0),
            protocols: protocols.to_vec(),
            parts: Parts::default(),
            query_string: None,
        }
    }

    /// Source: WSALookupServiceEnd: "will cause the WSALookupServiceNext call to return immediately"; WSA_E_CANCELLED.
    #[test]
    fn ending_a_query_ends_the_wait_for_its_answer() {
        let lookup = Lookup::new(query(Class::Host, &[]));
        let (asked, is_asked) = channel();
        let (answer, is_answered) = channel();
        let of_another = lookup.clone();
        let waiting = std::thread::spawn(move || {
            of_another.ask(move || {
                asked.send(()).unwrap();
                is_answered.recv().unwrap()
            })
        });
        is_asked.recv().unwrap();
        lookup.end();
        assert_eq!(waiting.join().unwrap(), Err(Status::LOOKUP_CANCELLED));
        let told = lookup.next(true, false, |_| Ok(()));
        assert_eq!(told, Err(Status::LOOKUP_CANCELLED), "it stays ended");
        let late = answer.send(Err(Status::NO_DATA));
        assert!(
            late.is_ok(),
            "the asker is still there, and heard by nobody"
        );
    }

    /// Source: WSAQUERYSET, lpafpProtocols.
    #[test]
    fn protocols_restrict_what_is_found() {
        let all = [
            (Family::V4, Transport::Tcp),
            (Family::V4, Transport::Udp),
            (Family::V6, Transport::Tcp),
            (Family::V6, Transport::Udp),
        ];
        let wanted = |query: Query| all.map(|(family, transport)| query.wants(family, transport));
        let (v6, tcp) = (Some(Family::V6), Some(Transport::Tcp));
        let host = |protocols: &[_]| wanted(query(Class::Host, protocols));
        assert_eq!(host(&[]), [true, true, false, false]);
        assert_eq!(host(&[(None, None)]), [true; 4]);
        assert_eq!(host(&[(v6, None)]), [false, false, true, true]);
        assert_eq!(host(&[(v6, tcp)]), [false, false, true, false]);
        let port = |protocols: &[_]| wanted(query(Class::Port(Transport::Tcp, 1), protocols));
        assert_eq!(port(&[]), [true, false, true, false]);
        assert_eq!(port(&[(v6, None)]), [false, false, true, false]);
        let record = |protocols: &[_]| wanted(query(Class::Record(Family::V6), protocols));
        assert_eq!(record(&[]), [false, false, true, true]);
        assert_eq!(record(&[(Some(Family::V4), None)]), [false; 4]);
    }
}
