//! The driver on the model.

use std::cell::RefCell;
use std::rc::Rc;

use mx_nic::virtio::{Interrupts, VirtioNet, VirtioOptions, open};
use mx_nic::{Fragment, Nic};

use super::ALL;
use crate::model::dma::Granted;
use crate::model::virtio::{Device, Registers};
use crate::scenarios::{Bench, Mischief};

pub struct VirtioBench {
    pub nic: VirtioNet<Registers, Registers>,
    pub device: Rc<RefCell<Device>>,
    buffers: Vec<Granted>,
}

impl VirtioBench {
    /// A card with everything that there is, and some pairs of queues.
    pub fn new(pairs: usize) -> Self {
        Self::with(ALL, pairs)
    }

    pub fn with(features: u64, pairs: usize) -> Self {
        let device = Device::with_pairs(features, 256, pairs);
        let options = VirtioOptions {
            interrupts: Interrupts::Vectors {
                configuration: 0,
                receive: 1,
                transmit: 2,
            },
            queue_pairs: pairs as u16,
            ..VirtioOptions::default()
        };
        let registers = Registers(device.clone());
        let nic = open(registers.clone(), registers, &options).expect("the card opens");
        Self {
            nic,
            device,
            buffers: Vec::new(),
        }
    }
}

impl Bench for VirtioBench {
    fn name(&self) -> &'static str {
        "virtio model"
    }

    fn nic(&mut self) -> &mut dyn Nic {
        &mut self.nic
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        let mut device = self.device.borrow_mut();
        device.incoming.push_back(frame.to_vec());
        device.receive(usize::MAX);
        true
    }

    fn come(&mut self) -> Option<Vec<u8>> {
        let mut device = self.device.borrow_mut();
        device.transmit(usize::MAX);
        device.sent.pop_front()
    }

    fn buffer(&mut self, bytes: &[u8]) -> Fragment {
        let buffer = Granted::new(bytes);
        let fragment = buffer.fragment();
        self.buffers.push(buffer);
        fragment
    }

    fn set_link(&mut self, up: bool) {
        self.device.borrow_mut().set_link(up);
    }

    fn pass(&mut self) {
        let mut device = self.device.borrow_mut();
        device.transmit(usize::MAX);
        device.receive(usize::MAX);
    }

    fn inject(&mut self, mischief: Mischief, on: bool) -> bool {
        let mut device = self.device.borrow_mut();
        let faults = &mut device.faults;
        match mischief {
            Mischief::Hang => faults.hung = on,
            Mischief::LostInterrupts => faults.lost_interrupts = on,
            Mischief::LateReports => {
                faults.late = on;
                device.write_back();
            }
            Mischief::WrongReports => faults.lie.written = on.then_some(u32::MAX),
            // Nothing in a frame's header says so.
            Mischief::DamagedFrames => return false,
            Mischief::PulledOut => faults.gone = on,
            Mischief::DmaFails => faults.dma_fails = on,
        }
        true
    }

    fn interrupts(&mut self) -> Option<usize> {
        Some(self.device.borrow().interrupts())
    }
}
