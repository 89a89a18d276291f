//! Window classes: names for procedures.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use windows_sys::Win32::UI::WindowsAndMessaging::WNDPROC;

use super::super::message::Units;
use super::default_procedure;
use crate::platform::lock::Lock;
use crate::platform::status::Status;

/// How a program names a class.
#[derive(Clone, Debug)]
pub enum ClassName {
    /// By its atom.
    Atom(u16),
    /// By its name, in which upper and lower case are the same.
    Name(Vec<u16>),
}

/// What RegisterClass says of a class.
#[derive(Clone)]
pub struct Registration {
    /// Its name.
    pub name: Vec<u16>,
    /// The procedure of its windows.
    pub procedure: WNDPROC,
    /// The units in which that reads text.
    pub units: Units,
    /// Bytes of memory that each window has for the program's use.
    pub extra_len: usize,
}

/// A window class.
pub(super) struct Class {
    atom: u16,
    system: bool, // Windows' own: a program may register its name again
    pub(super) registration: Registration,
    windows: AtomicUsize, // how many there are; changed under the lock of the classes
}

type Classes = Vec<Arc<Class>>;

/// Class names have at most so many units.
const CLASS_NAME_MAX: usize = 256;
/// Atoms of strings begin here.
const FIRST_ATOM: u16 = 0xC000;
/// More memory per class or window than any program has a use for.
const EXTRA_MAX: usize = 1 << 20;
/// The classes that Windows brings along. What they show is not there; they have the default procedure.
const SYSTEM_CLASSES: [&str; 7] = [
    "Button",
    "ComboBox",
    "Edit",
    "ListBox",
    "MDIClient",
    "ScrollBar",
    "Static",
];

static CLASSES: LazyLock<Lock<Classes>> = LazyLock::new(|| {
    let class = |(atom, name): (u16, &str)| {
        Arc::new(Class {
            atom,
            system: true,
            registration: Registration {
                name: name.encode_utf16().collect(),
                procedure: Some(default_procedure),
                units: Units::Wide,
                extra_len: 0,
            },
            windows: AtomicUsize::new(0),
        })
    };
    Lock::new((FIRST_ATOM..).zip(SYSTEM_CLASSES).map(class).collect())
});

impl ClassName {
    fn names(&self, class: &Class) -> bool {
        match self {
            ClassName::Atom(atom) => class.atom == *atom,
            ClassName::Name(name) => same_name(&class.registration.name, name),
        }
    }
}

fn same_name(one: &[u16], other: &[u16]) -> bool {
    folded(one).eq(folded(other))
}

/// The name in lower case.
fn folded(name: &[u16]) -> impl Iterator<Item = char> {
    char::decode_utf16(name.iter().copied())
        .flat_map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER).to_lowercase())
}

/// Registers a class and gives its atom.
///
/// # Errors
/// - `INVALID_PARAMETER` without a procedure, for a name that is empty or too long, for too much extra memory.
/// - `CLASS_ALREADY_EXISTS`.
/// - `NO_MEMORY` when every atom is taken.
pub fn register_class(registration: Registration) -> Result<u16, Status> {
    let name_fits = (1..=CLASS_NAME_MAX).contains(&registration.name.len());
    if registration.procedure.is_none() || !name_fits || registration.extra_len > EXTRA_MAX {
        return Err(Status::INVALID_PARAMETER);
    }
    let mut classes = CLASSES.lock();
    let same = |class: &&Arc<Class>| same_name(&class.registration.name, &registration.name);
    if classes.iter().filter(same).any(|class| !class.system) {
        return Err(Status::CLASS_ALREADY_EXISTS);
    }
    let taken = |atom: &u16| classes.iter().any(|class| class.atom == *atom);
    // A class that has Windows' name has Windows' atom too.
    let atom = match classes.iter().find(same) {
        Some(class) => class.atom,
        None => (FIRST_ATOM..=u16::MAX)
            .find(|atom| !taken(atom))
            .ok_or(Status::NO_MEMORY)?,
    };
    classes.push(Arc::new(Class {
        atom,
        system: false,
        registration,
        windows: AtomicUsize::new(0),
    }));
    Ok(atom)
}

/// Ends the use of a class.
///
/// # Errors
/// `CLASS_DOES_NOT_EXIST`, `CLASS_HAS_WINDOWS`.
pub fn unregister_class(name: &ClassName) -> Result<(), Status> {
    let mut classes = CLASSES.lock();
    let index = classes
        .iter()
        .position(|class| !class.system && name.names(class))
        .ok_or(Status::CLASS_DOES_NOT_EXIST)?;
    if classes[index].windows.load(Relaxed) > 0 {
        return Err(Status::CLASS_HAS_WINDOWS);
    }
    classes.remove(index);
    Ok(())
}

/// The class for a new window, which counts from now on.
pub(super) fn class_for_window(name: &ClassName) -> Result<Arc<Class>, Status> {
    let classes = CLASSES.lock();
    // The program's own comes first.
    let found = classes.iter().rev().find(|class| name.names(class));
    let class = found.ok_or(Status::CLASS_NOT_FOUND)?;
    class.windows.fetch_add(1, Relaxed);
    Ok(class.clone())
}

impl Class {
    pub(super) fn window_is_gone(&self) {
        let _classes = CLASSES.lock();
        self.windows.fetch_sub(1, Relaxed);
    }
}
