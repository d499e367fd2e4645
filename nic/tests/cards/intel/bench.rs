//! A driver on a model.

use mx_nic::intel::{Chip, Igb, IntelNic, IntelOptions, Interrupts, Ixgbe, open};
use mx_nic::{Fragment, Nic};

use crate::model::dma::Granted;
use crate::model::intel::{Kind, Model};
use crate::scenarios::{Bench, Mischief};

/// A chip that there is a model of.
pub trait Modelled: Chip {
    const KIND: Kind;
    const TITLE: &'static str;
}

impl Modelled for Igb {
    const KIND: Kind = Kind::Igb;
    const TITLE: &'static str = "igb model";
}

impl Modelled for Ixgbe {
    const KIND: Kind = Kind::Ixgbe;
    const TITLE: &'static str = "ixgbe model";
}

pub type Card<C> = IntelNic<C, Model, Model>;

pub struct ModelBench<C: Modelled> {
    pub nic: Card<C>,
    pub model: Model,
    buffers: Vec<Granted>,
}

impl<C: Modelled> ModelBench<C> {
    pub fn new(interrupts: Interrupts) -> Self {
        let model = Model::new(C::KIND);
        let options = IntelOptions {
            interrupts,
            ..IntelOptions::default()
        };
        let nic = open(model.clone(), model.clone(), &options).expect("the card opens");
        Self {
            nic,
            model,
            buffers: Vec::new(),
        }
    }
}

impl<C: Modelled> Bench for ModelBench<C> {
    fn name(&self) -> &'static str {
        C::TITLE
    }

    fn nic(&mut self) -> &mut dyn Nic {
        &mut self.nic
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.model.0.borrow_mut().come(frame);
        true
    }

    fn come(&mut self) -> Option<Vec<u8>> {
        self.model.0.borrow_mut().out.pop_front()
    }

    fn buffer(&mut self, bytes: &[u8]) -> Fragment {
        let buffer = Granted::new(bytes);
        let fragment = buffer.fragment();
        self.buffers.push(buffer);
        fragment
    }

    fn set_link(&mut self, up: bool) {
        self.model.0.borrow_mut().set_partner(up);
    }

    fn pass(&mut self) {
        self.model.0.borrow_mut().pass(100);
    }

    fn inject(&mut self, mischief: Mischief, on: bool) -> bool {
        let mut card = self.model.0.borrow_mut();
        let faults = &mut card.faults;
        match mischief {
            Mischief::Hang => faults.hung = on,
            Mischief::LostInterrupts => faults.lost_interrupts = on,
            Mischief::LateReports => {
                faults.late = on;
                card.write_back();
            }
            Mischief::WrongReports => faults.lie.len = on.then_some(u16::MAX),
            Mischief::DamagedFrames => {
                faults.lie.errors = if on { C::RECEIVE_ERRORS.into() } else { 0 };
            }
            Mischief::PulledOut => card.gone = on,
            Mischief::DmaFails => faults.dma_fails = on,
        }
        true
    }

    fn interrupts(&mut self) -> Option<usize> {
        Some(self.model.0.borrow().interrupts)
    }
}
