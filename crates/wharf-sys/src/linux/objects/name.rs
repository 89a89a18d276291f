//! Names of objects: events, mutexes, semaphores and timers share one space of names.
//!
//! Names belong to this process. Upper and lower case differ. `Local\` before a name changes nothing, `Global\`
//! makes another name of it, and no other backslash may be in one. An object has its name as long as it lives.
//!
//! Source: "Object Namespaces", <https://learn.microsoft.com/windows/win32/termserv/kernel-object-namespaces>.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use super::object::Object;
use crate::platform::lock::Lock;
use crate::platform::status::Status;

/// An object that may have a name.
pub trait Nameable: Send + Sync {
    /// Itself, as handles refer to it.
    fn object(self: Arc<Self>) -> Object;

    /// Whether the object is of this kind.
    fn is_kind_of(object: &Object) -> bool
    where
        Self: Sized;
}

type Named = HashMap<Vec<u16>, Weak<dyn Nameable>>;

static NAMED: LazyLock<Lock<Named>> = LazyLock::new(Default::default);

/// The object of that name, or a new one; and whether it existed. Without a name: a new one.
///
/// # Errors
/// - `OBJECT_TYPE_MISMATCH` if an object of another kind has the name.
/// - `OBJECT_PATH_NOT_FOUND` if it cannot be a name.
pub fn open_or_create<T: Nameable + 'static>(
    name: Option<Vec<u16>>,
    create: impl FnOnce() -> Arc<T>,
) -> Result<(Object, bool), Status> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok((create().object(), false));
    };
    let name = checked(name)?;
    let mut named = NAMED.lock();
    named.retain(|_, object| object.strong_count() > 0);
    if let Some(object) = named.get(&name).and_then(Weak::upgrade) {
        return Ok((of_kind::<T>(object.object())?, true));
    }
    let object = create();
    let weak: Weak<T> = Arc::downgrade(&object);
    named.insert(name, weak);
    Ok((object.object(), false))
}

/// The object of that name.
///
/// # Errors
/// As [`open_or_create`]; `OBJECT_NAME_NOT_FOUND` if there is none; `INVALID_PARAMETER` without a name.
pub fn open<T: Nameable>(name: Option<Vec<u16>>) -> Result<Object, Status> {
    let name = checked(name.ok_or(Status::INVALID_PARAMETER)?)?;
    let object = NAMED.lock().get(&name).and_then(Weak::upgrade);
    of_kind::<T>(object.ok_or(Status::OBJECT_NAME_NOT_FOUND)?.object())
}

fn of_kind<T: Nameable>(object: Object) -> Result<Object, Status> {
    if T::is_kind_of(&object) {
        Ok(object)
    } else {
        Err(Status::OBJECT_TYPE_MISMATCH)
    }
}

/// The name that is compared.
fn checked(name: Vec<u16>) -> Result<Vec<u16>, Status> {
    let after = |prefix: &str| {
        let prefix: Vec<u16> = prefix.encode_utf16().collect();
        name.strip_prefix(&prefix[..])
    };
    let (compared, free) = match (after("Local\\"), after("Global\\")) {
        (Some(rest), _) => (rest, rest),
        (None, Some(rest)) => (&name[..], rest),
        (None, None) => (&name[..], &name[..]),
    };
    if free.contains(&u16::from(b'\\')) {
        Err(Status::OBJECT_PATH_NOT_FOUND)
    } else {
        Ok(compared.to_vec())
    }
}
