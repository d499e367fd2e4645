//! The virtio-net driver against the real virtio-net of QEMU: `cargo test -p mx-nic --features qemu`.
//!
//! QEMU runs no guest here: its processor halts at once, and this test takes its place. Registers are reached by the
//! qtest protocol, and the machine's memory is a file that both map. The wire's other end is a datagram socket, one frame to a datagram.

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
use mx_nic::virtio::{Options, RingAddresses, Transport, VirtioNet, open};
use mx_nic::{Armed, Fragment, LinkState, Nic, OpenError, Platform, Registers, Token};

/// Memory of the machine.
const MEMORY: usize = 64 << 20;
/// Where the driver's memory begins: above what firmware would use.
const FIRST_FREE: usize = 1 << 20;
/// The card is device 4 on the only bus; its configuration is reached by these ports.
const CONFIGURATION: u32 = 0x8000_0000 | 4 << 11;
const CONFIGURATION_ADDRESS: u16 = 0xcf8;
const CONFIGURATION_DATA: u16 = 0xcfc;
/// Where the test puts the card's registers (BAR 4), and where QEMU has the structures in them.
const BAR: u64 = 0xe000_0000;
const COMMON: u64 = BAR;
const INTERRUPT_STATUS: u64 = BAR + 0x1000;
const DEVICE: u64 = BAR + 0x2000;
const NOTIFY: u64 = BAR + 0x3000;

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
struct Machine {
    qemu: Qemu,
    qtest: RefCell<BufReader<UnixStream>>,
    memory: NonNull<u8>,
    next_free: AtomicUsize,
    wire: UnixDatagram,
}

impl Machine {
    fn start(card: &str) -> Self {
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
            .args(["-device", &format!("virtio-net-pci,netdev=n,addr=4,{card}")])
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
        machine.set_up_card();
        machine
    }

    /// Gives the card its registers' place, and lets it use memory.
    fn set_up_card(&self) {
        self.write_configuration(0x20, BAR as u32);
        self.write_configuration(0x24, 0);
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
    fn ask(&self, request: &str) -> u64 {
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
    fn buffer(&self, bytes: &[u8]) -> Fragment {
        let pages = bytes.len().div_ceil(PAGE_SIZE);
        let mut memory = self.allocate(pages).expect("memory");
        memory.write(0, bytes);
        Fragment {
            bus: memory.bus(0),
            len: bytes.len() as u32,
        }
    }

    fn open(&self) -> VirtioNet<Wired<'_>> {
        open(Wired(self), self, &Options::default()).expect("the card opens")
    }

    fn send(&self, frame: &[u8]) {
        self.wire
            .send_to(frame, self.qemu.directory.join("card"))
            .expect("QEMU takes the frame");
    }

    fn come(&self) -> Vec<u8> {
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

/// The card's registers, at the offsets of virtio 1.2 §4.1.4.3.
struct Wired<'a>(&'a Machine);

impl Wired<'_> {
    fn read(&self, width: char, at: u64) -> u64 {
        self.0.ask(&format!("read{width} {at:#x}"))
    }

    fn write(&self, width: char, at: u64, value: u64) {
        self.0.ask(&format!("write{width} {at:#x} {value:#x}"));
    }

    fn select(&self, queue: u16) {
        self.write('w', COMMON + 0x16, queue.into());
    }
}

impl Transport for Wired<'_> {
    fn device_features(&mut self) -> u64 {
        self.write('l', COMMON, 0);
        let low = self.read('l', COMMON + 0x04);
        self.write('l', COMMON, 1);
        self.read('l', COMMON + 0x04) << 32 | low
    }

    fn accept_features(&mut self, features: u64) {
        self.write('l', COMMON + 0x08, 0);
        self.write('l', COMMON + 0x0c, features & 0xffff_ffff);
        self.write('l', COMMON + 0x08, 1);
        self.write('l', COMMON + 0x0c, features >> 32);
    }

    fn status(&self) -> u8 {
        self.read('b', COMMON + 0x14) as u8
    }

    fn set_status(&mut self, status: u8) {
        self.write('b', COMMON + 0x14, status.into());
    }

    fn queue_size(&mut self, queue: u16) -> u16 {
        self.select(queue);
        self.read('w', COMMON + 0x18) as u16
    }

    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError> {
        self.select(queue);
        self.write('w', COMMON + 0x18, size.into());
        let addresses = [rings.descriptors, rings.available, rings.used];
        for (at, address) in (COMMON + 0x20..).step_by(8).zip(addresses) {
            self.write('l', at, address & 0xffff_ffff);
            self.write('l', at + 4, address >> 32);
        }
        self.write('w', COMMON + 0x1c, 1);
        Ok(())
    }

    fn set_queue_vector(&mut self, _queue: u16, _vector: u16) -> bool {
        false
    }

    fn set_configuration_vector(&mut self, _vector: u16) -> bool {
        false
    }

    fn notify(&mut self, queue: u16) {
        self.write('w', NOTIFY + 4 * u64::from(queue), queue.into());
    }

    fn acknowledge(&mut self) {
        self.read('b', INTERRUPT_STATUS);
    }

    fn configuration_generation(&self) -> u8 {
        self.read('b', COMMON + 0x15) as u8
    }

    fn configuration8(&self, offset: usize) -> Option<u8> {
        Some(self.read('b', DEVICE + offset as u64) as u8)
    }

    fn configuration16(&self, offset: usize) -> Option<u16> {
        Some(self.read('w', DEVICE + offset as u64) as u16)
    }
}

/// Cards with and without tables of descriptors and event indices.
const CARDS: [&str; 4] = [
    "mac=52:54:00:12:34:56",
    "mac=52:54:00:12:34:56,event_idx=off",
    "mac=52:54:00:12:34:56,indirect_desc=off",
    "mac=52:54:00:12:34:56,indirect_desc=off,event_idx=off",
];

/// A frame of that length whose bytes tell it from others.
fn frame(number: u64, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len)
        .map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8)
        .collect();
    frame[14..22].copy_from_slice(&number.to_le_bytes());
    frame
}

/// Calls until it is true.
fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happens() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn qemu_sends_and_receives_frames_of_all_lengths_past_the_end_of_its_rings() {
    for card in CARDS {
        let machine = Machine::start(card);
        let mut nic = machine.open();
        let capabilities = nic.capabilities();
        assert_eq!(capabilities.mac, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert!(capabilities.promiscuous);
        assert_eq!(nic.link(), LinkState::Up);

        let pieces = machine.buffer(&frame(0, 9014));
        for number in 0..600u64 {
            let head = frame(number, 60 + number as usize % 1800);
            let rest = number as usize * 37 % (9014 - head.len());
            let cut = rest.min(4000);
            let fragments: Vec<Fragment> = [(0, cut), (cut, rest - cut)]
                .into_iter()
                .filter(|&(_, len)| len > 0)
                .map(|(at, len)| Fragment {
                    bus: pieces.bus + at as u64,
                    len: len as u32,
                })
                .collect();
            nic.transmit(0, &[&head], &fragments, Token(number))
                .expect("there is room");
            nic.flush(0);
            let expected = [&head[..], &frame(0, 9014)[..rest]].concat();
            assert_eq!(machine.come(), expected, "{card}: frame {number}");
            let mut tokens = [Token::default(); 4];
            let mut count = 0;
            until("the token comes back", || {
                count = nic.completed(0, &mut tokens);
                count > 0
            });
            assert_eq!((count, tokens[0]), (1, Token(number)));

            // Its address is that of no card: the card takes it all the same.
            machine.send(&expected);
            let mut seen = Vec::new();
            until("the frame comes in", || {
                nic.receive(0, 8, &mut |frame| seen.push(frame.to_vec())) > 0
            });
            assert_eq!(seen, [expected], "{card}: frame {number}");
        }
        assert_eq!(nic.fault(), None);
        assert_eq!(nic.arm(0), Armed::Quiet);
    }
}

#[test]
fn qemu_takes_bursts_of_128_frames_of_five_pieces() {
    let machine = Machine::start(CARDS[0]);
    let mut nic = machine.open();
    let payload = frame(7, 8000);
    let part = machine.buffer(&payload);
    let quarters: Vec<Fragment> = (0..4)
        .map(|quarter| Fragment {
            bus: part.bus + quarter * 2000,
            len: 2000,
        })
        .collect();
    let before = nic.statistics().doorbells;
    let mut back = 0;
    for round in 0..10u64 {
        for number in 0..128 {
            let head = frame(round * 128 + number, 60);
            nic.transmit(0, &[&head], &quarters, Token(round * 128 + number))
                .expect("there is room");
        }
        nic.flush(0);
        for number in 0..128 {
            let expected = [&frame(round * 128 + number, 60)[..], &payload].concat();
            assert_eq!(machine.come(), expected);
        }
        until("all tokens come back", || {
            let mut tokens = [Token::default(); 200];
            let count = nic.completed(0, &mut tokens);
            for token in &tokens[..count] {
                assert_eq!(*token, Token(back));
                back += 1;
            }
            back == (round + 1) * 128
        });
    }
    assert!(nic.statistics().doorbells - before <= 10, "one per burst");
}

#[test]
fn a_card_that_is_opened_again_forgets_its_past() {
    let machine = Machine::start(CARDS[0]);
    drop(machine.open());
    let mut nic = machine.open();
    nic.transmit(0, &[&frame(1, 60)], &[], Token(1))
        .expect("there is room");
    nic.flush(0);
    assert_eq!(machine.come(), frame(1, 60));
}
