//! Window classes and windows: what a procedure hears from the first to the last message, and the numbers of a window.

use std::ptr::{null, null_mut};

use wharf_sys::*;

use crate::harness::*;
use crate::window::*;

const NOTE: u32 = WM_APP + 1;

fn messages_of(class: &Class, window: HWND) -> Vec<u32> {
    let seen = class.seen_by(window).into_iter();
    seen.map(|(message, ..)| message).collect()
}

// ---------------------------------------------------------------------------------------------------------
// Classes
// ---------------------------------------------------------------------------------------------------------

/// `CreateWindowExW` with a message-only window of the class with that name or atom.
fn create_of(class: *const u16) -> HWND {
    // SAFETY: `class` is an atom or ends with a zero.
    unsafe {
        CreateWindowExW(
            0,
            class,
            null(),
            0,
            0,
            0,
            0,
            0,
            HWND_MESSAGE,
            null_mut(),
            null_mut(),
            null(),
        )
    }
}

/// A class is found by its name, whatever the case, and by its atom, in both character sets.
/// Source: RegisterClassW, return value; CreateWindowExW, lpClassName; About Window Classes, names.
#[test]
fn class_is_found_by_name_and_by_atom() {
    let _watch = watch();
    let class = Class::new("found");
    let name = String::from_utf16(class.name()).expect("a name");
    let upper: Vec<u16> = name.to_uppercase().encode_utf16().collect();
    for class in [
        class.name().as_ptr(),
        upper.as_ptr(),
        class.atom as usize as _,
    ] {
        Window::own(create_of(class));
    }
    // SAFETY: the name ends with a zero.
    let window = unsafe {
        CreateWindowExA(
            0,
            name.as_ptr(),
            null(),
            0,
            0,
            0,
            0,
            0,
            HWND_MESSAGE,
            null_mut(),
            null_mut(),
            null(),
        )
    };
    Window::own(window);
}

/// A name is taken once.
/// Source: RegisterClassW, ERROR_CLASS_ALREADY_EXISTS.
#[test]
fn class_name_is_taken_once() {
    let _watch = watch();
    let name = unique_class_name("once");
    let (ansi, wide) = (format!("{name}\0"), wide(&name.to_uppercase()));
    let described = WNDCLASSA {
        lpfnWndProc: Some(DefWindowProcA),
        lpszClassName: ansi.as_ptr(),
        ..Default::default()
    };
    let described_wide = WNDCLASSEXW {
        cbSize: size_of::<WNDCLASSEXW>() as u32,
        lpfnWndProc: Some(DefWindowProcW),
        lpszClassName: wide.as_ptr(),
        ..Default::default()
    };
    let code = ERROR_CLASS_ALREADY_EXISTS;
    // SAFETY: the names end with zeroes.
    unsafe {
        assert_ne!(RegisterClassA(&described), 0);
        fails_with(0, code, || RegisterClassA(&described));
        fails_with(0, code, || RegisterClassExW(&described_wide));
        assert_eq!(UnregisterClassA(ansi.as_ptr(), null_mut()), TRUE);
        assert_ne!(RegisterClassExW(&described_wide), 0);
        assert_eq!(UnregisterClassW(wide.as_ptr(), null_mut()), TRUE);
    }
}

/// A class needs a name, and its size in the extended form.
/// Source: RegisterClassExA, WNDCLASSEXA, cbSize; RegisterClassW.
#[test]
fn class_needs_a_name_and_a_size() {
    let _watch = watch();
    let name = format!("{}\0", unique_class_name("needs"));
    let good = WNDCLASSEXA {
        cbSize: size_of::<WNDCLASSEXA>() as u32,
        lpfnWndProc: Some(DefWindowProcA),
        lpszClassName: name.as_ptr(),
        ..Default::default()
    };
    let bad = [
        WNDCLASSEXA { cbSize: 0, ..good },
        WNDCLASSEXA {
            cbSize: good.cbSize - 8,
            ..good
        },
        WNDCLASSEXA {
            cbWndExtra: -1,
            ..good
        },
        WNDCLASSEXA {
            cbClsExtra: -1,
            ..good
        },
    ];
    for class in bad {
        // SAFETY: the name ends with a zero.
        fails_with(0, ERROR_INVALID_PARAMETER, || unsafe {
            RegisterClassExA(&class)
        });
    }
    // SAFETY: the name ends with a zero.
    unsafe {
        assert_ne!(RegisterClassExA(&good), 0);
        assert_eq!(UnregisterClassA(name.as_ptr(), null_mut()), TRUE);
    }
    linux_only(
        "Windows faults, or takes a class without a procedure",
        || {
            let mute = WNDCLASSEXA {
                lpfnWndProc: None,
                ..good
            };
            let nameless = WNDCLASSEXA {
                lpszClassName: null(),
                ..good
            };
            for class in [mute, nameless] {
                // SAFETY: null is what is tested.
                fails_with(0, ERROR_INVALID_PARAMETER, || unsafe {
                    RegisterClassExA(&class)
                });
            }
            // SAFETY: null is what is tested.
            unsafe {
                fails_with(0, ERROR_NOACCESS, || RegisterClassExA(null()));
                fails_with(0, ERROR_NOACCESS, || RegisterClassW(null()));
            }
        },
    );
}

/// A class name has at most 256 characters.
/// Source: WNDCLASSW, lpszClassName.
#[test]
fn class_name_has_a_limit() {
    let _watch = watch();
    let register = |length: usize| {
        let mut name = unique_class_name("limit");
        name.push_str(&"x".repeat(length - name.len()));
        let name = wide(&name);
        let class = WNDCLASSW {
            lpfnWndProc: Some(DefWindowProcW),
            lpszClassName: name.as_ptr(),
            ..Default::default()
        };
        // SAFETY: the name ends with a zero.
        unsafe {
            let atom = RegisterClassW(&class);
            UnregisterClassW(name.as_ptr(), null_mut());
            atom
        }
    };
    assert_ne!(register(255), 0);
    assert_eq!(register(257), 0);
}

/// Unregistering needs a class, and no window of it; then there is no such class any more.
/// Source: UnregisterClassW, return value; CreateWindowExW, ERROR_CANNOT_FIND_WND_CLASS.
#[test]
fn class_is_unregistered_after_its_last_window() {
    let _watch = watch();
    let class = Class::new("unregister");
    let window = class.window();
    fails_with(FALSE, ERROR_CLASS_HAS_WINDOWS, || class.unregister());
    window.destroy();
    assert_eq!(class.unregister(), TRUE);
    fails_with(FALSE, ERROR_CLASS_DOES_NOT_EXIST, || class.unregister());
    assert!(create_of(class.name().as_ptr()).is_null());
}

/// Creating a window needs a class.
/// Source: CreateWindowExW, return value; ERROR_CANNOT_FIND_WND_CLASS.
#[test]
fn window_needs_a_class() {
    let _watch = watch();
    differs_under_wine("ERROR_CLASS_DOES_NOT_EXIST", || {
        let name = wide(&unique_class_name("unknown"));
        for class in [name.as_ptr(), null(), 7 as *const u16] {
            fails_with(null_mut(), ERROR_CANNOT_FIND_WND_CLASS, || create_of(class));
        }
    });
}

/// Windows' own classes are there without registering, and a program may have a class of such a name.
/// Source: About Window Classes, "System Classes".
#[test]
fn system_classes_are_there() {
    let _watch = watch();
    for name in ["button", "EDIT", "Static"] {
        let window = Window::own(create_of(wide(name).as_ptr()));
        assert_eq!(post_message(window.raw(), NOTE, 1, -1), TRUE);
        let (_, message) = get_message(window.raw(), NOTE, NOTE);
        assert_eq!(said(message), (NOTE, 1, -1));
    }
}

// ---------------------------------------------------------------------------------------------------------
// The life of a window
// ---------------------------------------------------------------------------------------------------------

/// Before CreateWindowEx returns the procedure gets WM_NCCREATE and WM_CREATE, with what the creator gave.
/// Source: CreateWindowExW, remarks; CREATESTRUCTW.
#[test]
fn creation_is_told_to_the_procedure() {
    let _watch = watch();
    let class = Class::new("creation");
    let window = Window::own(class.create(0, HWND_MESSAGE, 0x1234, Some("title")));
    assert_eq!(messages_of(&class, window.raw()), [WM_NCCREATE, WM_CREATE]);
    assert_eq!(class.parameters(), [0x1234]);
    assert_eq!(class.texts(), ["title"]);
    assert!(is_window(window.raw()));
}

/// The window's text comes in the units that the class's procedure reads, however the window was created.
/// Source: RegisterClassA, remarks: text parameters in ANSI format.
#[test]
fn text_of_a_new_window_has_the_units_of_its_class() {
    let _watch = watch();
    for (class, expected) in [
        (Class::new("units-w"), "grüße"),
        (Class::new("units-w-ascii"), "title"),
        (Class::new_ansi("units-a"), "title"),
    ] {
        let window = Window::own(class.create(0, HWND_MESSAGE, 0, Some(expected)));
        assert_eq!(class.texts(), [expected]);
        window.destroy();
    }
}

/// The procedure refuses its window with FALSE in WM_NCCREATE or -1 in WM_CREATE: there is none then.
/// Source: WM_NCCREATE, WM_CREATE, return values.
#[test]
fn procedure_may_refuse_its_window() {
    let _watch = watch();
    for (message, answer) in [(WM_NCCREATE, 0), (WM_CREATE, -1)] {
        let class = Class::new("refuse");
        class.answer(message, answer);
        assert!(class.create(0, HWND_MESSAGE, 0, None).is_null());
        let seen = class.seen();
        assert_eq!(seen.last(), Some(&WM_NCDESTROY), "{seen:x?}");
        assert_eq!(class.unregister(), TRUE, "no window is left");
    }
}

/// A window that its procedure destroys in WM_CREATE is none.
/// Source: CreateWindowExW, return value.
#[test]
fn window_may_be_destroyed_while_it_is_created() {
    let _watch = watch();
    let class = Class::new("destroyed-early");
    class.destroy_in(WM_CREATE);
    assert!(class.create(0, HWND_MESSAGE, 0, None).is_null());
    assert_eq!(class.unregister(), TRUE);
}

/// A parent must be a window.
/// Source: CreateWindowExW, hWndParent; ERROR_INVALID_WINDOW_HANDLE, ERROR_TLW_WITH_WSCHILD.
#[test]
fn parent_must_be_a_window() {
    let _watch = watch();
    let class = Class::new("parent");
    let stale = class.window().destroy();
    for parent in [stale, GARBAGE_WINDOW] {
        fails_with(null_mut(), ERROR_INVALID_WINDOW_HANDLE, || {
            class.create(WS_CHILD, parent, 0, None)
        });
    }
    fails_with(null_mut(), ERROR_TLW_WITH_WSCHILD, || {
        class.create(WS_CHILD, null_mut(), 0, None)
    });
}

/// DestroyWindow sends WM_DESTROY and WM_NCDESTROY; the handle is stale after.
/// Source: DestroyWindow, remarks; IsWindow.
#[test]
fn destruction_is_told_to_the_procedure() {
    let _watch = watch();
    let class = Class::new("destruction");
    let window = class.window();
    class.forget();
    let stale = window.destroy();
    assert_eq!(messages_of(&class, stale), [WM_DESTROY, WM_NCDESTROY]);
    assert!(!is_window(stale));
    assert!(!is_window(null_mut()) && !is_window(GARBAGE_WINDOW));
}

/// Destroying needs a window.
/// Source: DestroyWindow, return value; ERROR_INVALID_WINDOW_HANDLE.
#[test]
fn destroying_needs_a_window() {
    let _watch = watch();
    differs_under_wine("ERROR_ACCESS_DENIED", || {
        let stale = Class::new("destroying-needs").window().destroy();
        for window in [stale, GARBAGE_WINDOW, null_mut()] {
            fails_with(FALSE, ERROR_INVALID_WINDOW_HANDLE, || {
                destroy_window(window)
            });
        }
    });
}

/// A window that is destroyed in its own WM_DESTROY is destroyed once.
/// Source: DestroyWindow.
#[test]
fn destroying_inside_the_destruction_is_harmless() {
    let _watch = watch();
    linux_only(
        "how often Windows sends WM_DESTROY then is not documented",
        || {
            let class = Class::new("nested-destroy");
            class.destroy_in(WM_DESTROY);
            let window = class.window();
            class.forget();
            let stale = window.destroy();
            assert_eq!(messages_of(&class, stale), [WM_DESTROY, WM_NCDESTROY]);
        },
    );
}

/// Messages for a window that is destroyed are gone; others stay.
/// Source: DestroyWindow, remarks: it flushes the thread message queue.
#[test]
fn messages_go_with_their_window() {
    let _watch = watch();
    let class = Class::new("flush");
    let (gone, kept) = (class.window(), class.window());
    for number in 0..3 {
        post_message(gone.raw(), NOTE, number, 0);
        post_message(kept.raw(), NOTE, number, 0);
    }
    gone.destroy();
    for number in 0..3 {
        let (_, message) = get_message(null_mut(), 0, 0);
        assert_eq!((message.hwnd, message.wParam), (kept.raw(), number));
    }
    assert_eq!(peek(), None);
}

/// Only its own thread destroys a window.
/// Source: DestroyWindow, remarks.
#[test]
fn only_the_owner_destroys_a_window() {
    let _watch = watch();
    let (_looper, window) = Looper::start("owner");
    fails_with(FALSE, ERROR_ACCESS_DENIED, || destroy_window(window));
    assert!(is_window(window));
}

/// The default procedure destroys the window at WM_CLOSE.
/// Source: WM_CLOSE; DefWindowProcW.
#[test]
fn default_procedure_destroys_at_close() {
    let _watch = watch();
    let class = Class::new("close");
    let window = class.window().leave();
    class.forget();
    assert_eq!(send_message(window, WM_CLOSE, 0, 0), 0);
    assert_eq!(
        messages_of(&class, window),
        [WM_CLOSE, WM_DESTROY, WM_NCDESTROY]
    );
    assert!(!is_window(window));
}

/// The default procedure answers TRUE to WM_NCCREATE and 0 to what it does not know.
/// Source: DefWindowProcW, DefWindowProcA, return value.
#[test]
fn default_procedure_answers_nothing_else() {
    let _watch = watch();
    let class = Class::new("default");
    let window = class.window();
    // SAFETY: WM_USER carries nothing.
    unsafe {
        assert_eq!(DefWindowProcW(window.raw(), WM_USER, 1, 2), 0);
        assert_eq!(DefWindowProcA(window.raw(), WM_USER, 1, 2), 0);
    }
    assert!(is_window(window.raw()));
}

/// Children and owned windows are destroyed with their parent, whose WM_DESTROY comes before its children's.
/// Source: DestroyWindow, remarks; WM_DESTROY, remarks.
#[test]
fn children_go_with_their_parent() {
    let _watch = watch();
    differs_under_wine("without a display there are no children", || {
        let class = Class::new("family");
        let parent = class.window();
        let child = class.child(parent.raw()).leave();
        let grandchild = class.child(child).leave();
        let owned = Window::own(class.create(0, parent.raw(), 0, None)).leave();
        let stranger = class.window();
        parent.destroy();
        for window in [child, grandchild, owned] {
            assert!(!is_window(window));
        }
        assert!(is_window(stranger.raw()));
    });
}

/// The windows of a thread end with it, and their procedure hears nothing of it.
/// Source: ExitThread; "About Windows", window destruction.
#[test]
fn windows_end_with_their_thread() {
    let _watch = watch();
    let class = Class::new("with-thread");
    let name = class.name().to_vec();
    let (thread, _) = create_thread(0, move || {
        let window = Window::own(create_of(name.as_ptr())).leave();
        window as usize as u32
    });
    assert_eq!(wait(thread.raw(), DEADLINE_MS), WAIT_OBJECT_0);
    let mut window = 0;
    // SAFETY: `window` lives through the call.
    let told = unsafe { GetExitCodeThread(thread.raw(), &mut window) };
    assert_eq!(told, TRUE);
    assert_ne!(window, 101, "the thread panicked");
    assert!(!is_window(window as usize as HWND));
    until("the class has no window", || class.unregister() == TRUE);
}

// ---------------------------------------------------------------------------------------------------------
// The numbers of a window
// ---------------------------------------------------------------------------------------------------------

/// A window knows its thread and process.
/// Source: GetWindowThreadProcessId.
#[test]
fn window_knows_its_thread_and_process() {
    let _watch = watch();
    let window = Class::new("thread-of").window();
    let mut process = 0;
    // SAFETY: `process` lives through the calls, or there is no place for it.
    unsafe {
        let thread = GetWindowThreadProcessId(window.raw(), &mut process);
        assert_eq!((thread, process), (current_thread_id(), std::process::id()));
        assert_eq!(GetWindowThreadProcessId(window.raw(), null_mut()), thread);
        let stale = window.destroy();
        fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
            GetWindowThreadProcessId(stale, null_mut())
        });
    }
}

fn long_ptr(window: HWND, index: WINDOW_LONG_PTR_INDEX) -> isize {
    // SAFETY: a handle is looked up, not followed.
    unsafe { GetWindowLongPtrW(window, index) }
}

fn set_long_ptr(window: HWND, index: WINDOW_LONG_PTR_INDEX, value: isize) -> isize {
    // SAFETY: no procedure is set.
    unsafe { SetWindowLongPtrW(window, index, value) }
}

/// A program keeps a pointer of its own with a window; setting it gives the old one.
/// Source: SetWindowLongPtrW, GetWindowLongPtrW, GWLP_USERDATA.
#[test]
fn window_keeps_a_pointer_for_the_program() {
    let _watch = watch();
    let window = Class::new("user-data").window();
    let (one, other) = (0x1234_5678_9abc_def0, -1);
    assert_eq!(long_ptr(window.raw(), GWLP_USERDATA), 0);
    assert_eq!(set_long_ptr(window.raw(), GWLP_USERDATA, one), 0);
    assert_eq!(set_long_ptr(window.raw(), GWLP_USERDATA, other), one);
    assert_eq!(long_ptr(window.raw(), GWLP_USERDATA), other);
    // SAFETY: no procedure is set.
    unsafe {
        assert_eq!(GetWindowLongPtrA(window.raw(), GWLP_USERDATA), other);
        assert_eq!(SetWindowLongPtrA(window.raw(), GWLP_USERDATA, one), other);
        assert_eq!(GetWindowLongW(window.raw(), GWLP_USERDATA), one as i32);
        assert_eq!(GetWindowLongA(window.raw(), GWLP_USERDATA), one as i32);
        assert_eq!(SetWindowLongA(window.raw(), GWLP_ID, 77), 0);
        assert_eq!(SetWindowLongW(window.raw(), GWLP_ID, 78), 77);
    }
    assert_eq!(long_ptr(window.raw(), GWLP_ID), 78);
}

/// A window has as many bytes of memory as its class asks for, and not one more.
/// Source: WNDCLASSW, cbWndExtra; GetWindowLongPtrW, nIndex; ERROR_INVALID_INDEX.
#[test]
fn window_has_the_memory_its_class_asks_for() {
    let _watch = watch();
    let window = Class::with_extra("extra", 16).window();
    for index in [0, 8] {
        assert_eq!(set_long_ptr(window.raw(), index, isize::MIN + 1), 0);
    }
    // SAFETY: no procedure is set.
    unsafe {
        assert_eq!(SetWindowLongW(window.raw(), 12, 5), i32::MIN);
        assert_eq!(GetWindowLongW(window.raw(), 8), 1);
    }
    assert_eq!(long_ptr(window.raw(), 8), 5 << 32 | 1);
    assert_eq!(long_ptr(window.raw(), 0), isize::MIN + 1);
    for index in [9, 16, 1000, -1, -100, i32::MAX, i32::MIN] {
        fails_with(0, ERROR_INVALID_INDEX, || long_ptr(window.raw(), index));
        fails_with(0, ERROR_INVALID_INDEX, || {
            set_long_ptr(window.raw(), index, 1)
        });
    }
    assert_eq!(long_ptr(window.raw(), 8), 5 << 32 | 1);
}

/// Numbers need a window; pointers do not fit GetWindowLong.
/// Source: GetWindowLongPtrW, GetWindowLongW, return value.
#[test]
fn numbers_need_a_window_and_pointers_their_width() {
    let _watch = watch();
    let window = Class::new("widths").window();
    for index in [GWLP_WNDPROC, GWLP_HINSTANCE, GWLP_HWNDPARENT] {
        // SAFETY: a handle is looked up, not followed; nothing is set.
        unsafe {
            fails_with(0, ERROR_INVALID_INDEX, || {
                GetWindowLongW(window.raw(), index)
            });
            fails_with(0, ERROR_INVALID_INDEX, || {
                SetWindowLongW(window.raw(), index, 1)
            });
        }
    }
    let stale = window.destroy();
    for window in [stale, GARBAGE_WINDOW, null_mut()] {
        fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
            long_ptr(window, GWLP_USERDATA)
        });
        fails_with(0, ERROR_INVALID_WINDOW_HANDLE, || {
            set_long_ptr(window, GWLP_USERDATA, 1)
        });
    }
}

/// The style that a window was created with can be read.
/// Source: GetWindowLongPtrW, GWL_STYLE.
#[test]
fn style_can_be_read() {
    let _watch = watch();
    let class = Class::new("style");
    let window = Window::own(class.create(WS_OVERLAPPEDWINDOW, HWND_MESSAGE, 0, None));
    let style = long_ptr(window.raw(), GWL_STYLE) as u32;
    assert_eq!(style & WS_OVERLAPPEDWINDOW, WS_OVERLAPPEDWINDOW);
    assert_eq!(style & WS_VISIBLE, 0);
}

/// A window's procedure can be replaced; the old one is the result.
/// Source: SetWindowLongPtrW, GWLP_WNDPROC.
#[test]
fn procedure_can_be_replaced() {
    let _watch = watch();
    unsafe extern "system" fn procedure(_: HWND, _: u32, wparam: usize, _: isize) -> isize {
        wparam as isize + 1
    }
    let class = Class::new("subclass");
    let window = class.window();
    let old = long_ptr(window.raw(), GWLP_WNDPROC);
    assert_ne!(old, 0);
    let new = procedure as unsafe extern "system" fn(_, _, _, _) -> _ as usize as isize;
    // SAFETY: both numbers are procedures.
    unsafe {
        assert_eq!(SetWindowLongPtrW(window.raw(), GWLP_WNDPROC, new), old);
        assert_eq!(send_message(window.raw(), NOTE, 5, 0), 6);
        assert_eq!(SetWindowLongPtrW(window.raw(), GWLP_WNDPROC, old), new);
    }
    class.forget();
    send_message(window.raw(), NOTE, 5, 0);
    assert_eq!(class.seen_by(window.raw()), [(NOTE, 5, 0)]);
}

/// A window that is shown was hidden before; both functions need a window.
/// Source: ShowWindow, UpdateWindow, return values.
#[test]
fn showing_tells_that_the_window_was_hidden() {
    let _watch = watch();
    let window = Class::new("show").window();
    // SAFETY: a handle is looked up, not followed.
    unsafe {
        assert_eq!(ShowWindow(window.raw(), SW_HIDE), FALSE);
        assert_eq!(UpdateWindow(window.raw()), TRUE);
    }
    let stale = window.destroy();
    // SAFETY: as above.
    unsafe {
        fails_with(FALSE, ERROR_INVALID_WINDOW_HANDLE, || {
            ShowWindow(stale, SW_SHOW)
        });
    }
}
