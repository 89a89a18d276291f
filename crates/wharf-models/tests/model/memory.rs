//! Memory as the model of a table's place sees it: a value that is there or not, every touch of which loom compares with all
//! the others.
//!
//! The name is that of `std`, since the place's own text runs against it.

use loom::cell::UnsafeCell;

pub struct MaybeUninit<T> {
    touched: UnsafeCell<()>, // loom's: a look beside a change is a failure
    value: Option<T>,
}

impl<T> MaybeUninit<T> {
    pub fn uninit() -> Self {
        MaybeUninit {
            touched: UnsafeCell::new(()),
            value: None,
        }
    }

    pub fn write(&mut self, value: T) {
        self.touched.with_mut(|_| ());
        assert!(self.value.is_none(), "a value was overwritten");
        self.value = Some(value);
    }

    pub unsafe fn assume_init_ref(&self) -> &T {
        self.touched.with(|_| ());
        self.value
            .as_ref()
            .expect("a value that is gone was looked at")
    }

    pub unsafe fn assume_init_drop(&mut self) {
        self.touched.with_mut(|_| ());
        let value = self.value.take();
        assert!(value.is_some(), "a value was dropped twice");
    }
}
