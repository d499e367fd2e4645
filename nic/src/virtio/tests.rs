//! The driver against a model of a device in software, which keeps to the protocol, and against one that lies.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::alloc::{Layout, alloc_zeroed, dealloc};

use proptest::prelude::*;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::*;
use crate::dma::{Dma, DmaMemory, PAGE_SIZE};

extern crate std;

/// Memory of the test process; the bus address is the address.
struct TestDma;

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).unwrap()
}

unsafe fn release(base: NonNull<u8>, pages: usize) {
    // SAFETY: allocated below with this layout.
    unsafe { dealloc(base.as_ptr(), layout(pages)) }
}

impl Dma for TestDma {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout(pages)) })?;
        // SAFETY: fresh zeroed memory of that many pages.
        Some(unsafe { DmaMemory::new(base, base.as_ptr() as u64, pages, release) })
    }
}

#[derive(Default)]
struct Queue {
    size: u16,
    addresses: [u64; 3],
    seen: u16,
    used: u16,
}

#[derive(Clone, Copy)]
struct Piece {
    bus: u64,
    length: u32,
    writable: bool,
}

/// The device's side of the rings.
struct Device {
    features: u64,
    queue_size: u32,
    queues: [Queue; 3],
    status: DeviceStatus,
    notified: Vec<u16>,
    promiscuous: Option<u8>,
}

fn half(address: u64) -> &'static AtomicU16 {
    // SAFETY: the tests only pass addresses inside of rings that are alive.
    unsafe { AtomicU16::from_ptr(address as *mut u16) }
}

fn word(address: u64) -> &'static AtomicU32 {
    // SAFETY: as above.
    unsafe { AtomicU32::from_ptr(address as *mut u32) }
}

fn bytes(address: u64, length: usize) -> Vec<u8> {
    // SAFETY: as above, buffers included.
    unsafe { core::slice::from_raw_parts(address as *const u8, length) }.to_vec()
}

impl Device {
    fn event_index(&self) -> bool {
        self.features & Features::EVENT_IDX.bits() != 0
    }

    /// The next buffer that the driver gave: its head and its pieces.
    fn pop(&mut self, number: u16) -> Option<(u16, Vec<Piece>)> {
        let queue = &mut self.queues[usize::from(number)];
        let [descriptors, available, used] = queue.addresses;
        if half(available + 2).load(Ordering::Acquire) == queue.seen {
            return None;
        }
        let entry = u64::from(queue.seen % queue.size);
        let head = half(available + 4 + 2 * entry).load(Ordering::Relaxed);
        queue.seen = queue.seen.wrapping_add(1);
        // A device that wants to hear of the next buffer.
        half(used + 4 + 8 * u64::from(queue.size)).store(queue.seen, Ordering::SeqCst);
        Some((head, chain(descriptors, head)))
    }

    fn push(&mut self, number: u16, id: u32, length: u32) {
        let queue = &mut self.queues[usize::from(number)];
        let used = queue.addresses[2];
        let at = used + 4 + 8 * u64::from(queue.used % queue.size);
        word(at).store(id, Ordering::Relaxed);
        word(at + 4).store(length, Ordering::Relaxed);
        queue.used = queue.used.wrapping_add(1);
        half(used + 2).store(queue.used, Ordering::Release);
    }

    /// Whether the driver wants an interrupt for what was pushed last.
    fn interrupts(&self, number: u16) -> bool {
        let queue = &self.queues[usize::from(number)];
        let available = queue.addresses[1];
        if self.event_index() {
            let event = half(available + 4 + 2 * u64::from(queue.size)).load(Ordering::SeqCst);
            event == queue.used.wrapping_sub(1)
        } else {
            half(available).load(Ordering::SeqCst) & 1 == 0
        }
    }

    /// Takes the next frame that the driver sent.
    fn sent(&mut self) -> Option<Vec<u8>> {
        let (head, pieces) = self.pop(TRANSMIT)?;
        let frame: Vec<u8> = pieces
            .iter()
            .inspect(|piece| assert!(!piece.writable))
            .flat_map(|piece| bytes(piece.bus, piece.length as usize))
            .collect();
        assert_eq!(frame[..HEADER_SIZE], [0; HEADER_SIZE]);
        self.push(TRANSMIT, head.into(), 0);
        Some(frame[HEADER_SIZE..].to_vec())
    }

    /// Gives the driver a frame.
    fn deliver(&mut self, frame: &[u8]) -> bool {
        let Some((head, pieces)) = self.pop(RECEIVE) else {
            return false;
        };
        let piece = pieces[0];
        assert!(piece.writable && piece.length as usize >= HEADER_SIZE + frame.len());
        // SAFETY: a receive buffer that the driver handed over.
        unsafe {
            core::ptr::copy_nonoverlapping(
                frame.as_ptr(),
                (piece.bus as usize + HEADER_SIZE) as *mut u8,
                frame.len(),
            );
        }
        self.push(RECEIVE, head.into(), (HEADER_SIZE + frame.len()) as u32);
        true
    }
}

fn chain(table: u64, head: u16) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut index = head;
    loop {
        let raw = bytes(table + 16 * u64::from(index), 16);
        let bus = u64::from_le_bytes(raw[0..8].try_into().unwrap());
        let length = u32::from_le_bytes(raw[8..12].try_into().unwrap());
        let flags = u16::from_le_bytes(raw[12..14].try_into().unwrap());
        if flags & INDIRECT != 0 {
            return chain(bus, 0);
        }
        pieces.push(Piece {
            bus,
            length,
            writable: flags & DEVICE_WRITES != 0,
        });
        if flags & ring::NEXT == 0 {
            return pieces;
        }
        index = u16::from_le_bytes(raw[14..16].try_into().unwrap());
    }
}

struct TestTransport(Rc<RefCell<Device>>);

impl Transport for TestTransport {
    fn device_type(&self) -> DeviceType {
        DeviceType::Network
    }
    fn read_device_features(&mut self) -> u64 {
        self.0.borrow().features
    }
    fn write_driver_features(&mut self, _: u64) {}
    fn max_queue_size(&mut self, _: u16) -> u32 {
        self.0.borrow().queue_size
    }
    fn notify(&mut self, _: u16) {
        panic!("the driver has a way of its own");
    }
    fn get_status(&self) -> DeviceStatus {
        self.0.borrow().status
    }
    fn set_status(&mut self, status: DeviceStatus) {
        self.0.borrow_mut().status = status;
    }
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, queue: u16, size: u32, a: u64, b: u64, c: u64) {
        self.0.borrow_mut().queues[usize::from(queue)] = Queue {
            size: size as u16,
            addresses: [a, b, c],
            ..Queue::default()
        };
    }
    fn queue_unset(&mut self, _: u16) {}
    fn queue_used(&mut self, _: u16) -> bool {
        false
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }
    fn read_config_generation(&self) -> u32 {
        0
    }
    fn read_config_space<V: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<V> {
        let space = [0x52, 0x54, 0, 0, 0, 7, 1, 0];
        V::read_from_prefix(&space[offset..])
            .map(|(value, _)| value)
            .map_err(|_| virtio_drivers::Error::ConfigSpaceTooSmall)
    }
    fn write_config_space<V: IntoBytes + Immutable>(
        &mut self,
        _: usize,
        _: V,
    ) -> virtio_drivers::Result<()> {
        Ok(())
    }
}

struct TestRegisters(Rc<RefCell<Device>>);

impl Registers for TestRegisters {
    fn notify(&mut self, queue: u16) {
        let mut device = self.0.borrow_mut();
        device.notified.push(queue);
        if queue == CONTROL
            && let Some((head, pieces)) = device.pop(CONTROL)
        {
            assert_eq!(bytes(pieces[0].bus, 2), [0, 0]);
            device.promiscuous = Some(bytes(pieces[1].bus, 1)[0]);
            // SAFETY: the answer byte of the driver's command.
            unsafe { (pieces[2].bus as *mut u8).write(0) };
            device.push(CONTROL, head.into(), 1);
        }
    }
    fn set_vector(&mut self, _: u16, _: u16) -> bool {
        true
    }
}

type TestNic = VirtioNet<TestTransport, TestRegisters>;

fn open(features: Features) -> (TestNic, Rc<RefCell<Device>>) {
    let device = Rc::new(RefCell::new(Device {
        features: features.bits() | Features::VERSION_1.bits(),
        queue_size: 256,
        queues: Default::default(),
        status: DeviceStatus::empty(),
        notified: Vec::new(),
        promiscuous: None,
    }));
    let transport = TestTransport(device.clone());
    let registers = TestRegisters(device.clone());
    let nic = VirtioNet::open(transport, registers, &TestDma, Some(0), &mut || {}).unwrap();
    (nic, device)
}

fn received(nic: &mut TestNic, max: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    nic.receive(max, &mut |frame| frames.push(frame.to_vec()))
        .unwrap();
    frames
}

const WAYS: [Features; 4] = [
    Features::empty(),
    Features::INDIRECT_DESC,
    Features::EVENT_IDX,
    Features::INDIRECT_DESC.union(Features::EVENT_IDX),
];

#[test]
fn a_legacy_device_is_refused() {
    let device = Rc::new(RefCell::new(Device {
        features: 0,
        queue_size: 256,
        queues: Default::default(),
        status: DeviceStatus::empty(),
        notified: Vec::new(),
        promiscuous: None,
    }));
    let opened = VirtioNet::open(
        TestTransport(device.clone()),
        TestRegisters(device),
        &TestDma,
        None,
        &mut || {},
    );
    assert_eq!(opened.err(), Some(OpenError::Legacy));
}

#[test]
fn the_card_is_made_promiscuous_where_it_can_be() {
    let (_nic, device) = open(Features::CTRL_VQ | Features::CTRL_RX);
    assert_eq!(device.borrow().promiscuous, Some(1));
    let (_nic, device) = open(Features::empty());
    assert_eq!(device.borrow().promiscuous, None);
}

#[test]
fn address_and_link_are_the_devices() {
    let (mut nic, _device) = open(Features::MAC | Features::STATUS);
    assert_eq!(nic.mac(), [0x52, 0x54, 0, 0, 0, 7]);
    assert!(nic.link());
}

#[test]
fn a_frame_is_gathered_from_header_and_fragments() {
    for features in WAYS {
        let (mut nic, device) = open(features);
        let payload: Vec<u8> = (0..8968u32).map(|at| at as u8).collect();
        let fragments: Vec<Fragment> = payload
            .chunks(3000)
            .map(|part| Fragment {
                bus: part.as_ptr() as u64,
                len: part.len() as u32,
            })
            .collect();
        let header = [0xaa; 46];
        for round in 0..1000u64 {
            nic.transmit(&header, &fragments, Token(round)).unwrap();
            nic.flush();
            let frame = device.borrow_mut().sent().unwrap();
            assert_eq!(frame[..46], header);
            assert_eq!(frame[46..], payload);
            let mut tokens = [Token::default(); 4];
            assert_eq!(nic.completed(&mut tokens), Ok(1));
            assert_eq!(tokens[0], Token(round));
        }
    }
}

#[test]
fn a_full_ring_says_so_and_takes_frames_again_later() {
    for features in WAYS {
        let (mut nic, device) = open(features);
        let slots = nic.capabilities().transmit_slots;
        for round in 0..slots {
            nic.transmit(&[1; 60], &[], Token(round as u64)).unwrap();
        }
        assert_eq!(
            nic.transmit(&[1; 60], &[], Token(99)),
            Err(TransmitError::Full)
        );
        nic.flush();
        device.borrow_mut().sent().unwrap();
        assert_eq!(nic.completed(&mut [Token::default(); 8]), Ok(1));
        assert_eq!(nic.transmit(&[1; 60], &[], Token(99)), Ok(()));
    }
}

#[test]
fn a_frame_too_long_is_refused_before_it_is_described() {
    let (mut nic, device) = open(Features::INDIRECT_DESC);
    let capabilities = nic.capabilities();
    let long = vec![0; capabilities.max_header + 1];
    assert_eq!(
        nic.transmit(&long, &[], Token(0)),
        Err(TransmitError::TooLong)
    );
    let fragment = Fragment {
        bus: 0x1000,
        len: 4096,
    };
    assert_eq!(
        nic.transmit(&[], &[fragment; 8], Token(0)),
        Err(TransmitError::TooLong)
    );
    assert_eq!(
        nic.transmit(&[0; 60], &[fragment; 3], Token(0)),
        Err(TransmitError::TooLong)
    );
    assert!(device.borrow_mut().sent().is_none());
}

#[test]
fn frames_of_all_sizes_arrive_whole_and_in_order() {
    for features in WAYS {
        let (mut nic, device) = open(features);
        for round in 0..600u32 {
            let frames: Vec<Vec<u8>> = (0..7)
                .map(|at| vec![at as u8; (14 + (round * 131 + at * 1501) % 9001) as usize])
                .collect();
            for frame in &frames {
                assert!(device.borrow_mut().deliver(frame));
            }
            assert_eq!(received(&mut nic, 5), frames[..5]);
            assert_eq!(received(&mut nic, 32), frames[5..]);
        }
    }
}

#[test]
fn an_interrupt_is_asked_for_only_when_armed() {
    for features in WAYS {
        let (mut nic, device) = open(features);
        device.borrow_mut().deliver(&[1; 60]);
        assert!(!device.borrow().interrupts(RECEIVE));
        // A frame that came before the driver armed is seen by arming.
        assert_eq!(nic.arm(), Ok(Armed::WorkPending));
        nic.disarm();
        assert_eq!(received(&mut nic, 32).len(), 1);
        assert_eq!(nic.arm(), Ok(Armed::Quiet));
        device.borrow_mut().deliver(&[2; 60]);
        assert!(device.borrow().interrupts(RECEIVE));
        nic.disarm();
        assert_eq!(received(&mut nic, 32).len(), 1);
        device.borrow_mut().deliver(&[3; 60]);
        assert!(!device.borrow().interrupts(RECEIVE));
    }
}

#[test]
fn a_completion_wakes_an_armed_driver_with_frames_in_flight() {
    for features in WAYS {
        let (mut nic, device) = open(features);
        nic.transmit(&[1; 60], &[], Token(1)).unwrap();
        nic.flush();
        assert_eq!(nic.arm(), Ok(Armed::Quiet));
        device.borrow_mut().sent().unwrap();
        assert!(device.borrow().interrupts(TRANSMIT));
        assert_eq!(nic.arm(), Ok(Armed::WorkPending));
    }
}

#[test]
fn the_device_is_notified_only_when_it_wants_to_be() {
    let (mut nic, device) = open(Features::EVENT_IDX);
    device.borrow_mut().notified.clear();
    nic.transmit(&[1; 60], &[], Token(1)).unwrap();
    nic.flush();
    assert_eq!(device.borrow().notified, [TRANSMIT]);
    // The device has not looked yet: it knows already that there is work.
    nic.transmit(&[1; 60], &[], Token(2)).unwrap();
    nic.flush();
    assert_eq!(device.borrow().notified, [TRANSMIT]);
    device.borrow_mut().sent().unwrap();
    device.borrow_mut().sent().unwrap();
    nic.transmit(&[1; 60], &[], Token(3)).unwrap();
    nic.flush();
    assert_eq!(device.borrow().notified, [TRANSMIT, TRANSMIT]);
}

#[test]
fn a_lying_device_is_stopped_and_the_driver_says_why() {
    let lies: [(u32, u32, DeviceError); 4] = [
        (256, 60, DeviceError::Buffer(256)),
        (u32::MAX, 60, DeviceError::Buffer(u32::MAX)),
        (0, 11, DeviceError::Length(11)),
        (0, 12289, DeviceError::Length(12289)),
    ];
    for (id, length, error) in lies {
        let (mut nic, device) = open(Features::empty());
        device.borrow_mut().push(RECEIVE, id, length);
        assert_eq!(nic.receive(32, &mut |_| {}), Err(error));
        assert_eq!(device.borrow().status, DeviceStatus::empty());
        assert_eq!(nic.receive(32, &mut |_| {}), Err(error));
        assert_eq!(
            nic.transmit(&[0; 60], &[], Token(0)),
            Err(TransmitError::Device(error))
        );
        assert!(!nic.link());
    }
}

#[test]
fn a_buffer_given_back_twice_is_noticed() {
    let (mut nic, device) = open(Features::empty());
    device.borrow_mut().push(TRANSMIT, 0, 0);
    let index = DeviceError::Index(1);
    assert_eq!(nic.completed(&mut [Token::default(); 8]), Err(index));
    let (mut nic, device) = open(Features::empty());
    nic.transmit(&[0; 60], &[], Token(5)).unwrap();
    nic.transmit(&[0; 60], &[], Token(6)).unwrap();
    nic.flush();
    device.borrow_mut().push(TRANSMIT, 0, 0);
    device.borrow_mut().push(TRANSMIT, 0, 0);
    assert_eq!(
        nic.completed(&mut [Token::default(); 8]),
        Err(DeviceError::Buffer(0))
    );
}

proptest! {
    #[test]
    fn no_device_makes_the_driver_fail_hard(
        steps in proptest::collection::vec((0u8..6, any::<u32>(), any::<u32>(), any::<u16>()), 1..80),
        way in 0usize..4,
    ) {
        let (mut nic, device) = open(WAYS[way]);
        for (step, id, length, index) in steps {
            match step {
                0 => device.borrow_mut().push(RECEIVE, id, length),
                1 => device.borrow_mut().push(TRANSMIT, id % 300, length),
                2 => {
                    let used = device.borrow().queues[usize::from(index % 2)].addresses[2];
                    half(used + 2).store(index, Ordering::SeqCst);
                }
                3 => { let _ = nic.transmit(&[0; 60], &[], Token(id.into())); nic.flush(); }
                4 => { let _ = nic.receive(32, &mut |frame| assert!(frame.len() <= MAX_FRAME)); }
                _ => { let _ = nic.completed(&mut [Token::default(); 4]); let _ = nic.arm(); nic.disarm(); }
            }
        }
    }
}
