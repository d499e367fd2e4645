//! The device's registers, and the order that they are to be written in (§3.1.1).

use std::cell::RefCell;
use std::rc::Rc;

use mx_nic::dma::DmaMemory;
use mx_nic::virtio::{RingAddresses, Transport};
use mx_nic::{OpenError, Platform};

use super::queue::Format;
use super::{Device, F_CTRL_RX, F_CTRL_VQ, F_EVENT_INDEX, F_INDIRECT, F_MULTI_QUEUE, F_VERSION_1};
use crate::model::{dma, refuse};

/// Status as a driver adds ACKNOWLEDGE, DRIVER, FEATURES_OK and DRIVER_OK (§2.1, §3.1.1).
const STEPS: [u8; 4] = [0x1, 0x3, 0xb, 0xf];
const FEATURES_OK: u8 = 8;
const DRIVER_OK: u8 = 4;

/// The device as its driver sees it. It is the driver's platform, too.
#[derive(Clone)]
pub struct Registers(pub Rc<RefCell<Device>>);

impl Registers {
    /// What a register reads as, unless the device is gone.
    fn read<T>(&self, gone: T, read: impl FnOnce(&mut Device) -> T) -> T {
        let mut device = self.0.borrow_mut();
        // A test that failed drops its driver: a device that is gone does not hide why.
        if device.faults.gone || std::thread::panicking() {
            gone
        } else {
            read(&mut device)
        }
    }

    fn write(&self, write: impl FnOnce(&mut Device)) {
        self.read((), write);
    }
}

impl Device {
    fn set_status(&mut self, status: u8) {
        if status == 0 {
            if !self.faults.stuck_in_reset {
                self.reset();
            }
            return;
        }
        if self.status & !status != 0 {
            refuse!("status bits are taken back without a reset (§2.1.1)");
        }
        if !STEPS.contains(&status) {
            refuse!("status {status:#x} leaves a step out (§3.1.1)");
        }
        if status.count_ones() > self.status.count_ones() + 1 {
            refuse!(
                "status goes from {:#x} to {status:#x} in one step (§3.1.1)",
                self.status
            );
        }
        self.status = status;
        if status & FEATURES_OK != 0 && self.faults.refuses_features {
            self.status &= !FEATURES_OK;
        }
        if status & DRIVER_OK != 0 {
            for pair in 0..self.most_pairs {
                // From now on it looks at buffers for frames by itself.
                self.queues[2 * pair].awake = self.queues[2 * pair].rings.is_some();
            }
        }
    }

    fn accept(&mut self, features: u64) {
        if features & !self.offered != 0 {
            refuse!("features are accepted that were not offered (§2.2.1)");
        }
        if self.status & FEATURES_OK != 0 || self.status & 2 == 0 {
            refuse!("features are accepted at another time than between DRIVER and FEATURES_OK");
        }
        if features & F_VERSION_1 == 0 {
            refuse!("VIRTIO_F_VERSION_1 is not accepted (§6.1)");
        }
        if features & (F_CTRL_RX | F_MULTI_QUEUE) != 0 && features & F_CTRL_VQ == 0 {
            refuse!("features are accepted without VIRTIO_NET_F_CTRL_VQ (§5.1.3.1)");
        }
        self.accepted = features;
    }

    fn set_up(&self, what: &str) {
        if self.status & (FEATURES_OK | DRIVER_OK) != FEATURES_OK {
            refuse!("{what} at another time than between FEATURES_OK and DRIVER_OK (§3.1.1)");
        }
    }
}

impl Transport for Registers {
    fn device_features(&mut self) -> u64 {
        self.read(u64::MAX, |device| device.offered)
    }

    fn accept_features(&mut self, features: u64) {
        self.write(|device| device.accept(features));
    }

    fn status(&self) -> u8 {
        self.read(0xff, |device| device.status)
    }

    fn set_status(&mut self, status: u8) {
        self.write(|device| device.set_status(status));
    }

    fn queue_size(&mut self, queue: u16) -> u16 {
        self.read(u16::MAX, |device| {
            let queue = device.queues.get(usize::from(queue));
            queue.map_or(0, |queue| queue.most)
        })
    }

    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError> {
        self.write(|device| {
            device.set_up("a queue is enabled");
            let format = Format {
                event_index: device.has(F_EVENT_INDEX),
                indirect: device.has(F_INDIRECT),
            };
            device.queues[usize::from(queue)].enable(size, rings, format);
        });
        Ok(())
    }

    fn set_queue_vector(&mut self, queue: u16, vector: u16) -> bool {
        self.read(false, |device| {
            device.set_up("a queue gets its vector");
            let fits = vector < device.vectors;
            device.queues[usize::from(queue)].vector = fits.then_some(vector);
            fits
        })
    }

    fn set_configuration_vector(&mut self, vector: u16) -> bool {
        self.read(false, |device| {
            device.set_up("the configuration gets its vector");
            let fits = vector < device.vectors;
            device.configuration_vector = fits.then_some(vector);
            fits
        })
    }

    /// A function by itself, so that what it costs is not counted as the driver's.
    #[inline(never)]
    fn notify(&mut self, queue: u16) {
        self.write(|device| {
            if device.status & DRIVER_OK == 0 {
                refuse!("a doorbell before DRIVER_OK (§3.1.1)");
            }
            let control = device.control_queue();
            let place = &mut device.queues[usize::from(queue)];
            if place.rings.is_none() {
                refuse!("a doorbell of queue {queue}, which is not enabled");
            }
            place.doorbells += 1;
            place.awake = true;
            if usize::from(queue) == control {
                device.command();
            }
        });
    }

    fn acknowledge(&mut self) {
        self.write(|device| device.acknowledged += 1);
    }

    fn configuration_generation(&self) -> u8 {
        self.read(0xff, |device| {
            device.generation = device.generation.wrapping_add(device.restless.into());
            device.generation
        })
    }

    fn configuration8(&self, offset: usize) -> Option<u8> {
        self.read(Some(0xff), |device| {
            device.configuration.get(offset).copied()
        })
    }

    fn configuration16(&self, offset: usize) -> Option<u16> {
        let low = self.configuration8(offset)?;
        let high = self.configuration8(offset + 1)?;
        Some(u16::from_le_bytes([low, high]))
    }
}

impl Platform for Registers {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        dma::allocate(pages)
    }

    fn registers(&self, _bus: u64, _bytes: usize) -> Option<mx_nic::Registers> {
        None
    }

    fn pause(&self, _microseconds: u32) {}
}
