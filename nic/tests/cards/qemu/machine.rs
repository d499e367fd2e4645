//! A QEMU without a guest, in whose place a test drives the card.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mx_nic::dma::{DmaMemory, PAGE_SIZE};
use mx_nic::{Fragment, Platform, Registers};

use super::wire::Wire;

/// Memory of the machine.
const MEMORY: usize = 64 << 20;
/// Where the driver's memory begins: above what firmware would use.
const FIRST_FREE: usize = 1 << 20;
/// The card is device 4 on the only bus; its configuration is reached by these ports.
const CONFIGURATION: u32 = 0x8000_0000 | 4 << 11;
const CONFIGURATION_ADDRESS: u16 = 0xcf8;
const CONFIGURATION_DATA: u16 = 0xcfc;
/// Where the test puts the card's registers.
pub const BAR: u64 = 0xe000_0000;
/// Where it puts the table of MSI-X.
const VECTORS: u64 = 0xe100_0000;

static MACHINES: AtomicUsize = AtomicUsize::new(0);

/// A process and the directory of its files, both gone when this is dropped.
struct Qemu {
    process: Child,
    directory: PathBuf,
}

impl Qemu {
    /// QEMU makes its sockets a moment after it starts.
    fn connect(&mut self, socket: &str, plug: Wire) -> UnixStream {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let error = match UnixStream::connect(self.directory.join(socket)) {
                Ok(stream) => return stream,
                Err(error) => error,
            };
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("QEMU did not start, {status}; {}", plug.needs());
            }
            assert!(Instant::now() < deadline, "QEMU did not start: {error}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Nothing can be done about a QEMU that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A QEMU without a guest.
pub struct Machine {
    qemu: Qemu,
    qtest: RefCell<BufReader<UnixStream>>,
    memory: NonNull<u8>,
    next_free: AtomicUsize,
    wire: UnixDatagram,
    monitor: RefCell<BufReader<UnixStream>>,
}

impl Machine {
    pub fn start(card: &str, bar: u8, plug: Wire) -> Self {
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        let name = format!("mx-nic-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory for sockets");
        let at = |name: &str| directory.join(name).display().to_string();
        let file = File::create_new(at("memory")).expect("a file for memory");
        file.set_len(MEMORY as u64).expect("room for memory");
        let wire = UnixDatagram::bind(at("wire")).expect("the wire's end");
        wire.set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a timeout");
        wire.set_write_timeout(Some(Duration::from_millis(100)))
            .expect("a timeout");
        fs::write(at("firmware"), firmware()).expect("the firmware");
        let process = plug
            .program()
            .args(["-accel", "tcg", "-display", "none", "-nodefaults"])
            .args(["-bios", &at("firmware")])
            .args(["-machine", "q35,memory-backend=ram", "-m", "64M"])
            .args([
                "-qtest",
                &format!("unix:{},server=on,wait=off", at("qtest")),
            ])
            .args(["-qtest-log", "none"])
            .args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", at("monitor")),
            ])
            .args([
                "-object",
                &format!(
                    "memory-backend-file,id=ram,size=64M,share=on,mem-path={}",
                    at("memory")
                ),
            ])
            .args(plug.arguments(&at("card"), &at("wire")))
            .args(["-device", &format!("{card},netdev=n,addr=4")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("QEMU: {error}; {}", plug.needs()));
        let mut qemu = Qemu {
            process,
            directory: directory.clone(),
        };
        let qtest = qemu.connect("qtest", plug);
        let monitor = qemu.connect("monitor", plug);
        let mapped = File::options()
            .read(true)
            .write(true)
            .open(at("memory"))
            .expect("the memory");
        let protection = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
        // SAFETY: a fresh mapping of a file that only QEMU and this test use; it stays for the life of the process.
        let memory = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                MEMORY,
                protection,
                rustix::mm::MapFlags::SHARED,
                &mapped,
                0,
            )
        };
        let machine = Self {
            qemu,
            qtest: RefCell::new(BufReader::new(qtest)),
            memory: NonNull::new(memory.expect("a mapping").cast()).expect("an address"),
            next_free: AtomicUsize::new(FIRST_FREE),
            wire,
            monitor: RefCell::new(BufReader::new(monitor)),
        };
        machine.command(r#"{"execute": "qmp_capabilities"}"#);
        machine.set_up_card(bar);
        machine
    }

    /// Gives the card its registers' place, and lets it use memory.
    fn set_up_card(&self, bar: u8) {
        self.place_bar(bar, BAR);
        self.set_bus_master(true);
    }

    /// Lets the card use memory, or keeps it from it.
    pub fn set_bus_master(&self, may: bool) {
        let command = if may { 0x406 } else { 0x402 };
        self.write_configuration(0x04, command);
    }

    fn place_bar(&self, bar: u8, address: u64) {
        self.write_configuration(0x10 + 4 * bar, address as u32);
    }

    fn select(&self, register: u8) {
        let at = CONFIGURATION | u32::from(register & 0xfc);
        self.ask(&format!("outl {CONFIGURATION_ADDRESS:#x} {at:#x}"));
    }

    fn write_configuration(&self, register: u8, value: u32) {
        self.select(register);
        self.ask(&format!("outl {CONFIGURATION_DATA:#x} {value:#x}"));
    }

    fn read_configuration(&self, register: u8) -> u32 {
        self.select(register);
        self.ask(&format!("inl {CONFIGURATION_DATA:#x}")) as u32
    }

    /// Where a capability lies, PCI 3.0 §6.7.
    fn capability(&self, id: u8) -> u8 {
        let mut at = self.read_configuration(0x34) as u8;
        while at != 0 {
            let header = self.read_configuration(at);
            if header as u8 == id {
                return at;
            }
            at = (header >> 8) as u8;
        }
        panic!("the card has no capability {id:#x}");
    }

    /// Turns MSI on; messages go to memory, where they can be seen.
    pub fn enable_msi(&self) -> Messages {
        let messages = Messages::new(self);
        let at = self.capability(5);
        self.write_configuration(at + 4, messages.memory.bus(0) as u32);
        self.write_configuration(at + 8, 0);
        self.write_configuration(at + 12, MESSAGE);
        let control = self.read_configuration(at);
        self.write_configuration(at, control | 1 << 16);
        messages
    }

    /// Turns MSI-X on, its first vector only; the table is at the start of BAR `bar`.
    pub fn enable_msi_x(&self, bar: u8) -> Messages {
        let messages = Messages::new(self);
        self.place_bar(bar, VECTORS);
        let entry = [messages.memory.bus(0) as u32, 0, MESSAGE, 0];
        for (at, word) in (VECTORS..).step_by(4).zip(entry) {
            self.ask(&format!("writel {at:#x} {word:#x}"));
        }
        let at = self.capability(0x11);
        let control = self.read_configuration(at);
        self.write_configuration(at, control | 1 << 31);
        messages
    }

    /// Plugs the cable in, or out.
    pub fn set_link(&self, up: bool) {
        self.command(&format!(
            r#"{{"execute": "set_link", "arguments": {{"name": "n", "up": {up}}}}}"#
        ));
    }

    /// Stops the machine, or lets it run.
    pub fn stop(&self, stop: bool) {
        let command = if stop { "stop" } else { "cont" };
        self.command(&format!(r#"{{"execute": "{command}"}}"#));
    }

    /// One command of the monitor.
    fn command(&self, command: &str) {
        let mut monitor = self.monitor.borrow_mut();
        writeln!(monitor.get_mut(), "{command}").expect("QEMU listens");
        let mut line = String::new();
        // Its greeting and its events come in between.
        while !line.starts_with(r#"{"return""#) {
            line.clear();
            monitor.read_line(&mut line).expect("QEMU answers");
            assert!(!line.starts_with(r#"{"error""#), "{command}: {line}");
        }
    }

    /// One request of the qtest protocol; its answer's number, 0 without one.
    pub fn ask(&self, request: &str) -> u64 {
        let mut qtest = self.qtest.borrow_mut();
        writeln!(qtest.get_mut(), "{request}").expect("QEMU listens");
        let mut answer = String::new();
        qtest.read_line(&mut answer).expect("QEMU answers");
        let answer = answer
            .trim()
            .strip_prefix("OK")
            .expect("QEMU agrees")
            .trim();
        match answer.strip_prefix("0x") {
            Some(number) => u64::from_str_radix(number, 16).expect("a number"),
            None => 0,
        }
    }

    /// A buffer of the machine, filled.
    pub fn buffer(&self, bytes: &[u8]) -> Fragment {
        let pages = bytes.len().div_ceil(PAGE_SIZE);
        let mut memory = self.allocate(pages).expect("memory");
        memory.write(0, bytes);
        Fragment {
            bus: memory.bus(0),
            len: bytes.len() as u32,
        }
    }

    /// Sends a frame to the card; whether QEMU took it in time.
    pub fn send(&self, frame: &[u8]) -> bool {
        let card = self.qemu.directory.join("card");
        self.wire.send_to(frame, card).is_ok()
    }

    pub fn come(&self) -> Vec<u8> {
        self.come_soon().expect("a frame from QEMU")
    }

    /// The next frame of the card, if it comes in time.
    pub fn come_soon(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65536];
        let len = self.wire.recv(&mut frame).ok()?;
        frame.truncate(len);
        Some(frame)
    }
}

/// What a message writes.
const MESSAGE: u32 = 0x4d58;

/// Messages of the card, one after the other: those that come before the last one was seen look like one.
pub struct Messages {
    memory: DmaMemory,
    seen: usize,
}

impl Messages {
    fn new(machine: &Machine) -> Self {
        Self {
            memory: machine.allocate(1).expect("memory"),
            seen: 0,
        }
    }

    /// How many came so far.
    pub fn count(&mut self) -> usize {
        if self.memory.word32(0).swap(0, Ordering::AcqRel) == MESSAGE {
            self.seen += 1;
        }
        self.seen
    }
}

/// Firmware that is `cli; hlt` where the processor begins, 16 bytes before its end.
fn firmware() -> Vec<u8> {
    let mut bytes = vec![0; 65536];
    bytes[65536 - 16..][..2].copy_from_slice(&[0xfa, 0xf4]);
    bytes
}

impl Platform for Machine {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        let bytes = pages * PAGE_SIZE;
        let offset = self.next_free.fetch_add(bytes, Ordering::Relaxed);
        assert!(offset + bytes <= MEMORY, "the machine's memory is used up");
        // SAFETY: within the mapping, used by nobody before, zero since the file was made; never given out again.
        Some(unsafe { DmaMemory::new(self.memory.add(offset), offset as u64, pages, |_, _| ()) })
    }

    fn registers(&self, _bus: u64, _bytes: usize) -> Option<Registers> {
        None
    }

    fn pause(&self, microseconds: u32) {
        std::thread::sleep(Duration::from_micros(microseconds.into()));
    }
}
