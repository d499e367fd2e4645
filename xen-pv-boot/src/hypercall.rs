//! Hypercalls: the instruction, the counters, and a typed function per operation that this crate uses.
//!
//! The 64-bit PV ABI (`arch-x86/xen-x86_64.h`): number in rax, arguments in rdi, rsi, rdx, r10, r8, result in rax; rcx
//! and r11 are lost to `syscall`.

use core::arch::asm;

use xen_sys::event_channel as event;
use xen_sys::grant_table as grant;
use xen_sys::{memory, physdev, sched, vcpu, xen};

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

/// Runs a command of a hypercall, on `count` structures.
///
/// # Safety
/// As for [`call`].
#[inline]
unsafe fn command(number: u64, command: u32, argument: u64, count: u64) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { call(number, command.into(), argument, count, 0) }.map(drop)
}

/// Runs a command on event channels, and counts it.
///
/// # Safety
/// As for [`call`].
#[inline]
unsafe fn event_channel(counter: Counter, operation: u32, argument: u64) -> Result<(), Errno> {
    counters::add(counter, 1);
    // SAFETY: the caller's promise.
    unsafe { command(xen::HYPERVISOR_EVENT_CHANNEL_OP, operation, argument, 0) }
}

/// Runs a command on grants, and counts it.
///
/// # Safety
/// As for [`call`].
unsafe fn grant_table<T>(operation: u32, structures: &mut [T]) -> Result<(), Errno> {
    counters::add(Counter::GrantCalls, 1);
    let (first, count) = (address_mut(structures), structures.len() as u64);
    // SAFETY: the caller's promise.
    unsafe { command(xen::HYPERVISOR_GRANT_TABLE_OP, operation, first, count) }
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
    let (first, count, own) = (
        address(updates),
        updates.len() as u64,
        xen::DOMID_SELF.into(),
    );
    // SAFETY: the caller's promise.
    unsafe { call(xen::HYPERVISOR_MMU_UPDATE, first, count, 0, own) }.map(drop)
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
    let own = xen::DOMID_SELF.into();
    // SAFETY: the caller's promise.
    unsafe { call(xen::HYPERVISOR_MMUEXT_OP, address(&op), 1, 0, own) }.map(drop)
}

/// # Safety
/// As for [`mmu_update`], for the page at `va`.
pub(crate) unsafe fn update_va_mapping(va: u64, entry: u64) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    let flush = xen::UVMF_INVLPG;
    // SAFETY: the caller's promise.
    unsafe { call(xen::HYPERVISOR_UPDATE_VA_MAPPING, va, entry, flush, 0) }.map(drop)
}

/// # Safety
/// The frame lists are valid, and nobody uses the frames that are given away.
pub(crate) unsafe fn memory_exchange(exchange: &mut memory::MemoryExchange) -> Result<(), Errno> {
    counters::add(Counter::Memory, 1);
    let (operation, argument) = (memory::XENMEM_EXCHANGE, address_mut(exchange));
    // SAFETY: the caller's promise.
    unsafe { command(xen::HYPERVISOR_MEMORY_OP, operation, argument, 0) }
}

/// Version of Xen: major and minor.
pub(crate) fn xen_version() -> (u64, u64) {
    counters::add(Counter::Other, 1);
    let operation = xen_sys::version::XENVER_VERSION.into();
    // SAFETY: takes no memory.
    let version = unsafe { call(xen::HYPERVISOR_XEN_VERSION, operation, 0, 0, 0) }.unwrap_or(0);
    (version >> 16, version & 0xffff)
}

/// Writes to Xen's own console, where Xen lets the domain do that.
pub(crate) fn console_write(text: &str) {
    counters::add(Counter::Other, 1);
    let (write, length) = (xen::CONSOLEIO_WRITE.into(), text.len() as u64);
    // SAFETY: Xen only reads the text. Its refusal is of no consequence: there is no third console.
    let _ = unsafe { call(xen::HYPERVISOR_CONSOLE_IO, write, length, address(text), 0) };
}

/// # Safety
/// The addresses of the operations belong to the grant arena and are free.
pub(crate) unsafe fn grant_map(operations: &mut [grant::MapGrantRef]) -> Result<(), Errno> {
    counters::add(Counter::GrantMaps, operations.len() as u64);
    // SAFETY: the caller's promise.
    unsafe { grant_table(grant::GNTTABOP_MAP_GRANT_REF, operations) }
}

/// # Safety
/// Nobody uses the mappings any more.
pub(crate) unsafe fn grant_unmap(operations: &mut [grant::UnmapGrantRef]) -> Result<(), Errno> {
    counters::add(Counter::GrantUnmaps, operations.len() as u64);
    // SAFETY: the caller's promise.
    unsafe { grant_table(grant::GNTTABOP_UNMAP_GRANT_REF, operations) }
}

/// # Safety
/// `setup.frame_list` has room for `setup.nr_frames` numbers.
pub(crate) unsafe fn grant_setup(setup: &mut grant::SetupTable) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe { grant_table(grant::GNTTABOP_SETUP_TABLE, core::slice::from_mut(setup)) }
}

/// An argument of `HYPERVISOR_event_channel_op` and its command.
pub(crate) trait EventChannelOp {
    const COMMAND: u32;
}
impl EventChannelOp for event::BindInterdomain {
    const COMMAND: u32 = event::EVTCHNOP_BIND_INTERDOMAIN;
}
impl EventChannelOp for event::AllocUnbound {
    const COMMAND: u32 = event::EVTCHNOP_ALLOC_UNBOUND;
}
impl EventChannelOp for event::BindPirq {
    const COMMAND: u32 = event::EVTCHNOP_BIND_PIRQ;
}

/// Sets up an event channel.
pub(crate) fn event_channel_op<T: EventChannelOp>(argument: &mut T) -> Result<(), Errno> {
    // SAFETY: the trait ties the structure to its command; Xen writes only into the structure.
    unsafe { event_channel(Counter::Other, T::COMMAND, address_mut(argument)) }
}

/// Closes a port.
pub(crate) fn event_close(port: u32) -> Result<(), Errno> {
    let argument = event::PortArgument { port };
    // SAFETY: Xen only reads the argument.
    unsafe { event_channel(Counter::Other, event::EVTCHNOP_CLOSE, address(&argument)) }
}

/// Sends an event.
pub(crate) fn event_send(port: u32) -> Result<(), Errno> {
    let argument = event::PortArgument { port };
    let (counter, send) = (Counter::EventsSent, event::EVTCHNOP_SEND);
    // SAFETY: Xen only reads the argument.
    unsafe { event_channel(counter, send, address(&argument)) }
}

/// Lets the next physical interrupt come.
pub(crate) fn end_of_interrupt(pirq: u32) -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    let argument = physdev::PhysdevEoi { irq: pirq };
    let (end, at) = (physdev::PHYSDEVOP_EOI, address(&argument));
    // SAFETY: Xen only reads the argument.
    unsafe { command(xen::HYPERVISOR_PHYSDEV_OP, end, at, 0) }
}

/// Lets others run.
pub(crate) fn sched_yield() {
    counters::add(Counter::Other, 1);
    // SAFETY: takes no memory; it cannot fail.
    let _ = unsafe { command(xen::HYPERVISOR_SCHED_OP, sched::SCHEDOP_YIELD, 0, 0) };
}

/// Sleeps until a port of `ports` is pending or system time `timeout` (0: never).
pub(crate) fn sched_poll(ports: &[u32], timeout: u64) -> Result<(), Errno> {
    counters::add(Counter::Sleeps, 1);
    let argument = sched::SchedPoll {
        ports: ports.as_ptr(),
        nr_ports: ports.len() as u32,
        timeout,
    };
    let (poll, at) = (sched::SCHEDOP_POLL, address(&argument));
    // SAFETY: Xen only reads the argument and the ports.
    unsafe { command(xen::HYPERVISOR_SCHED_OP, poll, at, 0) }
}

/// Ends the events of time at a fixed rate.
pub(crate) fn stop_periodic_timer() -> Result<(), Errno> {
    counters::add(Counter::Other, 1);
    let (stop, processor) = (vcpu::VCPUOP_STOP_PERIODIC_TIMER, 0);
    // SAFETY: takes no memory.
    unsafe { command(xen::HYPERVISOR_VCPU_OP, stop, processor, 0) }
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
    let (shutdown, at) = (sched::SCHEDOP_SHUTDOWN, address(&argument));
    loop {
        // SAFETY: Xen only reads the argument.
        let _ = unsafe { command(xen::HYPERVISOR_SCHED_OP, shutdown, at, 0) };
    }
}
