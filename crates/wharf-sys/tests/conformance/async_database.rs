//! What Winsock 1.1 brought for programs of one thread: look-ups that a message tells, and blocking hooks, which are gone.
//!
//! What is asked for is known to every machine.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::tcp::*;
use crate::window::*;

const MESSAGE: u32 = WM_APP + 7;
const ROOM: i32 = MAXGETHOSTSTRUCT as i32;

/// What the message of a task says: WSAGETASYNCERROR and WSAGETASYNCBUFLEN.
#[derive(Debug, PartialEq)]
struct Told {
    error: WSA_ERROR,
    len: usize,
}

/// Starts a task that tells a window of this thread, and takes the message.
fn ask(start: impl FnOnce(HWND, u32) -> HANDLE) -> Told {
    let class = Class::new("async_database");
    let window = class.window();
    set_last_error(UNTOUCHED);
    let task = start(window.raw(), MESSAGE);
    assert!(!task.is_null(), "last error {}", wsa_error());
    let (result, message) = get_message(window.raw(), 0, 0);
    assert_eq!((result, message.message), (TRUE, MESSAGE));
    assert_eq!(message.wParam, task as usize);
    assert!(peek_message(window.raw(), MESSAGE, MESSAGE, PM_REMOVE).is_none());
    Told {
        error: (message.lParam >> 16) as WSA_ERROR,
        len: message.lParam as usize & 0xFFFF,
    }
}

/// A buffer as the documentation recommends, aligned as an array of bytes is: not at all.
struct Buffer([u8; MAXGETHOSTSTRUCT as usize + 1]);

impl Buffer {
    fn new() -> Box<Buffer> {
        Box::new(Buffer([0xAA; MAXGETHOSTSTRUCT as usize + 1]))
    }

    fn start(&mut self) -> *mut u8 {
        &raw mut self.0[1]
    }

    /// The entry that stands at its beginning.
    fn entry<T: Copy>(&self) -> T {
        // SAFETY: an answer begins with its structure; the buffer is large enough for any.
        unsafe { self.0[1..].as_ptr().cast::<T>().read_unaligned() }
    }

    /// Whether a pointer leads into the first `len` bytes.
    fn holds<T>(&self, pointer: *const T, len: usize) -> bool {
        let start = self.0[1..].as_ptr().addr();
        (start..start + len).contains(&pointer.addr())
    }

    fn is_untouched(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0xAA)
    }

    fn text(&self, pointer: *const u8, len: usize) -> String {
        assert!(self.holds(pointer, len));
        // SAFETY: within the buffer, where the library has put a string.
        let text = unsafe { CStr::from_ptr(pointer.cast()) };
        text.to_str().expect("UTF-8").to_owned()
    }

    /// The pointers of a list, which all lead into the buffer.
    fn list(&self, list: *mut *mut i8, len: usize) -> Vec<*mut i8> {
        assert!(self.holds(list, len));
        // SAFETY: within the buffer, up to the null pointer.
        let item = |index| unsafe { list.add(index).read_unaligned() };
        let items: Vec<_> = (0..).map(item).take_while(|item| !item.is_null()).collect();
        assert!(items.iter().all(|item| self.holds(*item, len)));
        items
    }
}

/// The name in a HOSTENT, and its addresses.
fn host(buffer: &Buffer, told: &Told) -> (String, Vec<[u8; 4]>) {
    assert_eq!(told.error, 0);
    let entry: HOSTENT = buffer.entry();
    assert_eq!((entry.h_addrtype, entry.h_length), (AF_INET as i16, 4));
    buffer.list(entry.h_aliases, told.len);
    let addresses = buffer.list(entry.h_addr_list, told.len).into_iter();
    // SAFETY: four bytes each, within the buffer.
    let read = |address: *mut i8| unsafe { address.cast::<[u8; 4]>().read_unaligned() };
    let addresses = addresses.map(read).collect();
    (buffer.text(entry.h_name, told.len), addresses)
}

/// A host is found by name and by address; the buffer has all of it.
/// Source: WSAAsyncGetHostByName, WSAAsyncGetHostByAddr.
#[test]
fn hosts_are_told_by_message() {
    let _watch = watch();
    startup();
    let mut buffer = Buffer::new();
    let told = ask(|window, message| {
        let name = c"localhost".as_ptr().cast();
        // SAFETY: the name is terminated; the buffer lives until the message came.
        unsafe { WSAAsyncGetHostByName(window, message, name, buffer.start(), ROOM) }
    });
    let (name, addresses) = host(&buffer, &told);
    assert!(!name.is_empty());
    assert!(addresses.contains(&[127, 0, 0, 1]));

    let mut buffer = Buffer::new();
    let told = ask(|window, message| {
        let (address, v4) = ([127u8, 0, 0, 1], AF_INET as i32);
        let start = buffer.start();
        // SAFETY: the address has four bytes; the buffer lives until the message came.
        unsafe { WSAAsyncGetHostByAddr(window, message, address.as_ptr(), 4, v4, start, ROOM) }
    });
    assert_eq!(host(&buffer, &told).1, [[127, 0, 0, 1]]);
}

/// The name of gethostname is found.
/// Source: WSAAsyncGetHostByName, remarks.
#[test]
fn own_name_is_found() {
    let _watch = watch();
    startup();
    let mut name = [0u8; 256];
    // SAFETY: the length is that of the buffer.
    assert_eq!(unsafe { gethostname(name.as_mut_ptr(), 256) }, 0);
    let mut buffer = Buffer::new();
    let told = ask(|window, message| {
        // SAFETY: the name is terminated; the buffer lives until the message came.
        unsafe { WSAAsyncGetHostByName(window, message, name.as_ptr(), buffer.start(), ROOM) }
    });
    assert!(!host(&buffer, &told).1.is_empty());
}

/// Services are found by name and port, protocols by name and number.
/// Source: WSAAsyncGetServByName, WSAAsyncGetServByPort, WSAAsyncGetProtoByName, WSAAsyncGetProtoByNumber.
#[test]
fn services_and_protocols_are_told_by_message() {
    let _watch = watch();
    startup();
    let service = |start: &dyn Fn(HWND, u32, *mut u8) -> HANDLE| {
        let mut buffer = Buffer::new();
        let told = ask(|window, message| start(window, message, buffer.start()));
        assert_eq!(told.error, 0);
        let entry: SERVENT = buffer.entry();
        buffer.list(entry.s_aliases, told.len);
        let port = u16::from_be(entry.s_port as u16);
        let protocol = buffer.text(entry.s_proto, told.len);
        (buffer.text(entry.s_name, told.len), port, protocol)
    };
    let http = ("http".to_owned(), 80, "tcp".to_owned());
    let tcp = c"tcp".as_ptr().cast();
    let by_name = service(&|window, message, buffer| {
        let name = c"http".as_ptr().cast();
        // SAFETY: the names are terminated; the buffer lives until the message came.
        unsafe { WSAAsyncGetServByName(window, message, name, tcp, buffer, ROOM) }
    });
    assert_eq!(by_name, http);
    let by_port = service(&|window, message, buffer| {
        let port = 80u16.to_be().into();
        // SAFETY: as above.
        unsafe { WSAAsyncGetServByPort(window, message, port, tcp, buffer, ROOM) }
    });
    assert_eq!(by_port, http);

    let protocol = |start: &dyn Fn(HWND, u32, *mut u8) -> HANDLE| {
        let mut buffer = Buffer::new();
        let told = ask(|window, message| start(window, message, buffer.start()));
        assert_eq!(told.error, 0);
        let entry: PROTOENT = buffer.entry();
        buffer.list(entry.p_aliases, told.len);
        (buffer.text(entry.p_name, told.len), entry.p_proto)
    };
    let by_name = protocol(&|window, message, buffer| {
        let name = c"udp".as_ptr().cast();
        // SAFETY: as above.
        unsafe { WSAAsyncGetProtoByName(window, message, name, buffer, ROOM) }
    });
    assert_eq!(by_name, ("udp".to_owned(), 17));
    // SAFETY: as above.
    let by_number = protocol(&|window, message, buffer| unsafe {
        WSAAsyncGetProtoByNumber(window, message, 6, buffer, ROOM)
    });
    assert_eq!(by_number, ("tcp".to_owned(), 6));
}

/// What is not found is told with the code of the function that waits.
/// Source: WSAAsyncGetServByName, WSANO_DATA; WSAAsyncGetHostByAddr, WSAEFAULT; as for getservbyname and relatives.
#[test]
fn failures_are_told_by_message() {
    let _watch = watch();
    startup();
    let mut buffer = Buffer::new();
    let start = buffer.start();
    let told = ask(|window, message| {
        let name = c"no-such-service".as_ptr().cast();
        // SAFETY: the name is terminated; the buffer lives until the message came.
        unsafe { WSAAsyncGetServByName(window, message, name, null(), start, ROOM) }
    });
    assert_eq!(told.error, WSANO_DATA);
    // SAFETY: as above.
    let told = ask(|window, message| unsafe {
        WSAAsyncGetProtoByNumber(window, message, 255, start, ROOM)
    });
    assert_eq!(told.error, WSANO_DATA);
    linux_only("Wine reads what is not there", || {
        // SAFETY: null pointers are what is tested.
        let told = ask(|window, message| unsafe {
            WSAAsyncGetServByName(window, message, null(), null(), start, ROOM)
        });
        assert_eq!(told.error, WSAEFAULT);
        let name = c"http".as_ptr().cast();
        // SAFETY: as above.
        let told = ask(|window, message| unsafe {
            WSAAsyncGetServByName(window, message, name, null(), null_mut(), ROOM)
        });
        assert_eq!(told.error, WSAEFAULT);
        // SAFETY: as above.
        let told = ask(|window, message| unsafe {
            WSAAsyncGetHostByName(window, message, null(), start, ROOM)
        });
        assert_eq!(told.error, WSAEFAULT);
        // SAFETY: as above.
        let told = ask(|window, message| unsafe {
            WSAAsyncGetHostByAddr(window, message, null(), 4, AF_INET.into(), start, ROOM)
        });
        assert_eq!(told.error, WSAEFAULT);
    });
    assert!(buffer.is_untouched());
}

/// Too little room is WSAENOBUFS with the length that is needed, which then suffices.
/// Source: WSAAsyncGetHostByName, WSAENOBUFS.
#[test]
fn room_that_is_needed_is_told() {
    let _watch = watch();
    startup();
    let mut buffer = Buffer::new();
    let mut try_with = |room: usize| {
        let (start, name) = (buffer.start(), c"http".as_ptr().cast());
        // SAFETY: the name is terminated; the buffer is larger and lives until the message came.
        ask(|window, message| unsafe {
            WSAAsyncGetServByName(window, message, name, null(), start, room as i32)
        })
    };
    let needed = try_with(1);
    assert_eq!(needed.error, WSAENOBUFS);
    assert!(needed.len > size_of::<SERVENT>());
    assert_eq!(try_with(needed.len - 1).error, WSAENOBUFS);
    linux_only("a part of the entry is written elsewhere", || {
        assert!(buffer.is_untouched());
    });
    let mut buffer = Buffer::new();
    let (start, name) = (buffer.start(), c"http".as_ptr().cast());
    // SAFETY: as above.
    let told = ask(|window, message| unsafe {
        WSAAsyncGetServByName(window, message, name, null(), start, needed.len as i32)
    });
    assert_eq!(told.error, 0);
    let entry: SERVENT = buffer.entry();
    assert_eq!(buffer.text(entry.s_name, needed.len), "http");
    assert!(buffer.0[1 + needed.len..].iter().all(|byte| *byte == 0xAA));
}

/// Many tasks may be under way; each has a handle of its own, and its message comes once.
/// Source: WSAAsyncGetHostByName, return value (the handle matches tasks with messages).
#[test]
fn each_task_has_its_message() {
    let _watch = watch();
    startup();
    let class = Class::new("async_database");
    let window = class.window();
    let mut buffers: Vec<_> = (0..50).map(|_| Buffer::new()).collect();
    let mut tasks: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| {
            // SAFETY: the buffers live until all messages came.
            unsafe {
                WSAAsyncGetProtoByNumber(window.raw(), MESSAGE, 6, buffer.start(), ROOM) as usize
            }
        })
        .collect();
    let mut told: Vec<_> = (0..50)
        .map(|_| get_message(window.raw(), MESSAGE, MESSAGE).1.wParam)
        .collect();
    tasks.sort();
    told.sort();
    assert_eq!(told, tasks);
    tasks.dedup();
    assert_eq!(tasks.len(), 50);
    assert!(!tasks.contains(&0));
}

/// A task that is cancelled sends no message and leaves its buffer alone; one that is done is WSAEALREADY, and what was never
/// a task WSAEINVAL.
/// Source: WSACancelAsyncRequest.
#[test]
fn tasks_are_cancelled_or_done() {
    let _watch = watch();
    startup();
    differs_under_wine("Wine cancels nothing, successfully", || {
        // SAFETY: takes no pointers.
        fails_with(SOCKET_ERROR, WSAEINVAL as u32, || unsafe {
            WSACancelAsyncRequest(null_mut())
        });
    });
    not_under_wine("Wine cancels nothing, successfully", || {
        let class = Class::new("async_database");
        let window = class.window();
        for _ in 0..200 {
            let mut buffer = Buffer::new();
            // SAFETY: the buffer lives until the task is done or cancelled.
            let (task, cancelled) = unsafe {
                let start = buffer.start();
                let task = WSAAsyncGetProtoByNumber(window.raw(), MESSAGE, 6, start, ROOM);
                (task, check(WSACancelAsyncRequest(task)))
            };
            match cancelled {
                Ok(()) => assert!(buffer.is_untouched()),
                Err(code) => {
                    assert_eq!(code, WSAEALREADY);
                    let (_, message) = get_message(window.raw(), MESSAGE, MESSAGE);
                    assert_eq!((message.wParam, message.lParam >> 16), (task as usize, 0));
                }
            }
            // SAFETY: takes no pointers.
            fails_with(SOCKET_ERROR, WSAEALREADY as u32, || unsafe {
                WSACancelAsyncRequest(task)
            });
            assert!(peek_message(window.raw(), MESSAGE, MESSAGE, PM_REMOVE).is_none());
        }
    });
}

/// Nobody looks at the window when a task starts: without one it is done, and told to nobody.
/// Source: WSAAsyncGetServByPort; validated on Windows.
#[test]
fn task_may_have_nobody_to_tell() {
    let _watch = watch();
    startup();
    for window in [null_mut(), GARBAGE_HANDLE as HWND] {
        let mut buffer = Buffer::new();
        // SAFETY: the buffer outlives the task, for which the loop below waits.
        let task =
            unsafe { WSAAsyncGetServByPort(window, MESSAGE, 0x5000, null(), buffer.start(), ROOM) };
        assert!(!task.is_null());
        not_under_wine("a finished task is cancelled with success", || {
            // SAFETY: takes no pointers.
            until(
                "the end of the task",
                || unsafe { WSACancelAsyncRequest(task) } != 0,
            );
            assert_eq!(wsa_error(), WSAEALREADY);
        });
        std::mem::forget(buffer); // under Wine the task may still go on
    }
}

/// A window that is destroyed meanwhile is told nothing, and nothing comes of it.
/// Source: PostMessage (the window must exist).
#[test]
fn window_may_go_meanwhile() {
    let _watch = watch();
    startup();
    not_under_wine("cancelling tells nothing there", || {
        let class = Class::new("async_database");
        for _ in 0..50 {
            let window = class.window();
            let mut buffer = Buffer::new();
            // SAFETY: the buffer lives until the task is over, which is waited for.
            let task =
                unsafe { WSAAsyncGetProtoByNumber(window.raw(), MESSAGE, 6, buffer.start(), ROOM) };
            assert!(!task.is_null());
            window.destroy();
            until("the task is over", || {
                // SAFETY: takes no pointers.
                unsafe { WSACancelAsyncRequest(task) == SOCKET_ERROR }
            });
        }
    });
}

/// Blocking hooks are gone: WSAEOPNOTSUPP, and nothing blocks.
/// Source: WSASetBlockingHook and relatives (removed in compliance with version 2.2). The code is a Choice.
#[test]
fn blocking_hooks_are_gone() {
    let _watch = watch();
    startup();
    unsafe extern "system" fn hook() -> isize {
        0
    }
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { WSAIsBlocking() }, FALSE);
    differs_under_wine("Wine keeps a hook that it never calls", || {
        set_last_error(UNTOUCHED);
        // SAFETY: the hook may be called.
        let before = unsafe { WSASetBlockingHook(Some(hook)) };
        assert_eq!((before.is_some(), wsa_error()), (false, WSAEOPNOTSUPP));
        // SAFETY: takes no pointers.
        fails_with(SOCKET_ERROR, WSAEOPNOTSUPP as u32, || unsafe {
            WSAUnhookBlockingHook()
        });
    });
    differs_under_wine("Wine cancels nothing, successfully", || {
        // SAFETY: takes no pointers.
        fails_with(SOCKET_ERROR, WSAEOPNOTSUPP as u32, || unsafe {
            WSACancelBlockingCall()
        });
    });
}

/// Before WSAStartup there are no tasks and no hooks.
/// Source: WSAAsyncGetHostByName and WSACancelAsyncRequest, WSANOTINITIALISED.
#[test]
fn tasks_need_a_startup() {
    let _watch = watch();
    in_own_process(|| {
        differs_under_wine("Wine does it all the same", || {
            let class = Class::new("async_database");
            let window = class.window();
            // SAFETY: refused, so nothing is lent; null is valid.
            fails_with(null_mut(), WSANOTINITIALISED as u32, || unsafe {
                WSAAsyncGetProtoByNumber(window.raw(), MESSAGE, 6, null_mut(), 0)
            });
            // SAFETY: takes no pointers.
            fails_with(SOCKET_ERROR, WSANOTINITIALISED as u32, || unsafe {
                WSACancelAsyncRequest(null_mut())
            });
            // SAFETY: takes no pointers.
            fails_with(SOCKET_ERROR, WSANOTINITIALISED as u32, || unsafe {
                WSACancelBlockingCall()
            });
        });
    });
}
