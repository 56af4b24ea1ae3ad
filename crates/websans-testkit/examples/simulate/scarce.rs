//! [`Scarce`]: an allocator that can be told to refuse.

use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::{GlobalAlloc, Layout, System};

/// What can be had where memory is short: a read buffer, and what a frame's answer needs.
const SMALL: usize = 8 << 10;

thread_local! {
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread gets small allocations only, or all.
pub(crate) fn refuse(refuses: bool) {
    REFUSES.set(refuses);
}

/// The system's allocator, but for what it refuses.
pub(crate) struct Scarce {
    live: AtomicUsize,
}

impl Scarce {
    pub(crate) const fn new() -> Self {
        Self { live: AtomicUsize::new(0) }
    }

    /// Bytes that are allocated.
    #[allow(dead_code, reason = "not all who share this file ask")]
    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }
}

// SAFETY: what is not refused is the system allocator's, and refusing is to return null.
#[allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one is part of no library")]
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > SMALL && REFUSES.get() {
            return null_mut();
        }
        self.live.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
