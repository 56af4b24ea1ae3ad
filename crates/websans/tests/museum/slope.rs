//! The judge of work that must grow in step with its input.

use std::time::{Duration, Instant};

/// How often each is tried. The fastest try counts: whatever else the machine does can only make one slower.
const TRIES: usize = 7;

/// How many times longer one input of `16 * n` takes than sixteen of `n`: 1 if the work is linear, 16 if it is quadratic.
pub(crate) fn slope(n: usize, mut work: impl FnMut(usize)) -> f64 {
    let fastest = |run: &mut dyn FnMut()| {
        let tries = (0..TRIES).map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        });
        tries.min().unwrap_or_default().max(Duration::from_nanos(1))
    };
    let many = fastest(&mut || (0..16).for_each(|_| work(n)));
    let one = fastest(&mut || work(16 * n));
    one.as_secs_f64() / many.as_secs_f64()
}

/// Asserts that the work is linear: instructions are counted elsewhere (`cargo xtask linear`), here four times is much.
#[track_caller]
pub(crate) fn assert_linear(what: &str, n: usize, work: impl FnMut(usize)) {
    let ratio = slope(n, work);
    assert!(ratio <= 4.0, "{what}: sixteen times the input takes {:.0} times as long", ratio * 16.0);
}

/// The judge objects to a search that begins anew at every byte, as backtracking does.
#[test]
fn the_judge_objects_to_backtracking() {
    let ratio = slope(1 << 9, |n| {
        let text = vec![b' '; n];
        let ends = (0..n).filter(|&start| text[start..].iter().position(|&byte| byte != b' ').is_some());
        assert_eq!(core::hint::black_box(ends.count()), 0);
    });
    assert!(ratio > 4.0, "{ratio}");
}
