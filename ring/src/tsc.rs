//! The processor's time-stamp counter, for measurements.

/// The counter's present value, where there is one that user code may read. Its rate is the processor's affair; under
/// an emulator that counts instructions it counts those.
pub fn tsc() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction only writes registers. Where the kernel forbids it to processes (PR_SET_TSC) it ends the
    // process by a signal, which the process asked for.
    return Some(unsafe { core::arch::x86_64::_rdtsc() });
    #[cfg(not(target_arch = "x86_64"))]
    None
}
