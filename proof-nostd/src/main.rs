//! A client and a server in one small program without `std`: the opening handshake, messages both ways, the closing
//! handshake. It exits with 0 if all went well, otherwise with the number of the step that did not.
//!
//! The program itself is the proof: it brings its own panic handler, and the compiler refuses a second one, which any
//! dependency on `std` would be.
#![no_std]
#![no_main]

extern crate alloc;

mod arena;
mod conversation;

use core::ffi::{c_char, c_int};
use core::panic::PanicInfo;

// What the operating system asks of a program, and all that this one asks of it: `main` and `abort`.
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it may be called at any time, and does not come back.
    unsafe { abort() }
}

// The `alloc` of the tool chain was compiled to unwind, and names these two functions of the unwinder. Nothing unwinds
// here: a panic aborts.

// SAFETY: there is no `std` to define it too.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: it may be called at any time, and does not come back.
    unsafe { abort() }
}

// SAFETY: there is no other `main`.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    match conversation::hold() {
        Ok(()) => 0,
        Err(step) => step as c_int,
    }
}
