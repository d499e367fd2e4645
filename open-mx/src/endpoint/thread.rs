//! How threads are told apart.

/// The calling thread, among those that live. [`std::thread::current`] would allocate for a thread that the application
/// made, and leave it to the thread's end: in a program's first thread, for ever.
#[inline]
pub fn this_thread() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}
