//! Names to addresses by name space, while the program waits or meanwhile: GetAddrInfoEx.
//!
//! No test needs a network: what is asked for is numeric, localhost, or the host's own name. So no look-up takes long, and
//! whether one that is cancelled was over by then is not known: either is right, if all of it fits.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use wharf_sys::*;

use crate::harness::*;
use crate::names::{narrow, wide};
use crate::tcp::*;

/// Why Wine cannot be asked: a test that fails gives up what Wine then writes to and signals.
const STARTS: &str = "Wine starts it, and goes on with what is lent no more";

/// No hints, to begin from.
fn hints() -> ADDRINFOEXW {
    ADDRINFOEXW::default()
}

fn flags(flags: u32) -> ADDRINFOEXW {
    ADDRINFOEXW {
        ai_flags: flags as i32,
        ..hints()
    }
}

/// What a program asks of GetAddrInfoExW, and what it keeps until the answer is there.
struct Lookup {
    name: Option<Vec<u16>>,
    service: Option<Vec<u16>>,
    space: u32,
    provider: *const GUID,
    hints: Option<ADDRINFOEXW>,
    timeout: Option<TIMEVAL>,
    result: UnsafeCell<*mut ADDRINFOEXW>, // lent while it goes on, as the next
    overlapped: UnsafeCell<OVERLAPPED>,
    handle: HANDLE,
    done: Event,
    calls: AtomicU32, // of the routine
    error: AtomicU32, // that it was told
    thread: AtomicU32,
}

impl Lookup {
    fn new(name: Option<&str>, service: Option<&str>) -> Box<Lookup> {
        Box::new(Lookup {
            name: name.map(wide),
            service: service.map(wide),
            space: NS_DNS,
            provider: null(),
            hints: Some(hints()),
            timeout: None,
            result: UnsafeCell::new(std::ptr::dangling_mut()), // anything but null
            overlapped: UnsafeCell::default(),
            handle: null_mut(),
            done: Event::manual(),
            calls: AtomicU32::new(0),
            error: AtomicU32::new(UNTOUCHED),
            thread: AtomicU32::new(0),
        })
    }

    fn with_hints(name: &str, hints: ADDRINFOEXW) -> Box<Lookup> {
        let mut lookup = Lookup::new(Some(name), None);
        lookup.hints = Some(hints);
        lookup
    }

    /// # Safety
    /// As for GetAddrInfoExW; what is lent to it is this.
    unsafe fn call(
        &mut self,
        overlapped: *const OVERLAPPED,
        routine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
        handle: *mut HANDLE,
    ) -> i32 {
        let start = |text: &Option<Vec<u16>>| text.as_ref().map_or(null(), |text| text.as_ptr());
        set_last_error(UNTOUCHED);
        // SAFETY: texts are terminated, the rest is null or lives as long as this.
        let code = unsafe {
            GetAddrInfoExW(
                start(&self.name),
                start(&self.service),
                self.space,
                self.provider,
                self.hints.as_ref().map_or(null(), std::ptr::from_ref),
                self.result.get(),
                self.timeout.as_ref().map_or(null(), std::ptr::from_ref),
                overlapped,
                routine,
                handle,
            )
        };
        assert_eq!(wsa_error(), code, "the code is the last error, or it is 0");
        code
    }

    /// Waits for the answer in the call.
    fn wait(&mut self) -> Result<Vec<String>, i32> {
        // SAFETY: nothing is lent beyond the call.
        match unsafe { self.call(null(), None, null_mut()) } {
            0 => Ok(self.take_addresses()),
            code => {
                assert!(self.list().is_null(), "a failure leaves a null pointer");
                Err(code)
            }
        }
    }

    /// Starts it; its event will be signalled.
    fn start_with_event(&mut self) -> i32 {
        self.overlapped.get_mut().hEvent = self.done.raw();
        let (overlapped, handle) = (self.overlapped.get(), &raw mut self.handle);
        // SAFETY: a test keeps its box until the event is signalled.
        unsafe { self.call(overlapped, None, handle) }
    }

    /// Starts it; its routine will be called, which signals the event.
    fn start_with_routine(&mut self) -> i32 {
        let (overlapped, handle) = (self.overlapped.get(), &raw mut self.handle);
        // SAFETY: a test keeps its box until the routine was called.
        unsafe { self.call(overlapped, Some(note_call), handle) }
    }

    fn until_done(&self) -> i32 {
        assert!(self.done.wait(DEADLINE_MS));
        self.code()
    }

    /// GetAddrInfoExOverlappedResult.
    fn code(&self) -> i32 {
        // SAFETY: given to GetAddrInfoExW.
        unsafe { GetAddrInfoExOverlappedResult(self.overlapped.get()) }
    }

    /// What is in the OVERLAPPED, of a look-up that is over: Internal, Pointer, hEvent.
    fn told(&self) -> (usize, *mut c_void, HANDLE) {
        // SAFETY: it is the test's again; any bytes are a pointer.
        unsafe {
            let overlapped = &*self.overlapped.get();
            let pointer = overlapped.Anonymous.Pointer;
            (overlapped.Internal, pointer, overlapped.hEvent)
        }
    }

    /// The place of the result.
    fn place(&self) -> *mut c_void {
        self.result.get().cast()
    }

    /// The list, of a look-up that is over.
    fn list(&self) -> *mut ADDRINFOEXW {
        // SAFETY: it is the test's again.
        unsafe { *self.result.get() }
    }

    fn cancel(&self) -> i32 {
        // SAFETY: a handle, or null.
        unsafe { GetAddrInfoExCancel(&self.handle) }
    }

    /// The list's addresses. The list is freed.
    fn take_addresses(&mut self) -> Vec<String> {
        let list = std::mem::replace(self.result.get_mut(), null_mut());
        assert!(!list.is_null());
        let mut addresses = Vec::new();
        let mut next = list;
        while !next.is_null() {
            // SAFETY: an entry of the list; under Wine it may be unaligned.
            let info = unsafe { next.read_unaligned() };
            assert!(info.ai_blob.is_null() && info.ai_bloblen == 0 && info.ai_provider.is_null());
            // SAFETY: an entry's address has the length that the entry says.
            let bytes =
                unsafe { std::slice::from_raw_parts(info.ai_addr.cast::<u8>(), info.ai_addrlen) };
            addresses.push(address_text(bytes));
            next = info.ai_next;
        }
        // SAFETY: nobody uses the list any more.
        unsafe { FreeAddrInfoExW(list) };
        addresses
    }
}

/// An address as WSAAddressToString writes it.
fn address_text(bytes: &[u8]) -> String {
    let (mut text, mut len) = ([0u16; 80], 80);
    // SAFETY: the lengths are those of the buffers.
    let result = unsafe {
        WSAAddressToStringW(
            bytes.as_ptr().cast(),
            bytes.len() as u32,
            null(),
            text.as_mut_ptr(),
            &mut len,
        )
    };
    assert_eq!(result, 0);
    narrow(&text)
}

/// Notes its call in the look-up around the OVERLAPPED.
unsafe extern "system" fn note_call(error: u32, _bytes: u32, overlapped: *const OVERLAPPED) {
    let offset = std::mem::offset_of!(Lookup, overlapped);
    // SAFETY: the OVERLAPPED of a look-up, which the test keeps until the event is signalled.
    let lookup = unsafe { &*overlapped.byte_sub(offset).cast::<Lookup>() };
    lookup.calls.fetch_add(1, SeqCst);
    lookup.error.store(error, SeqCst);
    lookup.thread.store(current_thread_id(), SeqCst);
    lookup.done.set();
}

const LOOPBACK: &str = "127.0.0.1";

/// A call without an OVERLAPPED waits for the answer, which is that of getaddrinfo.
/// Source: GetAddrInfoExW (it is an enhanced getaddrinfo).
#[test]
fn call_without_an_overlapped_waits() {
    let _watch = watch();
    startup();
    let mut http = Lookup::new(Some(LOOPBACK), Some("80"));
    assert_eq!(http.wait(), Ok(vec!["127.0.0.1:80".to_owned()]));
    let mut nothing = Lookup::new(None, None);
    assert_eq!(nothing.wait(), Err(WSAHOST_NOT_FOUND));
    let mut word = Lookup::with_hints("localhost", flags(AI_NUMERICHOST));
    assert_eq!(word.wait(), Err(WSAHOST_NOT_FOUND));
    let mut local = Lookup::new(Some("localhost"), None);
    local.hints = None;
    assert!(
        local
            .wait()
            .expect("localhost")
            .contains(&LOOPBACK.to_owned())
    );
}

/// The empty name and "..localmachine" are this host.
/// Source: GetAddrInfoExW, remarks.
#[test]
fn this_host_has_names() {
    let _watch = watch();
    startup();
    let own = Lookup::new(Some(""), None).wait();
    assert!(!own.as_ref().expect("this host").is_empty());
    differs_under_wine("Wine asks the C library for ..localmachine", move || {
        assert_eq!(Lookup::new(Some("..localmachine"), None).wait(), own);
    });
}

/// The hints' pointers and lengths must be zero: WSANO_RECOVERY; unknown flags are WSAEINVAL, unknown families and types
/// have their codes.
/// Source: GetAddrInfoExW, pHints and return value.
#[test]
fn hints_are_checked() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine does not look at the pointers", || {
        let with_length = ADDRINFOEXW {
            ai_addrlen: 16,
            ..hints()
        };
        let refused = Lookup::with_hints(LOOPBACK, with_length).wait();
        assert_eq!(refused, Err(WSANO_RECOVERY));
    });
    differs_under_wine("Wine knows no wrong flags", || {
        let refused = Lookup::with_hints(LOOPBACK, flags(0x4000_0000)).wait();
        assert_eq!(refused, Err(WSAEINVAL));
    });
    let family = ADDRINFOEXW {
        ai_family: 99,
        ..hints()
    };
    let refused = Lookup::with_hints(LOOPBACK, family).wait();
    assert_eq!(refused, Err(WSAEAFNOSUPPORT));
    let kind = ADDRINFOEXW {
        ai_socktype: 999,
        ..hints()
    };
    let refused = Lookup::with_hints(LOOPBACK, kind).wait();
    assert_eq!(refused, Err(WSAESOCKTNOSUPPORT));
}

/// The canonical name is in the first entry; of no name there is none: WSANO_RECOVERY.
/// Source: GetAddrInfoExW, AI_CANONNAME.
#[test]
fn canonical_name_is_in_the_first_entry() {
    let _watch = watch();
    startup();
    let mut lookup = Lookup::with_hints(LOOPBACK, flags(AI_CANONNAME));
    // SAFETY: nothing is lent beyond the call.
    assert_eq!(unsafe { lookup.call(null(), None, null_mut()) }, 0);
    // SAFETY: the first entry of a list, whose name is terminated and shorter than this.
    let name = unsafe { std::slice::from_raw_parts((*lookup.list()).ai_canonname, 10) };
    assert_eq!(narrow(name), LOOPBACK);
    lookup.take_addresses();
    differs_under_wine("Wine says WSAEINVAL", || {
        let mut nameless = Lookup::new(None, Some("80"));
        nameless.hints = Some(flags(AI_CANONNAME));
        assert_eq!(nameless.wait(), Err(WSANO_RECOVERY));
    });
}

/// With AI_CANONNAME and AI_FQDN entries are of version 2, and the first one has both names.
/// Source: GetAddrInfoExW, AI_FQDN; addrinfoex2.
#[test]
fn both_names_are_in_version_two() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine knows version 1 only", || {
        let mut lookup = Lookup::with_hints(LOOPBACK, flags(AI_CANONNAME | AI_FQDN));
        // SAFETY: nothing is lent beyond the call.
        assert_eq!(unsafe { lookup.call(null(), None, null_mut()) }, 0);
        // SAFETY: with these flags a list of version 2.
        let info = unsafe { *lookup.list().cast::<ADDRINFOEX2W>() };
        assert_eq!(info.ai_version, ADDRINFOEX_VERSION_2 as i32);
        for name in [info.ai_canonname, info.ai_fqdn] {
            assert!(!name.is_null());
            // SAFETY: terminated, and as long as this.
            let units = unsafe { std::slice::from_raw_parts(name, 10) };
            assert_eq!(narrow(units), LOOPBACK);
        }
        lookup.take_addresses();
    });
}

/// NS_ALL and NS_DNS are there, with Microsoft's provider too; what is not there is WSASERVICE_NOT_FOUND.
/// Source: GetAddrInfoExW, dwNameSpace, lpNspId and WSASERVICE_NOT_FOUND.
#[test]
fn name_spaces_and_providers() {
    let _watch = watch();
    startup();
    let dns = GUID::from_u128(0x22059D40_7E9E_11CF_AE5A_00AA00A7112B);
    for space in [NS_ALL, NS_DNS] {
        for provider in [null(), &raw const dns] {
            let mut lookup = Lookup::new(Some(LOOPBACK), None);
            (lookup.space, lookup.provider) = (space, provider);
            assert_eq!(lookup.wait(), Ok(vec![LOOPBACK.to_owned()]));
        }
    }
    differs_under_wine("Wine asks DNS whatever is said", || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        lookup.space = 14; // NS_WINS
        assert_eq!(lookup.wait(), Err(WSASERVICE_NOT_FOUND));
        let nobody = GUID::from_u128(1);
        (lookup.space, lookup.provider) = (NS_DNS, &nobody);
        assert_eq!(lookup.wait(), Err(WSASERVICE_NOT_FOUND));
    });
}

/// An asynchronous look-up answers WSA_IO_PENDING, and signals its event when list and code are there. The OVERLAPPED
/// points to the place of the result, and tells the code itself.
/// Source: GetAddrInfoExW, lpOverlapped; validated on Windows.
#[test]
fn event_is_signalled_when_the_answer_is_there() {
    let _watch = watch();
    startup();
    for name in ["localhost", LOOPBACK, ""] {
        let mut lookup = Lookup::new(Some(name), Some("80"));
        assert_eq!(lookup.start_with_event(), WSA_IO_PENDING);
        assert_eq!(lookup.until_done(), 0);
        assert_eq!(lookup.told(), (0, lookup.place(), lookup.done.raw()));
        assert!(lookup.take_addresses()[0].ends_with(":80"));
    }
    let mut unknown = Lookup::with_hints("localhost", flags(AI_NUMERICHOST));
    assert_eq!(unknown.start_with_event(), WSA_IO_PENDING);
    assert_eq!(unknown.until_done(), WSAHOST_NOT_FOUND);
    assert_eq!(unknown.told().0, WSAHOST_NOT_FOUND as usize);
    assert!(unknown.list().is_null());
}

/// A routine is called once, on a thread that is none of the program's, with the code.
/// Source: GetAddrInfoExW, lpCompletionRoutine; validated on Windows.
#[test]
fn routine_is_called_once() {
    let _watch = watch();
    startup();
    for (hints, code) in [(hints(), 0), (flags(AI_NUMERICHOST), WSAHOST_NOT_FOUND)] {
        let mut lookup = Lookup::with_hints("localhost", hints);
        assert_eq!(lookup.start_with_routine(), WSA_IO_PENDING);
        assert_eq!(lookup.until_done(), code);
        assert_eq!(lookup.error.load(SeqCst), code as u32);
        assert_eq!(lookup.calls.load(SeqCst), 1);
        assert_ne!(lookup.thread.load(SeqCst), current_thread_id());
        let (internal, pointer, event) = lookup.told();
        assert_eq!((internal, event), (code as usize, null_mut()));
        let place = lookup.place();
        if code == 0 || !under_wine() {
            assert_eq!(pointer, place); // Wine takes it away with a failure
        }
        match code {
            0 => drop(lookup.take_addresses()),
            _ => assert!(lookup.list().is_null()),
        }
    }
}

/// Many look-ups may be under way at a time, from several threads.
/// Source: GetAddrInfoExW, lpOverlapped (a structure for each).
#[test]
fn many_lookups_at_a_time() {
    let _watch = watch();
    startup();
    let run = || {
        let mut lookups: Vec<_> = (0..100)
            .map(|_| Lookup::new(Some("localhost"), Some("80")))
            .collect();
        for (index, lookup) in lookups.iter_mut().enumerate() {
            let started = match index % 2 {
                0 => lookup.start_with_event(),
                _ => lookup.start_with_routine(),
            };
            assert_eq!(started, WSA_IO_PENDING);
        }
        for lookup in &mut lookups {
            assert_eq!(lookup.until_done(), 0);
            lookup.take_addresses();
        }
    };
    join_all((0..4).map(|_| spawn(run)));
}

/// What is wrong with the arguments is told by the call, and nothing is signalled afterwards.
/// Source: GetAddrInfoExW, return value; neither name, and an event with a routine, validated on Windows.
#[test]
fn refused_lookups_signal_nothing() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine leaves the last error alone", || {
        let mut both = Lookup::new(Some("localhost"), None);
        both.overlapped.get_mut().hEvent = both.done.raw();
        assert_eq!(both.start_with_routine(), WSAEINVAL);
        assert!(!both.done.wait(SHORT_MS));
        assert_eq!(both.calls.load(SeqCst), 0);
    });
    not_under_wine(STARTS, || {
        let mut nothing = Lookup::new(None, None);
        assert_eq!(nothing.start_with_event(), WSAHOST_NOT_FOUND);
        assert!(nothing.list().is_null());
        assert!(!nothing.done.wait(SHORT_MS));
    });
}

/// A look-up that goes on needs an event or a routine to report by, and a routine needs an OVERLAPPED: WSAEINVAL.
/// Source: GetAddrInfoExW, lpOverlapped and lpCompletionRoutine; the code is a Choice.
#[test]
fn something_must_report() {
    let _watch = watch();
    startup();
    not_under_wine(STARTS, || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        let overlapped = lookup.overlapped.get();
        // SAFETY: refused, so nothing is lent.
        let code = unsafe { lookup.call(overlapped, None, null_mut()) };
        assert_eq!(code, WSAEINVAL);
    });
    differs_under_wine("Wine ignores the routine", || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        // SAFETY: refused, so nothing is lent.
        let code = unsafe { lookup.call(null(), Some(note_call), null_mut()) };
        assert_eq!(code, WSAEINVAL);
    });
    not_under_wine("Wine starts with any event", || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        lookup.overlapped.get_mut().hEvent = GARBAGE_HANDLE;
        let overlapped = lookup.overlapped.get();
        // SAFETY: refused, so nothing is lent.
        let code = unsafe { lookup.call(overlapped, None, null_mut()) };
        assert_eq!(code, WSA_INVALID_HANDLE);
    });
}

/// The OVERLAPPED of no look-up is WSAEINVAL.
/// Source: GetAddrInfoExOverlappedResult, remarks; validated on Windows.
#[test]
fn result_of_no_lookup() {
    let _watch = watch();
    startup();
    // SAFETY: null is what is tested.
    assert_eq!(unsafe { GetAddrInfoExOverlappedResult(null()) }, WSAEINVAL);
}

/// A cancelled look-up is told of WSA_E_CANCELLED and has no list; one that is over cannot be cancelled:
/// WSA_INVALID_HANDLE. Either way its routine is called once.
/// Source: GetAddrInfoExCancel.
#[test]
fn lookups_are_cancelled_or_over() {
    let _watch = watch();
    startup();
    for round in 0..200 {
        let mut lookup = Lookup::new(Some("localhost"), None);
        let started = match round % 2 {
            0 => lookup.start_with_event(),
            _ => lookup.start_with_routine(),
        };
        assert_eq!(started, WSA_IO_PENDING);
        let cancelled = lookup.cancel();
        let code = lookup.until_done();
        match cancelled {
            0 => {
                assert_eq!(code, WSA_E_CANCELLED);
                assert!(lookup.list().is_null());
            }
            _ => {
                assert_eq!((cancelled, code), (WSA_INVALID_HANDLE, 0));
                lookup.take_addresses();
            }
        }
        assert_eq!(lookup.cancel(), WSA_INVALID_HANDLE);
        if round % 2 == 1 {
            assert_eq!(lookup.calls.load(SeqCst), 1);
            assert_eq!(lookup.error.load(SeqCst), code as u32);
        }
    }
}

/// What is no handle of a look-up is WSA_INVALID_HANDLE.
/// Source: GetAddrInfoExCancel, remarks.
#[test]
fn cancelling_needs_a_handle() {
    let _watch = watch();
    startup();
    for handle in [null_mut(), GARBAGE_HANDLE, INVALID_HANDLE_VALUE] {
        // SAFETY: the pointer is valid; what it points to is what is tested.
        assert_eq!(unsafe { GetAddrInfoExCancel(&handle) }, WSA_INVALID_HANDLE);
    }
    not_under_wine("handles are not looked at there", || {
        // SAFETY: null is what is tested.
        assert_eq!(unsafe { GetAddrInfoExCancel(null()) }, WSA_INVALID_HANDLE);
    });
}

/// A handle that was given out is that of one look-up only.
/// Source: GetAddrInfoExW, lpHandle (valid until the routine is called or the event signalled).
#[test]
fn each_lookup_has_its_handle() {
    let _watch = watch();
    startup();
    not_under_wine(
        "Wine gives out none, and goes on with what is lent no more",
        || {
            let mut lookups: Vec<_> = (0..20).map(|_| Lookup::new(Some(LOOPBACK), None)).collect();
            let mut handles = Vec::new();
            for lookup in &mut lookups {
                assert_eq!(lookup.start_with_event(), WSA_IO_PENDING);
                assert!(!lookup.handle.is_null());
                handles.push(lookup.handle as usize);
            }
            handles.sort();
            handles.dedup();
            assert_eq!(handles.len(), lookups.len());
            for lookup in &mut lookups {
                assert_eq!(lookup.until_done(), 0);
                lookup.take_addresses();
            }
        },
    );
}

/// With a time that suffices an answer comes as without one; a negative one is WSAEINVAL.
/// Source: GetAddrInfoExW, timeout. The code is a Choice, as WSAETIMEDOUT for a time that does not suffice.
#[test]
fn look_up_within_a_time() {
    let _watch = watch();
    startup();
    let enough = TIMEVAL {
        tv_sec: 60,
        tv_usec: 0,
    };
    let mut waiting = Lookup::new(Some(LOOPBACK), None);
    waiting.timeout = Some(enough);
    assert_eq!(waiting.wait(), Ok(vec![LOOPBACK.to_owned()]));
    let mut lookup = Lookup::new(Some(LOOPBACK), None);
    lookup.timeout = Some(enough);
    assert_eq!(lookup.start_with_routine(), WSA_IO_PENDING);
    assert_eq!(lookup.until_done(), 0);
    assert_eq!(lookup.take_addresses(), [LOOPBACK]);
    differs_under_wine("Wine ignores the time", || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        lookup.timeout = Some(TIMEVAL {
            tv_sec: -1,
            tv_usec: 0,
        });
        assert_eq!(lookup.wait(), Err(WSAEINVAL));
        assert_eq!(lookup.start_with_event(), WSAEINVAL);
    });
}

/// Closing the event's handle does not reach a look-up under way: it has its own.
/// Source: GetAddrInfoExW, lpOverlapped (as for every OVERLAPPED, its event is referred to by the operation).
#[test]
fn event_may_be_closed_meanwhile() {
    let _watch = watch();
    startup();
    linux_only("Wine signals by handle", || {
        let mut lookup = Lookup::new(Some("localhost"), None);
        let copy = duplicate(lookup.done.raw());
        lookup.overlapped.get_mut().hEvent = copy.raw();
        let overlapped = lookup.overlapped.get();
        // SAFETY: the test keeps its box until the event is signalled.
        let code = unsafe { lookup.call(overlapped, None, null_mut()) };
        assert_eq!(code, WSA_IO_PENDING);
        copy.close();
        assert_eq!(lookup.until_done(), 0);
        lookup.take_addresses();
    });
}

/// FreeAddrInfoEx takes null, and leaves alone what is no list of GetAddrInfoEx.
/// Source: FreeAddrInfoExW. Choice: null is ignored.
#[test]
fn lists_are_freed_by_their_own_function() {
    let _watch = watch();
    startup();
    // SAFETY: null is what is tested.
    unsafe {
        FreeAddrInfoEx(null());
        FreeAddrInfoExW(null());
    }
    linux_only("on Windows the heap is damaged", || {
        let mut lookup = Lookup::new(Some(LOOPBACK), None);
        // SAFETY: nothing is lent beyond the call; the list is freed once by its function, and offered to others.
        unsafe {
            assert_eq!(lookup.call(null(), None, null_mut()), 0);
            let list = lookup.list();
            FreeAddrInfoW(list.cast());
            freeaddrinfo(list.cast());
            assert_eq!((*list).ai_family, AF_INET.into());
            FreeAddrInfoEx(list.cast());
            FreeAddrInfoExW(list);
        }
    });
}

/// GetAddrInfoExA waits, and takes none of the arguments for going on: WSAEINVAL.
/// Source: GetAddrInfoExA, timeout, lpOverlapped, lpCompletionRoutine and lpNameHandle.
#[test]
fn ansi_form_waits() {
    let _watch = watch();
    startup();
    not_under_wine("there is no such function", || {
        let mut result: *mut ADDRINFOEXA = std::ptr::dangling_mut();
        let mut call = |timeout: *const TIMEVAL,
                        overlapped: *const OVERLAPPED,
                        routine: LPLOOKUPSERVICE_COMPLETION_ROUTINE,
                        handle: *mut HANDLE| {
            let hints = ADDRINFOEXA {
                ai_flags: AI_CANONNAME as i32,
                ..ADDRINFOEXA::default()
            };
            // SAFETY: texts are terminated, the rest is null or valid for the call.
            unsafe {
                GetAddrInfoExA(
                    c"127.0.0.1".as_ptr().cast(),
                    c"80".as_ptr().cast(),
                    NS_ALL,
                    null(),
                    &hints,
                    &mut result,
                    timeout,
                    overlapped,
                    routine,
                    handle,
                )
            }
        };
        let (time, overlapped) = (TIMEVAL::default(), OVERLAPPED::default());
        let mut handle = null_mut();
        assert_eq!(call(&time, null(), None, null_mut()), WSAEINVAL);
        assert_eq!(call(null(), &overlapped, None, null_mut()), WSAEINVAL);
        assert_eq!(call(null(), null(), Some(note_call), null_mut()), WSAEINVAL);
        assert_eq!(call(null(), null(), None, &mut handle), WSAEINVAL);
        assert_eq!(call(null(), null(), None, null_mut()), 0);
        // SAFETY: a list of one, freed once.
        unsafe {
            let name = std::ffi::CStr::from_ptr((*result).ai_canonname.cast());
            assert_eq!(name, c"127.0.0.1");
            let bytes = std::slice::from_raw_parts((*result).ai_addr.cast::<u8>(), 16);
            assert_eq!(address_text(bytes), "127.0.0.1:80");
            assert!((*result).ai_next.is_null());
            FreeAddrInfoEx(result);
        }
    });
}

/// The name space of DNS takes no names: WSANO_RECOVERY; what is reserved must be null: WSAEINVAL.
/// Source: SetAddrInfoExW, remarks and return value.
#[test]
fn names_are_not_registered() {
    let _watch = watch();
    startup();
    not_under_wine("there is no such function", || {
        let set = |space, time: *const TIMEVAL| {
            let name = wide("wharf.test");
            set_last_error(UNTOUCHED);
            // SAFETY: texts are terminated, no addresses are named, the rest is null or valid.
            let codes = unsafe {
                let wide = SetAddrInfoExW(
                    name.as_ptr(),
                    null(),
                    null(),
                    0,
                    null(),
                    0,
                    space,
                    null(),
                    time,
                    null(),
                    None,
                    null_mut(),
                );
                let ansi = SetAddrInfoExA(
                    c"wharf.test".as_ptr().cast(),
                    null(),
                    null(),
                    0,
                    null(),
                    0,
                    space,
                    null(),
                    time,
                    null(),
                    None,
                    null_mut(),
                );
                (wide, ansi)
            };
            assert_eq!(codes.0, codes.1);
            assert_eq!(codes.1, wsa_error());
            codes.0
        };
        assert_eq!(set(NS_ALL, null()), WSANO_RECOVERY);
        assert_eq!(set(NS_DNS, null()), WSANO_RECOVERY);
        assert_eq!(set(NS_DNS, &TIMEVAL::default()), WSAEINVAL);
    });
}

/// Before WSAStartup nothing is looked up.
/// Source: GetAddrInfoExW, WSANOTINITIALISED.
#[test]
fn lookups_need_a_startup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("Wine answers all the same", || {
            let refused = Lookup::new(Some(LOOPBACK), None).wait();
            assert_eq!(refused, Err(WSANOTINITIALISED));
            let mut lookup = Lookup::new(Some(LOOPBACK), None);
            assert_eq!(lookup.start_with_event(), WSANOTINITIALISED);
        });
    });
}
