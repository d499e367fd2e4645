//! The steps by which one remembered device is attached, without waiting: whoever carries jobs out waits for all of them
//! at once.
//!
//! 1. What a former device left at the driver domain goes: it gives that back by itself, in moments.
//! 2. A device of a guest whose module can let another backend adopt it is handed over, and remembered; so is one that
//!    no module has looked at. All else goes on with 3.
//! 3. What the guest knows as a device of that number goes. Linux compares xenstore with what it has when it comes to
//!    it: a guest that is too slow takes the new device for the old one, and never looks at it.
//! 4. The device is attached, and remembered.
//! 5. Where there was one before, the guest must look at it; otherwise again from 3, and the guest gets longer.

use std::time::{Duration, Instant};

use mx_wire::MacAddress;

use crate::attachments::{Attachment, Attachments};
use crate::device::{self, Device};
use crate::domain::Domain;
use crate::error::Error;
use crate::hand_over;
use crate::inventory::{self, Inventory};
use crate::limits;
use crate::state::XenbusState;
use crate::xenstore::{NONE, Store};

/// How long a driver domain may take to give back what a former device had. One that is slower is most likely dead.
const CLEARED: Duration = Duration::from_secs(5);

/// How long a guest is waited for that lets another backend adopt its device: it does so when Xen shows that the former one
/// has let go. One that needs longer does it later.
const ADOPTED: Duration = Duration::from_secs(30);

/// How long a guest is given to see that a device has gone, and then that another is there.
const RENEWALS: [(Duration, Duration); 3] = [
    (Duration::from_millis(300), Duration::from_secs(3)),
    (Duration::from_secs(2), Duration::from_secs(5)),
    (Duration::from_secs(5), Duration::from_secs(10)),
];

/// A device that is being attached.
pub struct Job {
    /// The device as it will be remembered.
    pub entry: Attachment,
    /// The file that it is remembered in now, if its guest had another name; `None` when nothing is remembered yet.
    pub former: Option<Attachment>,
    /// The guest.
    pub guest: Domain,
    /// Its backend.
    pub backend: Domain,
    step: Step,
    tries: usize,
}

enum Step {
    Begin,
    Clear { until: Instant },
    HandOver,
    Adopt { until: Instant },
    Replace,
    Gone { until: Instant },
    Attach { look: bool },
    Look { until: Instant },
}

/// What is to be done next.
pub enum Next {
    /// Nothing: the device is attached.
    Done(Device),
    /// To go on when one of [`Job::watches`] changes, or then.
    At(Instant),
}

impl Job {
    /// A device to be attached.
    pub fn new(
        entry: Attachment,
        former: Option<Attachment>,
        guest: Domain,
        backend: Domain,
    ) -> Self {
        Self {
            entry,
            former,
            guest,
            backend,
            step: Step::Begin,
            tries: 0,
        }
    }

    fn device(&self) -> Device {
        Device::new(self.guest.id, self.backend.id, self.entry.index)
    }

    /// What changes when there is something to do.
    pub fn watches(&self) -> [String; 3] {
        let device = self.device();
        [
            // Of this device, and of the guest that had its address.
            inventory::directory(self.backend.id),
            device.trace,
            format!("{}/state", device.frontend),
        ]
    }

    /// Goes on as far as is possible now.
    pub fn advance(
        &mut self,
        store: &mut impl Store,
        remembered: &Attachments,
    ) -> Result<Next, Error> {
        loop {
            let now = store.now();
            match self.step {
                Step::Begin => {
                    self.step = Step::Clear {
                        until: now + CLEARED,
                    };
                }
                Step::Clear { until } => {
                    if now < until && self.has_leftovers(store)? {
                        return Ok(Next::At(until));
                    }
                    self.step = Step::HandOver;
                }
                Step::HandOver => match self.hand_over(store, remembered)? {
                    Some((device, XenbusState::Initialising)) => return Ok(Next::Done(device)),
                    Some(_) => {
                        let until = now + ADOPTED;
                        self.step = Step::Adopt { until };
                    }
                    None => self.step = Step::Replace,
                },
                Step::Adopt { until } => {
                    let device = self.device();
                    let (backend, _) = device.states(store)?;
                    if backend == XenbusState::Connected || now >= until {
                        return Ok(Next::Done(device));
                    }
                    return Ok(Next::At(until));
                }
                Step::Replace => self.replace(store, remembered)?,
                Step::Gone { until } if now < until => return Ok(Next::At(until)),
                Step::Gone { .. } => self.step = Step::Attach { look: true },
                Step::Attach { look } => {
                    let device = self.attach(store, remembered)?;
                    if !look {
                        return Ok(Next::Done(device));
                    }
                    let (_, seen) = RENEWALS[self.tries];
                    self.step = Step::Look { until: now + seen };
                }
                Step::Look { until } => {
                    let device = self.device();
                    // One that nobody has seen at last waits for the guest's module.
                    if self.is_seen(store)? || (now >= until && self.tries + 1 == RENEWALS.len()) {
                        return Ok(Next::Done(device));
                    }
                    if now < until {
                        return Ok(Next::At(until));
                    }
                    self.tries += 1;
                    self.step = Step::Replace;
                }
            }
        }
    }

    fn is_seen(&self, store: &mut impl Store) -> Result<bool, Error> {
        let state = device::state(store, &self.device().frontend)?;
        Ok(state != XenbusState::Initialising)
    }

    /// Whether the driver domain still has something of a device that is gone: of this number, or of a guest that has
    /// ended and had this address.
    fn has_leftovers(&self, store: &mut impl Store) -> Result<bool, Error> {
        let device = self.device();
        if !device::is_there(store, NONE, &device.frontend)? {
            for path in [&device.backend, &device.trace] {
                if device::is_there(store, NONE, path)? {
                    return Ok(true);
                }
            }
        }
        let directory = inventory::directory(self.backend.id);
        let domains = inventory::numbers(store, "/local/domain")?;
        for guest in inventory::numbers(store, &directory)? {
            if domains.contains(&guest) {
                continue;
            }
            let path = format!("{directory}/{guest}");
            for index in inventory::numbers(store, &path)? {
                let mac = store.read(NONE, &format!("{path}/{index}/mac"))?;
                let mac = mac.and_then(|mac| MacAddress::of_station(&mac).ok());
                if mac == Some(self.entry.mac) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Hands a device over, if it is one that can be, and remembers it; the guest's state at that time.
    fn hand_over(
        &self,
        store: &mut impl Store,
        remembered: &Attachments,
    ) -> Result<Option<(Device, XenbusState)>, Error> {
        let _lock = remembered.lock()?;
        let device = self.device();
        if !device::is_there(store, NONE, &device.frontend)? {
            return Ok(None);
        }
        let (backend, frontend) = device.states(store)?;
        let is_new = frontend == XenbusState::Initialising;
        let can_be = is_new || hand_over::is_possible(store, &device)?;
        if backend != XenbusState::Unknown || !can_be {
            return Ok(None);
        }
        self.is_wanted_still(remembered)?;
        let prepared = remembered.prepare(&self.entry)?;
        let (index, mac) = (self.entry.index, self.entry.mac);
        let handed = hand_over::hand_over(store, &self.guest, &self.backend, index, mac);
        match handed {
            // It removed the device meanwhile: it gets a new one.
            Err(Error::Gone { .. }) => return Ok(None),
            handed => handed?,
        };
        limits::write(store, &device.backend, &self.entry.limits)?;
        // What is not remembered now is handed over all the same, and remembered by the next who looks.
        prepared.commit()?;
        self.forget_former(remembered)?;
        Ok(Some((device, frontend)))
    }

    /// Whoever detached it meanwhile does not want it again.
    fn is_wanted_still(&self, remembered: &Attachments) -> Result<(), Error> {
        if let Some(former) = &self.former
            && !remembered.all()?.whole.contains(former)
        {
            return Err(Error::NoSuchDevice {
                domain: self.guest.name.clone(),
                device: self.entry.index.to_string(),
            });
        }
        Ok(())
    }

    fn forget_former(&self, remembered: &Attachments) -> Result<(), Error> {
        match &self.former {
            Some(former) if former.guest != self.entry.guest => {
                remembered.forget(&former.guest, former.index)
            }
            _ => Ok(()),
        }
    }

    /// Removes what the guest has of that number. A guest that has never looked at it need not see it go.
    fn replace(&mut self, store: &mut impl Store, remembered: &Attachments) -> Result<(), Error> {
        let _lock = remembered.lock()?;
        let device = self.device();
        let there = device::is_there(store, NONE, &device.frontend)?;
        let whole = there && device::is_there(store, NONE, &device.backend)?;
        if self.tries == 0 && whole {
            return Err(Error::AttachedMeanwhile {
                guest: self.guest.name.clone(),
                index: self.entry.index,
            });
        }
        let looked = there && (self.tries > 0 || self.is_seen(store)?);
        if looked || inventory::is_served(store, self.guest.id, self.entry.index)? {
            let inventory = Inventory::take(store)?;
            device::make_room(
                store,
                &inventory,
                &self.guest,
                &self.backend,
                self.entry.index,
            )?;
        }
        self.step = if looked {
            let (gone, _) = RENEWALS[self.tries];
            Step::Gone {
                until: store.now() + gone,
            }
        } else {
            Step::Attach { look: false }
        };
        Ok(())
    }

    /// Attaches the device and remembers it: the disk has it before xenstore, and it has its name after.
    fn attach(
        &mut self,
        store: &mut impl Store,
        remembered: &Attachments,
    ) -> Result<Device, Error> {
        let _lock = remembered.lock()?;
        self.is_wanted_still(remembered)?;
        let inventory = Inventory::take(store)?;
        // What it waited for may have been the last of a guest that is gone.
        inventory.sweep(store)?;
        if inventory.has_other(self.guest.id, self.entry.index, self.entry.mac) {
            return Err(Error::MacTaken(self.entry.mac));
        }
        let prepared = remembered.prepare(&self.entry)?;
        let (index, mac) = (self.entry.index, self.entry.mac);
        let device = device::attach(store, &self.guest, &self.backend, index, mac)?;
        limits::write(store, &device.backend, &self.entry.limits)?;
        let committed = prepared.commit();
        if let Err(error) = committed {
            let inventory = Inventory::take(store)?;
            device::remove(store, &inventory, self.guest.id, index)?;
            return Err(error);
        }
        self.forget_former(remembered)?;
        self.former = Some(self.entry.clone());
        Ok(device)
    }
}

/// Carries out one job.
pub fn carry_out(
    store: &mut impl Store,
    remembered: &Attachments,
    mut job: Job,
) -> Result<Device, Error> {
    let watches = job.watches();
    for path in &watches {
        store.watch(path)?;
    }
    let done = loop {
        match job.advance(store, remembered) {
            Ok(Next::Done(device)) => break Ok(device),
            Ok(Next::At(instant)) => store.wait(instant)?,
            Err(error) => break Err(error),
        };
    };
    for path in &watches {
        store.unwatch(path)?;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply;
    use crate::limits::Limits;
    use crate::mac;
    use crate::xenstore::fake::Fake;
    use crate::xenstore::tree::Tree;

    /// Guests 2 and 3 had devices at a driver domain that is another one now.
    fn renewed() -> (Fake, tempfile::TempDir, Attachments) {
        let directory = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(directory.path());
        let mut store = Fake::with(&[
            ("/local/domain/5/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
            ("/local/domain/3/name", "guest2"),
        ]);
        for (guest, id) in [("guest1", 2), ("guest2", 3)] {
            store.set(&format!("{}/state", device::frontend_path(id, 0)), "6");
            let entry = Attachment {
                guest: guest.into(),
                uuid: None,
                index: 0,
                backend: "driver-domain".into(),
                mac: mac::generate([0, 0, id as u8]),
                limits: Limits::from([("limit-pages", id * 100)]),
            };
            remembered.prepare(&entry).unwrap().commit().unwrap();
        }
        (store, directory, remembered)
    }

    /// A guest that sees a new device only after its directory was away while it looked.
    fn slow_guest(tree: &mut Tree, id: u32, saw_it_go: bool) {
        let state = format!("{}/state", device::frontend_path(id, 0));
        if saw_it_go && tree.node(&state).is_some() {
            tree.write(0, &state, b"3").unwrap();
        }
    }

    #[test]
    fn guests_that_never_look_keep_nobody_waiting_longer_than_one_of_them() {
        let (mut store, _directory, remembered) = renewed();
        let before = store.now();
        apply::carry_out(&mut store, &remembered, None, |_| ()).unwrap();
        let longest: Duration = RENEWALS.iter().map(|(gone, seen)| *gone + *seen).sum();
        assert_eq!(store.now() - before, longest);
        for id in [2, 3] {
            assert!(store.value(&Device::new(id, 5, 0).backend).is_some());
        }
    }

    #[test]
    fn what_a_guest_may_have_is_told_to_the_driver_domain_whenever_it_is_attached_again() {
        let (mut store, _directory, remembered) = renewed();
        apply::carry_out(&mut store, &remembered, None, |_| ()).unwrap();
        for (id, pages) in [(2, "200"), (3, "300")] {
            let backend = Device::new(id, 5, 0).backend;
            let told = store.value(&format!("{backend}/limit-pages"));
            assert_eq!(told.as_deref(), Some(pages));
        }
        let kept = remembered.all().unwrap().whole;
        assert!(
            kept.iter()
                .all(|entry| entry.limits.contains_key("limit-pages"))
        );
    }

    #[test]
    fn a_guest_that_took_the_new_device_for_the_old_one_is_given_another_chance() {
        let (mut store, _directory, remembered) = renewed();
        let begun = store.now();
        // The first and the second time it is busy; all others look at once.
        let mut away = 0;
        let mut there = true;
        store.always = Some(Box::new(move |tree| {
            let is = tree.node(&device::frontend_path(2, 0)).is_some();
            away += u32::from(there && !is);
            there = is;
            slow_guest(tree, 2, away == 3);
            slow_guest(tree, 3, true);
        }));
        apply::carry_out(&mut store, &remembered, None, |_| ()).unwrap();
        let state = store.value(&format!("{}/state", device::frontend_path(2, 0)));
        assert_eq!(state.as_deref(), Some("3"));
        assert!(store.now() - begun >= Duration::from_secs(15));
    }

    #[test]
    fn a_driver_domain_that_ends_before_its_device_is_replaced_leaves_the_guest_what_it_has() {
        let (mut store, _directory, remembered) = renewed();
        let mut applier = apply::Applier::default();
        applier.look(&mut store, &remembered, None).unwrap();
        store.tree.remove(0, "/local/domain/5").unwrap();
        let (outcomes, _) = applier.advance(&mut store, &remembered).unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.failed().is_some()));
        assert_eq!(outcomes.len(), 2);
        for id in [2, 3] {
            assert!(store.value(&device::frontend_path(id, 0)).is_some());
        }
    }

    #[test]
    fn a_guest_that_had_never_looked_is_not_waited_for() {
        let (mut store, _directory, remembered) = renewed();
        for id in [2, 3] {
            store.set(&format!("{}/state", device::frontend_path(id, 0)), "1");
        }
        let before = store.now();
        apply::carry_out(&mut store, &remembered, None, |_| ()).unwrap();
        assert_eq!(store.now(), before);
    }
    #[test]
    fn whoever_waits_for_a_guests_state_still_does_when_its_device_was_attached() {
        let (mut store, _directory, remembered) = renewed();
        let mut applier = apply::Applier::default();
        applier.look(&mut store, &remembered, None).unwrap();
        let (_, mut next) = applier.advance(&mut store, &remembered).unwrap();
        let state = format!("{}/state", device::frontend_path(2, 0));
        store.watch(&state).unwrap();
        while let Some(instant) = next {
            store.wait(instant).unwrap();
            (_, next) = applier.advance(&mut store, &remembered).unwrap();
        }
        assert!(store.watched.remove(&state), "one watch is left");
    }
}
