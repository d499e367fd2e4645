//! Hypercalls: the instruction, the counters, and a typed function per operation that this crate uses.
//!
//! The 64-bit PV ABI (`arch-x86/xen-x86_64.h`): number in rax, arguments in rdi, rsi, rdx, r10, r8, result in rax; rcx
//! and r11 are lost to `syscall`.

use core::arch::asm;

use xen_sys::{event_channel, grant_table, memory, physdev, sched, xen};

use crate::counters::{self, Counter};
use crate::types::Errno;

/// # Safety
/// The arguments must be what hypercall `number` expects; memory it writes must be valid for that.
#[inline]
unsafe fn call(number: u64, a: u64, b: u64, c: u64, d: u64) -> Result<u64, Errno> {
    let result: i64;
    // SAFETY: the PV ABI as above; the caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            inlateout("rdi") a => _,
            inlateout("rsi") b => _,
            inlateout("rdx") c => _,
            inlateout("r10") d => _,
            out("r8") _,
            out("rcx") _,
            out("r11") _,
        );
    }
    if result < 0 {
        Err(Errno(-result))
    } else {
        Ok(result as u64)
    }
}

fn address<T: ?Sized>(value: &T) -> u64 {
    core::ptr::from_ref(value).cast::<u8>() as u64
}

fn address_mut<T: ?Sized>(value: &mut T) -> u64 {
    core::ptr::from_mut(value).cast::<u8>() as u64
}

/// # Safety
/// `table` ends with an entry of address 0, and each handler copes with the frame that Xen pushes.
pub(crate) unsafe fn set_trap_table(table: &[xen_sys::arch_x86::TrapInfo]) -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    // SAFETY: the caller's promise.
    unsafe { call(xen::HYPERVISOR_SET_TRAP_TABLE, address(table), 0, 0, 0) }.map(drop)
}

/// # Safety
/// The updates must leave every address that Rust uses mapped to the memory that Rust believes is there.
pub(crate) unsafe fn mmu_update(updates: &[xen::MmuUpdate]) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_MMU_UPDATE,
            address(updates),
            updates.len() as u64,
            0,
            u64::from(xen::DOMID_SELF),
        )
    }
    .map(drop)
}

/// # Safety
/// The frame must be the domain's own and used by nobody.
pub(crate) unsafe fn clear_page(frame: u64) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    let op = xen::MmuextOp {
        cmd: xen::MMUEXT_CLEAR_PAGE,
        arg1: frame,
        arg2: 0,
    };
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_MMUEXT_OP,
            address(&op),
            1,
            0,
            u64::from(xen::DOMID_SELF),
        )
    }
    .map(drop)
}

/// # Safety
/// As for [`mmu_update`], for the page at `va`.
pub(crate) unsafe fn update_va_mapping(va: u64, entry: u64) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_UPDATE_VA_MAPPING,
            va,
            entry,
            xen::UVMF_INVLPG,
            0,
        )
    }
    .map(drop)
}

/// # Safety
/// The frame lists are valid, and nobody uses the frames that are given away.
pub(crate) unsafe fn memory_exchange(exchange: &mut memory::MemoryExchange) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_MEMORY_OP,
            u64::from(memory::XENMEM_EXCHANGE),
            address_mut(exchange),
            0,
            0,
        )
    }
    .map(drop)
}

/// Version of Xen: major and minor.
pub(crate) fn xen_version() -> (u64, u64) {
    counters::add(Counter::Other, 1);
    // SAFETY: takes no memory.
    let version = unsafe {
        call(
            xen::HYPERVISOR_XEN_VERSION,
            u64::from(xen_sys::version::XENVER_VERSION),
            0,
            0,
            0,
        )
    }
    .unwrap_or(0);
    (version >> 16, version & 0xffff)
}

/// Writes to Xen's own console, where Xen lets the domain do that.
pub(crate) fn console_write(text: &str) {
    counters::add(Counter::Other, 1);
    // SAFETY: Xen only reads the text. Its refusal is of no consequence: there is no third console.
    let _ = unsafe {
        call(
            xen::HYPERVISOR_CONSOLE_IO,
            u64::from(xen::CONSOLEIO_WRITE),
            text.len() as u64,
            text.as_ptr() as u64,
            0,
        )
    };
}

/// # Safety
/// The addresses of the operations belong to the grant arena and are free.
pub(crate) unsafe fn grant_map(operations: &mut [grant_table::MapGrantRef]) -> Result<(), Errno> {
    counters::add(Counter::GrantCalls, 1);
    counters::add(Counter::GrantMaps, operations.len() as u64);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_GRANT_TABLE_OP,
            u64::from(grant_table::GNTTABOP_MAP_GRANT_REF),
            address_mut(operations),
            operations.len() as u64,
            0,
        )
    }
    .map(drop)
}

/// # Safety
/// Nobody uses the mappings any more.
pub(crate) unsafe fn grant_unmap(
    operations: &mut [grant_table::UnmapGrantRef],
) -> Result<(), Errno> {
    counters::add(Counter::GrantCalls, 1);
    counters::add(Counter::GrantUnmaps, operations.len() as u64);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_GRANT_TABLE_OP,
            u64::from(grant_table::GNTTABOP_UNMAP_GRANT_REF),
            address_mut(operations),
            operations.len() as u64,
            0,
        )
    }
    .map(drop)
}

/// # Safety
/// `setup.frame_list` has room for `setup.nr_frames` numbers.
pub(crate) unsafe fn grant_setup(setup: &mut grant_table::SetupTable) -> Result<(), Errno> {
    counters::add(Counter::GrantCalls, 1);
    // SAFETY: the caller's promise.
    unsafe {
        call(
            xen::HYPERVISOR_GRANT_TABLE_OP,
            u64::from(grant_table::GNTTABOP_SETUP_TABLE),
            address_mut(setup),
            1,
            0,
        )
    }
    .map(drop)
}

/// An argument of `HYPERVISOR_event_channel_op` and its command.
pub(crate) trait EventChannelOp {
    const COMMAND: u32;
}
impl EventChannelOp for event_channel::BindInterdomain {
    const COMMAND: u32 = event_channel::EVTCHNOP_BIND_INTERDOMAIN;
}
impl EventChannelOp for event_channel::AllocUnbound {
    const COMMAND: u32 = event_channel::EVTCHNOP_ALLOC_UNBOUND;
}
impl EventChannelOp for event_channel::BindPirq {
    const COMMAND: u32 = event_channel::EVTCHNOP_BIND_PIRQ;
}

/// Sets up an event channel.
pub(crate) fn event_channel_op<T: EventChannelOp>(argument: &mut T) -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    // SAFETY: the trait ties the structure to its command; Xen writes only into the structure.
    unsafe {
        call(
            xen::HYPERVISOR_EVENT_CHANNEL_OP,
            u64::from(T::COMMAND),
            address_mut(argument),
            0,
            0,
        )
    }
    .map(drop)
}

/// Closes a port.
pub(crate) fn event_close(port: u32) -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    let argument = event_channel::PortArgument { port };
    // SAFETY: Xen only reads the argument.
    unsafe {
        call(
            xen::HYPERVISOR_EVENT_CHANNEL_OP,
            u64::from(event_channel::EVTCHNOP_CLOSE),
            address(&argument),
            0,
            0,
        )
    }
    .map(drop)
}

/// Lets the next physical interrupt come.
pub(crate) fn end_of_interrupt(pirq: u32) -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    let argument = physdev::PhysdevEoi { irq: pirq };
    // SAFETY: Xen only reads the argument.
    unsafe {
        call(
            xen::HYPERVISOR_PHYSDEV_OP,
            u64::from(physdev::PHYSDEVOP_EOI),
            address(&argument),
            0,
            0,
        )
    }
    .map(drop)
}

/// Sends an event.
pub(crate) fn event_send(port: u32) -> Result<(), Errno> {
    counters::add(Counter::EventsSent, 1);
    let argument = event_channel::PortArgument { port };
    // SAFETY: Xen only reads the argument.
    unsafe {
        call(
            xen::HYPERVISOR_EVENT_CHANNEL_OP,
            u64::from(event_channel::EVTCHNOP_SEND),
            address(&argument),
            0,
            0,
        )
    }
    .map(drop)
}

/// Lets others run.
pub(crate) fn sched_yield() {
    counters::add(Counter::Other, 1);
    // SAFETY: takes no memory; it cannot fail.
    let _ = unsafe {
        call(
            xen::HYPERVISOR_SCHED_OP,
            u64::from(sched::SCHEDOP_YIELD),
            0,
            0,
            0,
        )
    };
}

/// Sleeps until a port of `ports` is pending or system time `timeout` (0: never).
pub(crate) fn sched_poll(ports: &[u32], timeout: u64) -> Result<(), Errno> {
    counters::add(Counter::Sleeps, 1);
    let argument = sched::SchedPoll {
        ports: ports.as_ptr(),
        nr_ports: ports.len() as u32,
        timeout,
    };
    // SAFETY: Xen only reads the argument and the ports.
    unsafe {
        call(
            xen::HYPERVISOR_SCHED_OP,
            u64::from(sched::SCHEDOP_POLL),
            address(&argument),
            0,
            0,
        )
    }
    .map(drop)
}

/// Starts a watchdog (`id` 0) or renews one; which it is.
pub(crate) fn sched_watchdog(id: u32, timeout: u32) -> Result<u32, Errno> {
    counters::add(Counter::Other, 1);
    let argument = sched::SchedWatchdog { id, timeout };
    // SAFETY: Xen only reads the argument.
    let answer = unsafe {
        call(
            xen::HYPERVISOR_SCHED_OP,
            u64::from(sched::SCHEDOP_WATCHDOG),
            address(&argument),
            0,
            0,
        )
    }?;
    // A new one has its number, one that is renewed has 0.
    Ok(answer as u32)
}

/// Ends the domain.
pub(crate) fn sched_shutdown(reason: u32) -> ! {
    let argument = sched::SchedShutdown { reason };
    loop {
        // SAFETY: Xen only reads the argument.
        let _ = unsafe {
            call(
                xen::HYPERVISOR_SCHED_OP,
                u64::from(sched::SCHEDOP_SHUTDOWN),
                address(&argument),
                0,
                0,
            )
        };
    }
}
