//! Cards in software, for tests.
//!
//! They are strict: whatever a datasheet or standard forbids, or leaves open, ends the test with a sentence that names the
//! section. A driver that gets along with them takes the steps in their order, waits where it must, gives aligned rings
//! and correct descriptors, and names no memory that was not granted. In the other direction they can misbehave.

pub mod dma;
pub mod intel;
pub mod virtio;

/// Ends the test: the driver did what a datasheet or standard forbids.
macro_rules! refuse {
    ($($words:tt)*) => {
        panic!("the model refuses: {}", format_args!($($words)*))
    };
}
pub(crate) use refuse;

/// What a refusal said.
pub fn words(said: &(dyn std::any::Any + Send)) -> String {
    let owned = said.downcast_ref::<String>().cloned();
    let fixed = || said.downcast_ref::<&str>().map(|&words| words.to_owned());
    owned.or_else(fixed).expect("words")
}
