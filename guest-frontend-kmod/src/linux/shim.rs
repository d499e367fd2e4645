//! What `kbuild/shim.h` declares for the logic. All of it may sleep, so none of it is called in the interrupt, except
//! for [`shim_schedule_answers`], [`shim_wake_sleepers`] and [`shim_schedule_sweep`].

use core::ffi::{c_int, c_uint, c_ulong, c_void};

use crate::endpoint::Process;

/// `struct page`.
#[repr(C)]
pub struct Page {
    _opaque: [u8; 0],
}

/// `struct mm_struct`.
#[repr(C)]
pub struct Mm {
    _opaque: [u8; 0],
}

/// `struct vm_area_struct`.
#[repr(C)]
pub struct Vma {
    _opaque: [u8; 0],
}

/// `struct mutex`.
#[repr(C)]
pub struct KernelMutex {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    pub fn shim_allocate(size: usize, align: usize) -> *mut u8;
    pub fn shim_free(memory: *const u8);
    pub fn shim_log(level: c_int, text: *const u8, length: usize);
    pub fn shim_panic(
        file: *const u8,
        file_length: usize,
        line: u32,
        text: *const u8,
        length: usize,
    );
    pub safe fn shim_endpoint_mutex(board: c_uint, endpoint: c_uint) -> *mut KernelMutex;
    pub safe fn shim_link_mutex(board: c_uint) -> *mut KernelMutex;
    pub safe fn shim_shared_mutex() -> *mut KernelMutex;
    pub fn shim_lock(mutex: *mut KernelMutex);
    pub fn shim_unlock(mutex: *mut KernelMutex);
    pub safe fn shim_random() -> u32;

    pub safe fn shim_allocate_pages(order: c_uint) -> *mut Page;
    pub fn shim_page_after(page: *mut Page, pages: c_uint) -> *mut Page;
    pub fn shim_free_page(page: *mut Page);
    pub fn shim_page_address(page: *mut Page) -> *mut u8;
    pub fn shim_hold_page(page: *mut Page);
    pub fn shim_pin(
        address: c_ulong,
        pages: c_ulong,
        writable: bool,
        into: *mut *mut Page,
    ) -> c_int;
    pub fn shim_watch(
        address: c_ulong,
        length: c_ulong,
        context: *mut c_void,
        notifier: *mut *mut c_void,
    ) -> c_int;
    pub fn shim_watch_begin(notifier: *mut c_void) -> c_ulong;
    pub fn shim_watch_missed(notifier: *mut c_void, seen: c_ulong) -> bool;
    pub fn shim_unwatch(notifier: *mut c_void);
    pub fn shim_unpin(page: *mut Page, written: bool);
    pub fn shim_account_pinned(pages: c_ulong, limited: bool, space: *mut *mut Mm) -> c_int;
    pub fn shim_unaccount_pinned(space: *mut Mm, pages: c_ulong);

    pub fn shim_grant(domain: u16, page: *mut Page, read_only: bool) -> c_int;
    pub fn shim_end_grant(reference: u32) -> bool;
    pub fn shim_leave_grant(reference: u32);
    pub safe fn shim_notify(board: c_uint);
    pub safe fn shim_schedule_answers(board: c_uint);
    pub safe fn shim_schedule_reaper();
    pub safe fn shim_schedule_sweep();

    pub safe fn shim_current_space() -> *mut Mm;
    pub safe fn shim_current_user() -> u32;
    pub fn shim_current_process(command: *mut u8) -> u32;
    pub safe fn shim_current_is_unlimited() -> bool;
    pub safe fn shim_current_administers_network() -> bool;
    pub safe fn shim_current_may_send_raw() -> bool;
    pub fn shim_limits(endpoints: *mut c_uint, pages: *mut c_uint);
    pub safe fn shim_queue_entries() -> c_uint;
    pub fn shim_bind_to_space(file: *mut c_void) -> c_int;
    pub fn shim_map(
        area: *mut Vma,
        pages: *const *mut Page,
        count: c_ulong,
        writable: bool,
    ) -> c_int;
    pub safe fn shim_answers_seen(board: c_uint) -> u32;
    pub safe fn shim_announce_answer(board: c_uint);
    pub safe fn shim_wait_for_answer(board: c_uint, seen: u32, milliseconds: c_uint) -> c_int;
    pub safe fn shim_wake_sleepers(board: c_uint, endpoint: c_uint);
    pub fn shim_sleep(
        board: c_uint,
        endpoint: c_uint,
        ready: extern "C" fn(*mut c_void) -> bool,
        context: *mut c_void,
        deadline: u64,
    ) -> c_int;
}

/// The process that runs.
pub fn current_process() -> Process {
    let mut command = [0; 16];
    // SAFETY: 16 bytes may be written.
    let pid = unsafe { shim_current_process(command.as_mut_ptr()) };
    Process { pid, command }
}
