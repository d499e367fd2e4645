//! From the first line of the log to the end: the start, the loop, the requests of the tools.

use core::time::Duration;

use mx_backend::{Backend, BackendConfig, Instant};
use mx_nic::Armed;
use mx_wire::{MacAddress, Mode};
use xen_pv_boot::event::Channel;
use xen_pv_boot::foreign::Arena;
use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::xenstore::Xenstore;
use xen_pv_boot::{Machine, boot, clock, console, self_test};

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;

use crate::account::{self, Pools};
use crate::capture::Capture;
use crate::control::{self, Control, ToolRequest};
use crate::frontends::{self, Features, Frontends};
use crate::idle::Idle;
use crate::management::Management;
use crate::nic::{self, Slot};
use crate::options::{self, DomainOptions};
use crate::passthrough::{self, Passthrough, Question};
use crate::refusal;
use crate::report::Report;
use crate::sleep::{Senses, sleep};
use crate::snapshot::{Description, RunningDomain};
use crate::statistics;
use crate::status;
use crate::watchdog::Watchdog;
use crate::wire_link::Wire;
use crate::xenstore_writer::{Write, XenstoreWriter};

/// How often the card's link and health are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the domain sleeps at most while its card has no interrupt.
const POLL: Duration = Duration::from_millis(1);

/// The part of the heap that is for no guest.
const OWN: usize = 8;
/// The part of the rest that is for running pulls.
const PULLS: usize = 8;

/// Runs the driver domain.
pub fn run(machine: Machine) -> ! {
    log::info!("driver domain {}", env!("CARGO_PKG_VERSION"));
    let options = match options::parse(machine.command_line) {
        Ok(options) => options,
        Err(error) => {
            let way_out = "correct extra='...' in its configuration, then create it again";
            refusal::stay(
                machine.xenstore,
                &format_args!("command line: {error}"),
                way_out,
            );
        }
    };
    log::set_max_level(options.log);
    #[cfg(feature = "trace")]
    crate::records::listen(clock::now);
    if let Some(fault) = options.self_test {
        log::warn!("self-test: ending by {fault}");
        self_test::fail(fault);
    }
    Domain::start(machine, &options).serve()
}

/// The running domain.
struct Domain {
    store: Xenstore,
    writer: XenstoreWriter,
    control: Control,
    backend: Backend,
    wire: Wire,
    interrupt: Option<Channel>,
    /// Where the card is, until it is given up.
    slot: Option<Slot>,
    passthrough: Option<Passthrough>,
    idle: Idle,
    frontends: Frontends,
    management: Option<Management>,
    capture: Option<Capture>,
    description: Description,
    report: Report,
    watchdog: Watchdog,
    /// When the card is looked at again.
    look_at: Duration,
    /// The link as it was last told to xenstore; none without a card.
    told_link: Option<bool>,
}

impl Domain {
    fn start(machine: Machine, options: &DomainOptions) -> Self {
        let Machine {
            xenstore: mut store,
            mut grants,
            arena,
            ..
        } = machine;
        let client = store.client();
        let own = store
            .wait(client.read_number::<u32>("domid"))
            .unwrap_or_else(|error| {
                log::warn!("the own domain number cannot be read: {error}");
                0
            });
        let format = options.format;
        log::info!(
            "domain {own}: {} frames of {} bytes, {} endpoints for each guest",
            match format.mode() {
                Mode::Native => "native",
                Mode::MxWire => "MX-wire",
            },
            format.mtu(),
            options.endpoints
        );
        let nic = nic::find(&mut store, &mut grants, options.interrupt);
        let driver = match &nic {
            Some(opened) => opened.nic.capabilities().driver,
            None => {
                log::warn!(
                    "going on without a network card: only guests of this host reach each other"
                );
                "none"
            }
        };
        let idle = Idle::new(options.idle);
        let mut backend = Backend::new(BackendConfig {
            format,
            generation: own,
            endpoint_max: options.endpoints,
            queue_entries: options.queue_entries,
            interface: padded("wire0"),
            driver: padded(driver),
            idle_spell: idle.spell(),
            seed: clock::seed(),
        });
        let capture = options.capture.and_then(begin_capture);
        if capture.is_some() && options.manage.is_none() {
            log::warn!(
                "option capture: frames are read at the address of option manage, and there is none"
            );
        }
        if let Some(capture) = &capture {
            backend.set_tap(Box::new(capture.clone()));
        }
        let mut writer = XenstoreWriter::new(client.clone());
        for write in status::program(format) {
            writer.add(write);
        }
        let nic_mac = nic.as_ref().map(|opened| opened.nic.capabilities().mac);
        writer.add(status::nic(nic_mac.map(|mac| (driver, mac))));
        let (port, interrupt, slot) = match nic {
            Some(opened) => {
                let longest = opened.nic.capabilities().max_frame;
                let wanted = format.mtu();
                if longest < usize::from(wanted) {
                    // The card is reset, and silent.
                    drop(opened);
                    refusal::stay(
                        store,
                        &format_args!(
                            "option mtu: frames of {wanted} bytes are wanted, the card {driver} takes {longest} at most"
                        ),
                        &format!(
                            "give every node of the network mtu={longest} or less, or this domain another card"
                        ),
                    );
                }
                let port = (opened.nic, opened.reopen);
                (Some(port), opened.interrupt, Some(opened.slot))
            }
            None => (None, None, None),
        };
        let passthrough = slot
            .as_ref()
            .map(|slot| Passthrough::new(client.clone(), slot.backend(), slot));
        let addresses = arena.clone();
        let wire = Wire::new(port, Box::new(move |address| addresses.bus(address)));
        let features = Features {
            format,
            endpoints: options.endpoints,
            limits: options.limits,
        };
        let pools = share(&arena, options, &mut backend);
        for token in control::NODES {
            writer.add(Write::Watch {
                path: token.into(),
                token: token.into(),
            });
        }
        if let Some(passthrough) = &passthrough {
            writer.add(passthrough.watch());
        }
        writer.add(Write::Watch {
            path: frontends::DIRECTORY.into(),
            token: frontends::TOKEN.into(),
        });
        writer.add(status::link(wire.link()));
        writer.add(status::address(None));
        writer.add(status::state("ready"));
        let management = match (options.manage, nic_mac) {
            (None, _) => None,
            (Some(address), Some(mac)) => {
                Some(Management::new(mac, address, clock::seed(), clock::now()))
            }
            (Some(_), None) => {
                log::warn!("option manage: without a network card nobody reaches this domain");
                None
            }
        };
        let domain = Self {
            store,
            writer,
            control: Control::new(client.clone()),
            backend,
            told_link: wire.link(),
            wire,
            interrupt,
            slot,
            passthrough,
            idle,
            frontends: Frontends::new(arena, features, pools, client),
            management,
            capture,
            description: Description {
                domain: own,
                format,
                driver,
                mac: MacAddress(nic_mac.unwrap_or_default()),
                address: None,
                started: clock::now(),
                asleep: Duration::ZERO,
            },
            report: Report::default(),
            watchdog: Watchdog::start(options.watchdog, clock::now()),
            look_at: Duration::ZERO,
        };
        log::info!("ready: waiting for frontends");
        domain
    }

    /// The loop: everything in bounded pieces, sleeping when there is nothing.
    fn serve(mut self) -> ! {
        loop {
            let time = clock::now();
            let now = Instant::from_nanos(time.as_nanos() as u64);
            if time >= self.look_at {
                self.check_nic();
                self.look_at = time + LOOK;
                self.tell_counts(time);
                self.watchdog.turn(time);
            }
            let management = &mut self.management;
            let received = self.wire.receive(now, &mut self.backend, |frame| {
                management
                    .as_mut()
                    .is_some_and(|management| management.receive(frame))
            });
            let mut again = received > 0;
            again |= self.wire.completed(&mut self.backend) > 0;
            let rang = self.frontends.take_events(now, &mut self.backend);
            again |= self
                .frontends
                .serve(now, &mut self.backend, &mut self.wire, &mut self.writer);
            again |= self.xenstore(now);
            if let Some(addresses) = self.frontends.new_addresses() {
                self.wire.set_addresses(addresses);
            }
            let activity = self.backend.turn(now, &mut self.wire, &mut self.frontends);
            let served = rang || activity.worked;
            again |= self.manage(time, again || served || activity.busy);
            self.wire.flush();
            self.say_warnings();
            while let Some(completion) = self.backend.next_completion() {
                self.frontends.completed(completion);
                again = true;
            }
            if self.backend.overdue(now) {
                log::error!("the network card holds frames for too long: it is reset");
                self.wire.reset(&mut self.backend);
            }
            self.frontends.notify(&mut self.backend);
            console::pump();
            if again || served {
                self.idle.worked(time);
            } else {
                self.idle.looked(time);
            }
            // What rang was served; what was served and left nothing needs no second turn.
            if again || activity.busy {
                core::hint::spin_loop();
            } else if self.sleep(activity.deadline) {
                self.idle.slept();
            }
            self.backend.set_idle_spell(self.idle.spell());
        }
    }

    /// Says what guests' boards have found wrong with the network, which those guests see in their `omx_info`.
    fn say_warnings(&mut self) {
        while let Some((board, warning, notice)) = self.backend.next_warning() {
            if let Some((mac, name)) = self.backend.board(board) {
                let about = notice.about;
                log::warn!("{name} ({mac}), about {about}: {}", warning.sentence());
            }
        }
    }

    /// A little work for the management; whether there was any. `others` says that guests have work, too.
    fn manage(&mut self, time: Duration, others: bool) -> bool {
        let Some(management) = &mut self.management else {
            return false;
        };
        if !management.is_due(time, others) {
            return false;
        }
        let begun = clock::now();
        let snapshot = RunningDomain {
            description: &self.description,
            backend: &self.backend,
            wire: &self.wire,
            frontends: &self.frontends,
            capture: self.capture.as_ref(),
        };
        let worked = management.turn(begun, &snapshot);
        while let Some(frame) = management.next_frame() {
            // What finds the card full is lost, as on a wire: it is TCP's to send it again.
            self.wire.send(&frame);
        }
        if management.own() != self.description.address {
            self.description.address = management.own();
            self.writer.add(status::address(self.description.address));
        }
        management.worked(begun, clock::now());
        worked
    }

    /// Sleeps until there may be work; false when there was some already.
    fn sleep(&mut self, deadline: Option<Instant>) -> bool {
        let mut until = deadline.map(|deadline| Duration::from_nanos(deadline.as_nanos()));
        let mut earlier =
            |time: Duration| until = Some(until.map_or(time, |until| until.min(time)));
        if self.wire.link().is_some() {
            earlier(self.look_at);
            if self.interrupt.is_none() {
                earlier(clock::now() + POLL);
            }
        }
        if let Some(due) = self.watchdog.due() {
            earlier(due);
        }
        if let Some(due) = self.management.as_ref().and_then(Management::deadline) {
            earlier(due);
        }
        if let Some(due) = self.frontends.deadline() {
            earlier(Duration::from_nanos(due.as_nanos()));
        }
        sleep(self, until)
    }

    /// Looks at the card's health and link, and tells of changes.
    fn check_nic(&mut self) {
        self.wire.look(clock::now(), &mut self.backend);
        let link = self.wire.link();
        if link != self.told_link {
            self.told_link = link;
            self.writer.add(status::link(link));
        }
    }

    /// Tells xenstore what was counted, unless it has not taken what it was told before.
    fn tell_counts(&mut self, now: Duration) {
        if !(self.report.is_due(now) && self.writer.is_idle()) {
            return;
        }
        let snapshot = RunningDomain {
            description: &self.description,
            backend: &self.backend,
            wire: &self.wire,
            frontends: &self.frontends,
            capture: self.capture.as_ref(),
        };
        for write in self.report.changes(&snapshot) {
            self.writer.add(write);
        }
    }

    /// Takes what xenstore has answered and what watches tell, and goes on with what waited for it; whether there was
    /// anything.
    fn xenstore(&mut self, now: Instant) -> bool {
        let news = self.store.turn();
        if news {
            self.watches();
        }
        let mut any = news;
        while let Some(request) = self.control.next(news, &mut self.writer) {
            self.requested(request);
            any = true;
        }
        while let Some(question) = self.asked_by_pciback(news) {
            self.answer_pciback(question);
            any = true;
        }
        // Twice: what has been carried out lets probes begin, and what they found is to be carried out.
        self.writer.turn(news);
        any |= self
            .frontends
            .act(now, news, &mut self.backend, &mut self.writer);
        self.writer.turn(false);
        any || self.store.is_due()
    }

    fn watches(&mut self) {
        while let Some(event) = self.store.next_event() {
            log::debug!("watch: {} ({})", event.path.escape_default(), event.token);
            if event.token == passthrough::TOKEN {
                if let Some(passthrough) = &mut self.passthrough {
                    passthrough.watch_fired();
                }
            } else if !self.control.watch_fired(&event.token) {
                self.frontends.watch_fired(&event.path, &event.token);
            }
        }
        if self.store.take_lost() {
            log::warn!("more watches fired than were kept: looking at every device");
            self.frontends.look_at_all();
        }
    }

    fn asked_by_pciback(&mut self, news: bool) -> Option<Question> {
        self.passthrough.as_mut()?.next(news)
    }

    fn answer_pciback(&mut self, question: Question) {
        if question == (Question::GiveUp { card: true })
            && let Some(slot) = self.slot.take()
        {
            log::warn!(
                "dom0 takes the network card: only guests of this host reach each other from now on"
            );
            self.wire.give_up(&mut self.backend);
            self.interrupt = None;
            slot.release();
            self.description.driver = "none";
            self.writer.add(status::nic(None));
            self.check_nic();
        }
        if let Some(passthrough) = &self.passthrough {
            passthrough.answer(question, &mut self.writer);
        }
    }

    fn requested(&mut self, request: ToolRequest) {
        match request {
            ToolRequest::Shutdown(word) => self.shutdown_requested(&word),
            ToolRequest::Sysrq => {
                let line = self.statistics("sysrq");
                log::info!("{line}");
            }
            ToolRequest::Crash => panic!("a crash was asked for (xl sysrq c)"),
            ToolRequest::Statistics(word) => {
                let line = self.statistics(&word);
                self.writer.add(Write::Own(statistics::ANSWER.into(), line));
            }
        }
    }

    fn statistics(&mut self, request: &str) -> alloc::string::String {
        let nic = self.wire.statistics();
        let (boards, pages) = self
            .frontends
            .boards()
            .fold((0, 0), |(boards, pages), (_, _, held)| {
                (boards + 1, pages + held)
            });
        statistics::line(request, nic, boards, pages, boot::heap_space())
    }

    /// The tools ask the domain to end.
    fn shutdown_requested(&mut self, word: &str) {
        let Some(end) = End::from_request(word) else {
            log::warn!(
                "\"{}\" was requested, which a driver domain does not do",
                word.escape_default()
            );
            return;
        };
        log::info!("{end} was requested");
        self.writer.add(status::state("ending"));
        self.frontends.close_all(&mut self.writer);
        self.writer.add(Write::Remove(status::DIRECTORY.into()));
        if let Err(error) = self.store.wait(self.writer.finish()) {
            log::warn!("ending without having told the frontends: {error}");
        }
        shutdown(end);
    }
}

impl Senses for Domain {
    fn xenstore_is_due(&self) -> bool {
        self.store.is_due()
    }

    fn arm_nic(&mut self) -> bool {
        self.wire.nic().is_none_or(|nic| nic.arm(0) == Armed::Quiet)
    }

    fn disarm_nic(&mut self) {
        if let Some(nic) = self.wire.nic() {
            nic.disarm(0);
        }
    }

    fn wait(&mut self, until: Option<Duration>) {
        let others = core::iter::once(self.store.channel()).chain(&self.interrupt);
        let before = clock::now();
        self.frontends.channels().wait(others, until);
        self.description.asleep += clock::now().saturating_sub(before);
        if let Some(interrupt) = &self.interrupt {
            interrupt.take();
        }
    }
}

/// Divides what there is among guests: pages, slots for pulls, and the heap that those leave.
fn share(arena: &Arena, options: &DomainOptions, backend: &mut Backend) -> Rc<Pools> {
    let (free, _) = boot::heap_space();
    // What frames of the management, xenstore and the card's rings need stays theirs.
    let heap = free - free / OWN;
    let pulls = heap / PULLS / account::PULL;
    backend.share_pulls(pulls as u32);
    Pools::new(
        arena.free_pages(),
        heap - pulls * account::PULL,
        options.guests,
    )
}

/// Begins to keep frames, if there is memory for so many bytes.
fn begin_capture(bytes: usize) -> Option<Capture> {
    let capture = Capture::new(bytes, clock::now);
    if capture.is_none() {
        log::warn!(
            "option capture: no memory for {bytes} bytes, so no frames are kept: give the domain more"
        );
    }
    capture
}

/// A name, NUL-padded.
fn padded(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *place = byte;
    }
    bytes
}
