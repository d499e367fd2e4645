//! The order in which the services of the domain come up.

use core::sync::atomic::Ordering;

use xen_sys::console::ConsoleInterface;
use xen_sys::xen::{SharedInfo, StartInfo};
use xen_sys::xs_wire::DomainInterface;

use crate::event::Channel;
use crate::foreign::Arena;
use crate::grant::GrantTable;
use crate::memory::{self, Footprint, PAGES_PER_TABLE, tables, window};
use crate::types::{Mfn, PAGE_SIZE, Pfn};
use crate::xenstore::Xenstore;
use crate::{clock, console, event, hypercall, logger, stack, stubs};

#[global_allocator]
static HEAP: memory::heap::Allocator = memory::heap::Allocator::new();

/// What the program gets: the services that have an owner. The others are functions of this crate.
pub struct Machine {
    /// Command line, `extra=` of the configuration; what is not UTF-8 is cut off.
    pub command_line: &'static str,
    /// Connection to xenstore.
    pub xenstore: Xenstore,
    /// Own grant table: pages for others.
    pub grants: GrantTable,
    /// Addresses for pages of others.
    pub arena: Arena,
}

/// Bytes of the heap that are free, and all of them.
pub fn heap_space() -> (usize, usize) {
    HEAP.space()
}

/// Whether so little of the heap is left that nobody should be given more.
pub fn heap_is_short() -> bool {
    HEAP.is_short()
}

/// Starts everything. A failure here is a panic: without memory or grants there is no domain to speak of.
///
/// # Safety
/// `info` is the start info of this domain; called once.
pub(crate) unsafe fn boot(info: &'static StartInfo, footprint: &Footprint) -> Machine {
    // SAFETY: the start info is Xen's.
    unsafe { memory::init_p2m(info) };
    // SAFETY: the console page is one of the boot pages, mapped for good, and shared with the daemon as atomics.
    let ring = unsafe { &*(memory::boot_page(Mfn(info.console_mfn)) as *const ConsoleInterface) };
    console::init(ring, info.console_evtchn);
    logger::init();
    // SAFETY: the table is well-formed and its stubs take Xen's frames.
    if let Err(error) = unsafe { hypercall::set_trap_table(&stubs::trap_table()) } {
        panic!("Xen refused the exception handlers: {error}");
    }
    if let Err(error) = stack::guard_stack() {
        panic!("the stack's lower end could not be unmapped: {error}");
    }

    // SAFETY: called once, here.
    let layout = match unsafe { tables::build(info, footprint) } {
        Ok(layout) => layout,
        Err(error) => panic!("{} pages could not be mapped: {error}", info.nr_pages),
    };
    let shared = Mfn(info.shared_info / PAGE_SIZE as u64);
    match window::map_xen_pages(&[shared]) {
        // SAFETY: Xen's shared page, mapped for good; everything in it that changes is an atomic.
        Ok(page) => clock::init(unsafe { page.cast::<SharedInfo>().as_ref() }),
        Err(error) => panic!("the shared information could not be mapped: {error}"),
    }
    event::mask_all();
    // Nobody takes its events, and Xen arms and disarms it whenever the domain gets or leaves a processor.
    if let Err(error) = hypercall::stop_periodic_timer() {
        log::warn!("Xen's periodic timer goes on: {error}");
    }

    let free = info.nr_pages - layout.first_free.0;
    let dma_pages = footprint.device_pages(free);
    let heap_pages = free - dma_pages;
    // SAFETY: pages behind the tables are unused, and the direct map has them.
    unsafe {
        HEAP.init(
            memory::direct(layout.first_free) as *mut u8,
            heap_pages as usize * PAGE_SIZE,
        )
    };
    memory::dma::init(Pfn(layout.first_free.0 + heap_pages), dma_pages as usize);
    let (major, minor) = hypercall::xen_version();
    log::info!(
        "started under Xen {major}.{minor}: {} KiB, of them {} for the heap and {} for devices",
        info.nr_pages << 2,
        heap_pages << 2,
        dma_pages << 2
    );

    let grants = match GrantTable::new(footprint.grant_frames) {
        Ok(grants) => grants,
        Err(error) => panic!("the grant table could not be set up: {error}"),
    };
    // SAFETY: the xenstore page is one of the boot pages, mapped for good, and all of it is atomics.
    let ring = unsafe { &*(memory::boot_page(Mfn(info.store_mfn)) as *const DomainInterface) };
    core::sync::atomic::fence(Ordering::SeqCst);
    Machine {
        command_line: command_line(&info.cmd_line),
        xenstore: Xenstore::new(ring, Channel::existing(info.store_evtchn)),
        grants,
        arena: Arena::new(footprint.arena_tables() * PAGES_PER_TABLE),
    }
}

fn command_line(bytes: &'static [u8]) -> &'static str {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default())
            .unwrap_or_default(),
    }
}
