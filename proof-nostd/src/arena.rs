//! [`Arena`]: a heap of four megabytes.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 4 << 20;

/// Gives out one piece behind the other, and takes back none but the last: enough for a program that soon ends.
struct Arena {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
}

#[global_allocator]
static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) };

// SAFETY: `used` decides who owns which bytes, and it is atomic.
unsafe impl Sync for Arena {}

// SAFETY: `alloc` gives out each byte once, aligned as asked; `dealloc` takes back what nobody was given behind.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get().cast::<u8>();
        let mut start = 0;
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            start = (base as usize + used).next_multiple_of(layout.align()) - base as usize;
            start.checked_add(layout.size()).filter(|&end| end <= SIZE)
        });
        // SAFETY: `start` is within the arena, or nothing was taken.
        if taken.is_ok() { unsafe { base.add(start) } } else { core::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let start = ptr as usize - self.bytes.get() as usize;
        let end = start + layout.size();
        let _ = self.used.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
    }
}
