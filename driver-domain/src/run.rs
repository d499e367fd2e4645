//! From the first line of the log to the end: the start, the loop, the requests of the tools.

use core::time::Duration;

use mx_home::{Home, HomeConfig, Instant};
use mx_nic::{Armed, Statistics};
use mx_wire::Mode;
use xen_pv_boot::event::{self, Channel};
use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::xenstore::{WatchEvent, Xenstore};
use xen_pv_boot::{Machine, clock, self_test};

use alloc::boxed::Box;

use crate::card;
use crate::frontends::{self, Frontends, Offer};
use crate::options::{self, Options};
use crate::statistics;
use crate::wire_link::Wire;

/// Watches that are acted on in one turn.
const WATCHES_PER_TURN: usize = 4;
/// How often the card's link and health are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the domain sleeps at most while its card has no interrupt.
const POLL: Duration = Duration::from_millis(1);

const SHUTDOWN: &str = "control/shutdown";
const SYSRQ: &str = "control/sysrq";

/// Runs the driver domain.
pub fn run(machine: Machine) -> ! {
    log::info!("driver domain {}", env!("CARGO_PKG_VERSION"));
    let options = match options::parse(machine.command_line) {
        Ok(options) => options,
        Err(error) => {
            log::error!("command line: {error}");
            log::error!(
                "ending: correct extra='...' in the domain's configuration, then create it again"
            );
            shutdown(End::Poweroff);
        }
    };
    log::set_max_level(options.log);
    if let Some(fault) = options.self_test {
        log::warn!("self-test: ending by {fault}");
        self_test::fail(fault);
    }
    Domain::start(machine, &options).serve()
}

/// The running domain.
struct Domain {
    store: Xenstore,
    home: Home,
    wire: Wire,
    interrupt: Option<Channel>,
    frontends: Frontends,
    /// When the card is looked at again.
    look_at: Duration,
}

impl Domain {
    fn start(machine: Machine, options: &Options) -> Self {
        let Machine {
            xenstore: mut store,
            mut grants,
            arena,
            ..
        } = machine;
        let own = store.read_number::<u32>("domid").unwrap_or_else(|error| {
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
        let card = card::find(&mut store, &mut grants);
        let driver = match &card {
            Some(card) => card.nic.capabilities().driver,
            None => {
                log::warn!(
                    "going on without a network card: only guests of this host reach each other"
                );
                "none"
            }
        };
        let home = Home::new(HomeConfig {
            format,
            generation: own,
            endpoint_max: options.endpoints,
            interface: padded("wire0"),
            driver: padded(driver),
            idle_spell: options.idle,
            seed: clock::seed(),
        });
        let (nic, interrupt) = match card {
            Some(card) => (Some(card.nic), card.interrupt),
            None => (None, None),
        };
        let addresses = arena.clone();
        let wire = Wire::new(nic, Box::new(move |address| addresses.bus(address)));
        let offer = Offer {
            format,
            endpoints: options.endpoints,
        };
        let mut domain = Self {
            store,
            home,
            wire,
            interrupt,
            frontends: Frontends::new(arena, offer),
            look_at: Duration::ZERO,
        };
        for (path, token) in [
            (SHUTDOWN, SHUTDOWN),
            (SYSRQ, SYSRQ),
            (statistics::REQUEST, statistics::REQUEST),
            (frontends::DIRECTORY, frontends::TOKEN),
        ] {
            if let Err(error) = domain.store.watch(path, token) {
                log::error!("{path} cannot be watched: {error}");
            }
        }
        log::info!("ready: waiting for frontends");
        domain
    }

    /// The loop: everything in bounded pieces, sleeping when there is nothing.
    fn serve(mut self) -> ! {
        loop {
            let time = clock::now();
            let now = Instant::from_nanos(time.as_nanos() as u64);
            if time >= self.look_at {
                self.wire.look(&mut self.home);
                self.look_at = time + LOOK;
            }
            let mut busy = self.wire.receive(now, &mut self.home) > 0;
            busy |= self.wire.completed(&mut self.home) > 0;
            busy |= self.frontends.take_events(now, &mut self.home);
            busy |= self.frontends.serve(now, &mut self.store, &mut self.home);
            busy |= self.watches(now);
            let activity = self.home.turn(now, &mut self.wire, &mut self.frontends);
            busy |= activity.busy;
            self.wire.flush();
            while let Some(completion) = self.home.next_completion() {
                self.frontends.completed(completion);
                busy = true;
            }
            if self.home.overdue(now) {
                log::error!("the network card holds frames for too long: it is reset");
                self.wire.abandon(&mut self.home);
            }
            self.frontends.notify();
            if busy {
                core::hint::spin_loop();
            } else {
                self.sleep(activity.deadline);
            }
        }
    }

    /// Asks for interrupts, looks once more, sleeps.
    fn sleep(&mut self, deadline: Option<Instant>) {
        if let Some(nic) = self.wire.nic()
            && nic.arm(0) == Armed::WorkPending
        {
            nic.disarm(0);
            return;
        }
        let has_card = self.wire.nic().is_some();
        let mut until = deadline.map(|deadline| Duration::from_nanos(deadline.as_nanos()));
        let mut earlier =
            |time: Duration| until = Some(until.map_or(time, |until| until.min(time)));
        if has_card {
            earlier(self.look_at);
            if self.interrupt.is_none() {
                earlier(clock::now() + POLL);
            }
        }
        let channels = core::iter::once(self.store.channel())
            .chain(&self.interrupt)
            .chain(self.frontends.channels());
        event::wait(channels, until);
        if let Some(interrupt) = &self.interrupt {
            interrupt.take();
        }
        if let Some(nic) = self.wire.nic() {
            nic.disarm(0);
        }
    }

    /// Acts on some watches; whether there were any.
    fn watches(&mut self, now: Instant) -> bool {
        let mut any = false;
        for _ in 0..WATCHES_PER_TURN {
            let Some(event) = self.store.next_event() else {
                break;
            };
            any = true;
            log::debug!("watch: {} ({})", event.path.escape_default(), event.token);
            self.watch_fired(now, &event);
        }
        if self.store.take_lost() {
            log::warn!("more watches fired than were kept: looking at every device");
            self.frontends
                .look_at_all(now, &mut self.store, &mut self.home);
            any = true;
        }
        any
    }

    fn watch_fired(&mut self, now: Instant, event: &WatchEvent) {
        match event.token.as_str() {
            SHUTDOWN => self.shutdown_requested(),
            SYSRQ => {
                if self.store.read(SYSRQ).is_ok_and(|key| !key.is_empty()) {
                    let line = self.statistics("sysrq");
                    log::info!("{line}");
                    self.answer(SYSRQ, "");
                }
            }
            statistics::REQUEST => {
                if let Ok(request) = self.store.read(statistics::REQUEST) {
                    let line = self.statistics(&request);
                    self.answer(statistics::ANSWER, &line);
                }
            }
            token => {
                self.frontends
                    .watch_fired(now, &event.path, token, &mut self.store, &mut self.home)
            }
        }
    }

    fn answer(&mut self, path: &str, value: &str) {
        if let Err(error) = self.store.write(path, value) {
            log::warn!("{path} cannot be written: {error}");
        }
    }

    fn statistics(&mut self, request: &str) -> alloc::string::String {
        let card = self
            .wire
            .nic()
            .map_or_else(Statistics::default, |nic| nic.statistics());
        let (boards, pages) = self
            .frontends
            .boards()
            .fold((0, 0), |(boards, pages), (_, _, held)| {
                (boards + 1, pages + held)
            });
        statistics::line(request, card, boards, pages)
    }

    /// The tools ask the domain to end.
    fn shutdown_requested(&mut self) {
        let Ok(request) = self.store.read(SHUTDOWN) else {
            return;
        };
        if request.is_empty() {
            return;
        }
        // An empty value is how a domain says that it has understood.
        self.answer(SHUTDOWN, "");
        match End::from_request(&request) {
            Some(end) => {
                log::info!("{end} was requested");
                self.frontends.close_all(&mut self.store);
                shutdown(end);
            }
            None => log::warn!(
                "\"{}\" was requested, which a driver domain does not do",
                request.escape_default()
            ),
        }
    }
}

/// A name, NUL-padded.
fn padded(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *place = byte;
    }
    bytes
}
