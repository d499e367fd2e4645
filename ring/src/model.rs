//! An endpoint's memory for loom: the words of a few entries, instead of megabytes.

pub use crate::memory::ModelMemory;
pub use crate::seqlock::{read as seqlock_read, write as seqlock_write};

use crate::control::ArmedCounters;
use crate::inbox;
use crate::layout::EndpointLayout;
use crate::process::{r0, w0};
use crate::sync::Ordering;
use crate::{Descriptor, VolatileSlice};

/// The W area with these slots of the command queue and window 0.
pub fn w_memory(layout: &EndpointLayout, commands: &[usize]) -> ModelMemory {
    let memory = ModelMemory::default()
        .words([w0::COMMAND_PROD, w0::UNEXPECTED_CONS, w0::EXPECTED_CONS])
        .words([w0::RECEIVE_TAIL, w0::ARMED])
        .words64([EndpointLayout::WINDOWS, EndpointLayout::WINDOWS + 8])
        .words64([w0::REGIONS_IN_USE]);
    commands.iter().fold(memory, |memory, slot| {
        let data = layout.command_data() + slot * EndpointLayout::COMMAND_DATA_SIZE;
        descriptor(memory, EndpointLayout::COMMANDS + slot * Descriptor::SIZE).plain(data, 8)
    })
}

/// The R area with these slots of either event queue and the first granules of the receive ring.
pub fn r_memory(layout: &EndpointLayout, unexpected: &[usize], granules: usize) -> ModelMemory {
    let memory = ModelMemory::default()
        .words([r0::KICK, r0::COMMAND_CONS, r0::SENT, r0::STATUS])
        .words([r0::UNEXPECTED_PROD, r0::EXPECTED_PROD, r0::RECEIVE_HEAD]);
    let memory = (0..granules).fold(memory, |memory, i| {
        memory.plain(layout.receive() + i * crate::GRANULE as usize, 4)
    });
    unexpected.iter().fold(memory, |memory, slot| {
        let memory = descriptor(memory, EndpointLayout::UNEXPECTED + slot * Descriptor::SIZE);
        descriptor(memory, layout.expected() + slot * Descriptor::SIZE)
    })
}

/// An inbox with its first lane, of which these slots of the queue.
pub fn inbox_memory(slots: &[usize]) -> ModelMemory {
    let layout = EndpointLayout::LANE;
    let [(w, _), (r, _)] = inbox::spans(0);
    inbox::control_words()
        .and(w, w_memory(&layout, &[]))
        .and(r, r_memory(&layout, slots, 0))
}

/// Leaves an R area as a backend does that dies when it has written an event to either queue, and not yet its index.
pub fn take_back_producer_indices(r: &VolatileSlice) {
    for word in [r0::UNEXPECTED_PROD, r0::EXPECTED_PROD] {
        r.word(word).fetch_sub(1, Ordering::Relaxed);
    }
}

fn descriptor(memory: ModelMemory, at: usize) -> ModelMemory {
    memory
        .plain(at, Descriptor::LAP)
        .words([at + Descriptor::LAP])
}

/// Page D2 with the counter of endpoint 0.
///
/// # Safety
/// As for [`VolatileSlice::of_model`].
pub unsafe fn armed_counters(memory: &ModelMemory) -> ArmedCounters {
    // SAFETY: promised by the caller.
    let page = unsafe { VolatileSlice::of_model(memory, crate::PAGE_SIZE) };
    ArmedCounters::new(page).expect("a whole page")
}
