//! Time since Xen started, monotonic, from the time stamp counter and the scale that Xen publishes
//! (`struct vcpu_time_info` of `xen.h`). No hypercall, and no trap with `tsc_mode="native"`.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use core::time::Duration;

use xen_sys::xen::{SharedInfo, VcpuTimeInfo};

static SHARED: AtomicPtr<SharedInfo> = AtomicPtr::new(core::ptr::null_mut());
static LAST: AtomicU64 = AtomicU64::new(0);

/// Starts the clock.
pub(crate) fn init(shared: &'static SharedInfo) {
    SHARED.store(core::ptr::from_ref(shared).cast_mut(), Ordering::Release);
}

/// The page with time and event bits, once it is mapped.
pub(crate) fn shared_info() -> Option<&'static SharedInfo> {
    let shared = SHARED.load(Ordering::Acquire);
    // SAFETY: null, or from the `'static` reference that `init` took.
    unsafe { shared.as_ref() }
}

/// Time since Xen started; zero before the clock runs.
pub fn now() -> Duration {
    let Some(shared) = shared_info() else {
        return Duration::ZERO;
    };
    let read = read(&shared.vcpu_info[0].time, tsc);
    // Xen may correct its scale a little backwards between two reads: time stands still meanwhile.
    let last = LAST.load(Ordering::Relaxed).max(read);
    LAST.store(last, Ordering::Relaxed);
    Duration::from_nanos(last)
}

/// A number that another start will not see again: time since Xen started, and the raw counter's low bits, mixed. Good
/// enough to tell lives apart and to start serial numbers; no secret.
pub fn seed() -> u64 {
    let mut mixed = (now().as_nanos() as u64) ^ tsc().rotate_left(32);
    for _ in 0..3 {
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    mixed ^ (mixed >> 29)
}

fn tsc() -> u64 {
    // SAFETY: rdtsc is on every x86-64 and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn read(time: &VcpuTimeInfo, tsc: impl Fn() -> u64) -> u64 {
    loop {
        let version = time.version.load(Ordering::Acquire);
        let stamp = time.tsc_timestamp.load(Ordering::Relaxed);
        let system = time.system_time.load(Ordering::Relaxed);
        let scale = time.tsc_to_system_mul.load(Ordering::Relaxed);
        let shift = time.tsc_shift.load(Ordering::Relaxed) as u8 as i8;
        let passed = tsc().wrapping_sub(stamp);
        core::sync::atomic::fence(Ordering::Acquire);
        if version & 1 == 0 && version == time.version.load(Ordering::Relaxed) {
            return system.wrapping_add(scaled(passed, scale, shift));
        }
    }
}

fn scaled(ticks: u64, scale: u32, shift: i8) -> u64 {
    let shifted = if shift >= 0 {
        u128::from(ticks) << (shift & 63)
    } else {
        u128::from(ticks) >> (shift.unsigned_abs() & 63)
    };
    (shifted.wrapping_mul(u128::from(scale)) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_scaled_as_the_header_says() {
        assert_eq!(scaled(1000, 1 << 31, 1), 1000);
        assert_eq!(scaled(1000, 1 << 31, 0), 500);
        assert_eq!(scaled(1000, 1 << 31, -1), 250);
        // An hour at 3 GHz.
        let ticks = 3_000_000_000u64 * 3600;
        let scale = ((1u128 << 32) / 3) as u32;
        assert!(scaled(ticks, scale, 0).abs_diff(3_600_000_000_000) < 2_000);
    }
}
