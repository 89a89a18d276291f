//! SetTimer and KillTimer: messages and procedures at regular times.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wharf_sys::*;

use crate::harness::*;
use crate::messages::{note, post_note};
use crate::window::*;

const TIMER_MS: u32 = USER_TIMER_MINIMUM;

/// A timer makes WM_TIMER with its identifier for its window, again and again, and not early.
/// Source: SetTimer; WM_TIMER.
#[test]
fn timer_makes_messages_again_and_again() {
    let _watch = watch();
    let class = Class::new("timer");
    let window = class.window();
    let start = Instant::now();
    assert_ne!(set_timer(window.raw(), 5, TIMER_MS, None), 0);
    for count in 1..=3 {
        let (result, message) = get_message(window.raw(), 0, 0);
        assert_eq!((result, message.hwnd), (TRUE, window.raw()));
        assert_eq!(said(message), (WM_TIMER, 5, 0));
        let due = Duration::from_millis(u64::from(count * TIMER_MS));
        assert!(start.elapsed() + Duration::from_millis(2) >= due);
    }
    assert_eq!(kill_timer(window.raw(), 5), TRUE);
    assert_eq!(peek(), None);
    fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
        kill_timer(window.raw(), 5)
    });
}

/// WM_TIMER is made only when nothing else is there: posted messages and WM_QUIT come first.
/// Source: WM_TIMER, remarks: a low-priority message.
#[test]
fn timer_comes_last() {
    let _watch = watch();
    let class = Class::new("timer-last");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    until("the time has passed", || {
        peek_message(null_mut(), WM_TIMER, WM_TIMER, PM_NOREMOVE).is_some()
    });
    post_quit_message(3);
    post_note(window.raw(), 1);
    assert_eq!(peek(), Some(note(1)));
    assert_eq!(peek(), Some((WM_QUIT, 3, 0)));
    assert_eq!(peek(), Some((WM_TIMER, 1, 0)));
}

/// Times that passed unheeded make one message.
/// Source: WM_TIMER, remarks.
#[test]
fn missed_times_are_one_message() {
    const PERIOD_MS: u32 = 20;
    let _watch = watch();
    let window = Class::new("missed").window();
    assert_ne!(set_timer(window.raw(), 1, PERIOD_MS, None), 0);
    sleep(10 * PERIOD_MS);
    let start = Instant::now();
    let taken = std::iter::from_fn(peek).take(10).count() as u128;
    // Beside that one, those that come due while they are taken.
    let due_meanwhile = start.elapsed().as_millis() / u128::from(PERIOD_MS) + 1;
    assert!((1..=1 + due_meanwhile).contains(&taken), "{taken}");
}

/// A timer without a window gets an identifier of its own; its messages are the thread's.
/// Source: SetTimer, hWnd NULL and return value.
#[test]
fn timer_of_the_thread_has_an_identifier_of_its_own() {
    let _watch = watch();
    let (one, other) = (
        set_timer(null_mut(), 0, TIMER_MS, None),
        set_timer(null_mut(), 0, TIMER_MS, None),
    );
    assert!(one != 0 && other != 0 && one != other);
    assert_eq!(kill_timer(null_mut(), one), TRUE);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!((message.hwnd, message.message), (null_mut(), WM_TIMER));
    assert_eq!(message.wParam, other);
    assert_eq!(kill_timer(null_mut(), other), TRUE);
}

/// Setting a timer that exists sets it anew: one timer, with the new time and procedure.
/// Source: SetTimer, nIDEvent.
#[test]
fn setting_a_timer_again_replaces_it() {
    let _watch = watch();
    let window = Class::new("again").window();
    assert_ne!(set_timer(window.raw(), 1, 3_600_000, None), 0);
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    assert_eq!(said(get_message(null_mut(), 0, 0).1), (WM_TIMER, 1, 0));
    assert_eq!(kill_timer(window.raw(), 1), TRUE);
    fails_with(FALSE, ERROR_INVALID_PARAMETER, || {
        kill_timer(window.raw(), 1)
    });
}

/// A timer's procedure is called by DispatchMessage instead of the window's.
/// Source: SetTimer, lpTimerFunc; WM_TIMER, lParam.
#[test]
fn timer_procedure_is_called_by_dispatching() {
    let _watch = watch();
    static CALLS: AtomicU32 = AtomicU32::new(0);
    unsafe extern "system" fn procedure(_: HWND, message: u32, id: usize, _: u32) {
        assert_eq!((message, id), (WM_TIMER, 9));
        CALLS.fetch_add(1, SeqCst);
    }
    let class = Class::new("timer-procedure");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 9, TIMER_MS, Some(procedure)), 0);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!((message.message, message.wParam), (WM_TIMER, 9));
    assert_ne!(message.lParam, 0);
    class.forget();
    dispatch(&message);
    assert_eq!(CALLS.load(SeqCst), 1);
    assert_eq!(class.seen_by(window.raw()), []);
}

/// A WM_TIMER that claims a procedure which no timer has calls nothing.
/// Source: WM_TIMER, lParam; Windows checks it since it could be anything.
#[test]
fn invented_timer_procedure_is_not_called() {
    let _watch = watch();
    let class = Class::new("invented");
    let window = class.window();
    let invented = MSG {
        hwnd: window.raw(),
        message: WM_TIMER,
        wParam: 1,
        lParam: 0x10,
        ..MSG::default()
    };
    class.forget();
    assert_eq!(dispatch(&invented), 0);
    assert_eq!(class.seen_by(window.raw()), []);
}

/// A timer goes with its window.
/// Source: DestroyWindow, remarks: it destroys the window's timers.
#[test]
fn timer_goes_with_its_window() {
    let _watch = watch();
    let class = Class::new("timer-window");
    let window = class.window();
    assert_ne!(set_timer(window.raw(), 1, TIMER_MS, None), 0);
    window.destroy();
    // Another timer tells when the first would have been due; and it is not there before it.
    let clock = set_timer(null_mut(), 0, 2 * TIMER_MS, None);
    let (_, message) = get_message(null_mut(), 0, 0);
    assert_eq!(message.hwnd, null_mut());
    assert_eq!(said(message), (WM_TIMER, clock, 0));
    assert_eq!(kill_timer(null_mut(), clock), TRUE);
    assert_eq!(peek(), None);
}

/// A timer needs a window, and one of the calling thread.
/// Source: SetTimer, hWnd: "this window must be owned by the calling thread".
#[test]
fn timer_needs_a_window_of_the_thread() {
    let _watch = watch();
    differs_under_wine(
        "ERROR_INVALID_HANDLE; other threads' windows are taken",
        || {
            let class = Class::new("timer-needs");
            let stale = class.window().destroy();
            for window in [stale, GARBAGE_WINDOW] {
                fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
                    set_timer(window, 1, TIMER_MS, None)
                });
                fails_with(FALSE, ERROR_INVALID_WINDOW_HANDLE, || kill_timer(window, 1));
            }
            let (_looper, others) = Looper::start("timer-others");
            fails_with(0, ERROR_ACCESS_DENIED, || {
                set_timer(others, 1, TIMER_MS, None)
            });
        },
    );
}
