//! A QEMU without a guest, in whose place a test drives the card.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mx_nic::dma::{DmaMemory, PAGE_SIZE};
use mx_nic::{Fragment, Platform, Registers};

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

static MACHINES: AtomicUsize = AtomicUsize::new(0);

/// A process and the directory of its files, both gone when this is dropped.
struct Qemu {
    process: Child,
    directory: PathBuf,
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
}

impl Machine {
    pub fn start(card: &str, bar: u32) -> Self {
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        let name = format!("mx-nic-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory for sockets");
        let at = |name: &str| directory.join(name).display().to_string();
        let file = File::create_new(at("memory")).expect("a file for memory");
        file.set_len(MEMORY as u64).expect("room for memory");
        let wire = UnixDatagram::bind(at("wire")).expect("the wire's end");
        wire.set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        fs::write(at("firmware"), firmware()).expect("the firmware");
        let process = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-display", "none", "-nodefaults"])
            .args(["-bios", &at("firmware")])
            .args(["-machine", "q35,memory-backend=ram", "-m", "64M"])
            .args([
                "-qtest",
                &format!("unix:{},server=on,wait=off", at("qtest")),
            ])
            .args(["-qtest-log", "none"])
            .args([
                "-object",
                &format!(
                    "memory-backend-file,id=ram,size=64M,share=on,mem-path={}",
                    at("memory")
                ),
            ])
            .args([
                "-netdev",
                &format!(
                    "dgram,id=n,local.type=unix,local.path={},remote.type=unix,remote.path={}",
                    at("card"),
                    at("wire")
                ),
            ])
            .args(["-device", &format!("{card},netdev=n,addr=4")])
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-x86_64 is installed (package qemu-system-x86)");
        let qemu = Qemu {
            process,
            directory: directory.clone(),
        };
        let qtest = connect(&directory.join("qtest"));
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
        };
        machine.set_up_card(bar);
        machine
    }

    /// Gives the card its registers' place, and lets it use memory.
    fn set_up_card(&self, bar: u32) {
        self.write_configuration(0x10 + 4 * bar, BAR as u32);
        self.write_configuration(0x04, 0x406);
    }

    fn write_configuration(&self, register: u32, value: u32) {
        self.ask(&format!(
            "outl {CONFIGURATION_ADDRESS:#x} {:#x}",
            CONFIGURATION | register
        ));
        self.ask(&format!("outl {CONFIGURATION_DATA:#x} {value:#x}"));
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

    pub fn send(&self, frame: &[u8]) {
        self.wire
            .send_to(frame, self.qemu.directory.join("card"))
            .expect("QEMU takes the frame");
    }

    pub fn come(&self) -> Vec<u8> {
        let mut frame = vec![0; 65536];
        let len = self.wire.recv(&mut frame).expect("a frame from QEMU");
        frame.truncate(len);
        frame
    }
}

/// Firmware that is `cli; hlt` where the processor begins, 16 bytes before its end.
fn firmware() -> Vec<u8> {
    let mut bytes = vec![0; 65536];
    bytes[65536 - 16..][..2].copy_from_slice(&[0xfa, 0xf4]);
    bytes
}

/// QEMU makes its socket a moment after it starts.
fn connect(socket: &Path) -> UnixStream {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "QEMU did not start: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
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
