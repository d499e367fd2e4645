//! The command line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::attachments::{Attachment, Attachments, DIRECTORY};
use crate::device::{self, Device, State};
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::mac::Mac;
use crate::output;
use crate::wait::{self, Side};
use crate::xenstore::{Client, Store, StoreError};

/// Attach, detach and list the Open-MX devices of Xen guests.
///
/// A device connects a guest to a driver domain: the guest becomes a node of its own on the Open-MX network, with
/// its own address. dom0 only introduces the two to each other and never sees a message.
///
/// Example:
///   xl create driver-domain.cfg
///   xl create guest.cfg
///   xl-omx attach guest1
///   xl-omx list guest1
#[derive(Parser)]
#[command(name = "xl-omx", version, verbatim_doc_comment)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Give a guest an Open-MX device and wait until it works.
    Attach {
        /// The guest, by name or number.
        domain: String,
        /// backend=<domain> (default: driver-domain) and mac=<address> (default: one from 00:16:3e).
        #[arg(value_parser = Property::parse)]
        properties: Vec<Property>,
        /// Seconds to wait for the connection; 0 does not wait.
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        timeout: u64,
    },
    /// Take a device away, orderly: the guest's endpoints are closed first.
    Detach {
        /// The guest, by name or number.
        domain: String,
        /// The device, by number or address.
        device: String,
        /// Remove it even if guest or driver domain do not answer.
        #[arg(long)]
        force: bool,
        /// Seconds to wait for an orderly end.
        #[arg(long, default_value_t = 10, value_name = "SECONDS")]
        timeout: u64,
    },
    /// List the devices of guests.
    List {
        /// The guests, by name or number.
        #[arg(required = true)]
        domains: Vec<String>,
        /// Print JSON: an object from guest to devices.
        #[arg(long)]
        json: bool,
    },
    /// Attach again what is remembered in /etc/xen/omx.d, where it is missing or its driver domain is another one now:
    /// after a reboot of a guest, or of the driver domain.
    Apply {
        /// Only this guest.
        domain: Option<String>,
    },
    /// Stay, and apply whenever a domain is created.
    Watch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Property {
    Backend(String),
    Mac(Mac),
}

impl Property {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("backend", name)) if !name.is_empty() => Ok(Self::Backend(name.into())),
            Some(("mac", address)) => address
                .parse()
                .map(Self::Mac)
                .map_err(|error: crate::mac::BadMac| error.to_string()),
            _ => Err("expected backend=<domain> or mac=<address>".into()),
        }
    }
}

/// The driver domain's name in driver-domain.cfg.
const DEFAULT_BACKEND: &str = "driver-domain";

/// Carries out a command.
pub fn run(cli: Cli) -> Result<(), Error> {
    let mut store = Client::open()?;
    let remembered = Attachments::new(DIRECTORY);
    match cli.command {
        Command::Attach {
            domain,
            properties,
            timeout,
        } => {
            let (mut backend, mut mac) = (DEFAULT_BACKEND.to_owned(), None);
            for property in properties {
                match property {
                    Property::Backend(name) => backend = name,
                    Property::Mac(address) => mac = Some(address),
                }
            }
            let mac = match mac {
                Some(mac) => mac,
                None => Mac::generate(random()?),
            };
            attach(
                &mut store,
                &remembered,
                &domain,
                &backend,
                mac,
                Duration::from_secs(timeout),
            )
        }
        Command::Detach {
            domain,
            device,
            force,
            timeout,
        } => {
            let guest = domain::find(&mut store, &domain)?;
            let device = device::find(&mut store, &guest, &device)?;
            remembered.forget(&guest.name, device.index)?;
            device::close(&mut store, &device)?;
            let closed = wait::until(
                &mut store,
                &device,
                State::Closed,
                Side::Backend,
                Duration::from_secs(timeout),
            );
            if !force {
                closed?;
            }
            device::remove(&mut store, &device)
        }
        Command::List { domains, json } => {
            let mut found = BTreeMap::new();
            for name in domains {
                let guest = domain::find(&mut store, &name)?;
                let devices = device::list(&mut store, &guest)?;
                if !json {
                    print!("{}", output::table(&devices));
                }
                found.insert(guest.name, devices);
            }
            if json {
                println!("{}", serde_json::json!(found));
            }
            Ok(())
        }
        Command::Apply { domain } => apply(&mut store, &remembered, domain.as_deref(), &RENEWALS),
        Command::Watch => {
            store.watch("@introduceDomain")?;
            loop {
                store.next_event()?;
                if let Err(error) = apply(&mut store, &remembered, None, &RENEWALS) {
                    eprintln!("xl-omx: {error}");
                }
            }
        }
    }
}

fn attach(
    store: &mut impl Store,
    remembered: &Attachments,
    guest: &str,
    backend: &str,
    mac: Mac,
    timeout: Duration,
) -> Result<(), Error> {
    let guest = domain::find(store, guest)?;
    let backend = domain::find(store, backend)?;
    let device = device::attach(store, &guest, &backend, mac)?;
    remembered.remember(&Attachment {
        guest: guest.name,
        index: device.index,
        backend: backend.name,
        mac,
    })?;
    if timeout.is_zero() {
        return Ok(());
    }
    wait::until(store, &device, State::Connected, Side::Both, timeout)
}

/// How long a guest is given to see that a device has gone, and then that another is there. A guest that is slower than
/// the first takes the new one for the old one, and never looks at it: it goes again, and the guest gets longer.
const RENEWALS: [(Duration, Duration); 3] = [
    (Duration::from_millis(300), Duration::from_secs(3)),
    (Duration::from_secs(2), Duration::from_secs(5)),
    (Duration::from_secs(5), Duration::from_secs(10)),
];

/// Attaches what is remembered and missing, or was served by a domain that has gone. Guests that do not run now are
/// passed over.
fn apply(
    store: &mut impl Store,
    remembered: &Attachments,
    only: Option<&str>,
    renewals: &[(Duration, Duration)],
) -> Result<(), Error> {
    for attachment in remembered.all()? {
        if only.is_some_and(|only| only != attachment.guest) {
            continue;
        }
        let Ok(guest) = domain::find(store, &attachment.guest) else {
            continue;
        };
        let present = device::list(store, &guest)?;
        let present = present
            .iter()
            .find(|listed| listed.index == attachment.index);
        let backend = domain::find(store, &attachment.backend)?;
        let device = match present {
            Some(listed) if listed.backend_id == backend.id => continue,
            Some(_) => renew(store, &guest, &backend, &attachment, renewals)?,
            None => device::attach(store, &guest, &backend, attachment.mac)?,
        };
        println!(
            "attached device {} of {} ({})",
            device.index, guest.name, attachment.mac
        );
    }
    Ok(())
}

/// Replaces a device whose driver domain has gone by one of the same number and address.
fn renew(
    store: &mut impl Store,
    guest: &Domain,
    backend: &Domain,
    attachment: &Attachment,
    renewals: &[(Duration, Duration)],
) -> Result<Device, Error> {
    let mut device = device::find(store, guest, &attachment.index.to_string())?;
    for (gone, seen) in renewals {
        device::remove(store, &device)?;
        std::thread::sleep(*gone);
        device = device::attach(store, guest, backend, attachment.mac)?;
        if wait::until_seen(store, &device, *seen)? {
            break;
        }
    }
    // One that nobody has seen waits for the guest's module.
    Ok(device)
}

fn random() -> Result<[u8; 3], Error> {
    let mut bytes = [0; 3];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(StoreError::Broken)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xenstore::fake::Fake;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn properties_are_what_xl_users_expect() {
        assert_eq!(
            Property::parse("backend=dd"),
            Ok(Property::Backend("dd".into()))
        );
        assert!(Property::parse("mac=00:16:3e:00:00:01").is_ok());
        for wrong in ["backend=", "mac=1", "bridge=xenbr0", "guest2"] {
            assert!(Property::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rebooted_guest_gets_its_device_and_address_again() {
        let directory = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(directory.path());
        let mut store = Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
        ]);
        let mac: Mac = "00:16:3e:00:00:07".parse().unwrap();
        attach(
            &mut store,
            &remembered,
            "guest1",
            DEFAULT_BACKEND,
            mac,
            Duration::ZERO,
        )
        .unwrap();
        store.remove(0, "/local/domain/2").unwrap();
        store.remove(0, "/local/domain/1/backend/omx/2").unwrap();
        store.write(0, "/local/domain/5/name", "guest1").unwrap();
        apply(&mut store, &remembered, None, &[]).unwrap();
        apply(&mut store, &remembered, None, &[]).unwrap();
        let guest = domain::find(&mut store, "guest1").unwrap();
        let devices = device::list(&mut store, &guest).unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].mac, mac.to_string());
    }

    #[test]
    fn a_guest_gets_its_device_and_address_again_when_its_driver_domain_has_rebooted() {
        let directory = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(directory.path());
        let mut store = Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
        ]);
        for last in [7, 8] {
            let mac = Mac::generate([0, 0, last]);
            let (guest, backend) = ("guest1", DEFAULT_BACKEND);
            attach(&mut store, &remembered, guest, backend, mac, Duration::ZERO).unwrap();
        }
        let guest = domain::find(&mut store, "guest1").unwrap();
        let before = device::list(&mut store, &guest).unwrap();
        store.remove(0, "/local/domain/1").unwrap();
        let reborn = ("/local/domain/5/name", "driver-domain");
        store.write(0, reborn.0, reborn.1).unwrap();
        let at_once = [(Duration::ZERO, Duration::ZERO)];
        apply(&mut store, &remembered, None, &at_once).unwrap();
        let after = device::list(&mut store, &guest).unwrap();
        let known = |listed: &[device::Listed]| -> Vec<(u32, String)> {
            listed.iter().map(|l| (l.index, l.mac.clone())).collect()
        };
        assert_eq!(known(&after), known(&before));
        assert!(after.iter().all(|listed| listed.backend_id == 5));
    }
}
