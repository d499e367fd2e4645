//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use mx_wire::MacAddress;

use crate::apply;
use crate::attach;
use crate::attachments::{Attachments, DIRECTORY};
use crate::check;
use crate::detach;
use crate::device;
use crate::domain;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::limits;
use crate::owner;
use crate::replace::{self, Successor};
use crate::terminal;
use crate::watch;
use crate::xenstore::{Client, Store};

/// Attach, detach and list the Open-MX devices of Xen guests, replace driver domains, and check that all is as it should be.
///
/// A device connects a guest to a driver domain: the guest becomes a node of its own on the Open-MX network, with
/// its own address. dom0 only introduces the two to each other and never sees a message.
///
/// Example:
///   xl create driver-domain.cfg
///   xl create guest.cfg
///   xl-omx attach guest1
///   xl-omx list guest1
///   xl-omx check
#[derive(Parser)]
#[command(name = "xl-omx", version, verbatim_doc_comment)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Where attached devices are remembered.
    #[arg(long, global = true, value_name = "DIRECTORY", default_value = DIRECTORY)]
    directory: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Give a guest an Open-MX device and wait until it works.
    ///
    /// A device of the guest that is remembered and not there comes back, with its number, its address and its backend:
    /// after a reboot, and when the guest was made again under its name. Otherwise it is a new one. When it does not work
    /// in time it stays attached and remembered, and works as soon as both sides can.
    Attach {
        /// The guest, by name or number.
        domain: String,
        /// backend=<domain> (default: the remembered one, or driver-domain), mac=<address> (default: the remembered
        /// one, or a random one from 00:16:3e), and limit-<what>=<number>: what the guest may have of devices, endpoints,
        /// regions, pages, pulls, heap (KiB), nacks (a second), reconnects (a minute), log-lines (a minute), doorbells (for
        /// nothing, in a row); default: the remembered one, or that of the driver domain for all.
        #[arg(value_parser = Property::parse)]
        properties: Vec<Property>,
        /// Seconds to wait for the connection; 0 does not wait.
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        timeout: u32,
    },
    /// Take a device away, orderly: the guest's endpoints are closed first. Then it is forgotten.
    ///
    /// One that does not go in time is still there and remembered. A device of a guest that does not run is forgotten.
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
        timeout: u32,
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
    ///
    /// Guests that do not run are passed over. Each device is for itself: what cannot be attached is told, the others
    /// are attached, and the exit status is 1.
    Apply {
        /// Only this guest, by name.
        domain: Option<String>,
    },
    /// Stay, and apply whenever a domain comes or goes; what failed is tried again.
    ///
    /// A driver domain that has ended is created again, when its configuration (or a link to it) lies beside what is
    /// remembered, as <its name>.cfg: `ln -s /etc/xen/driver-domain.cfg /etc/xen/omx.d/`. All guests are attached to it at
    /// the same time. `xl shutdown` does not end such a domain for good: remove the link first.
    Watch,
    /// Put another driver domain in the place of one, under load: guests' endpoints live on.
    ///
    /// With a configuration, the old domain is destroyed, and one with its name and card is created from it. With a running
    /// domain, which has a card of its own, the guests are led to that one first. Then the old one is destroyed. It waits
    /// until all devices are connected; exit status 3 means that some are not in time, and connect later.
    ///
    /// Example: xl-omx replace driver-domain /etc/xen/driver-domain.cfg
    Replace {
        /// The driver domain that is to go, by name or number.
        old: String,
        /// Its successor: a running domain, by name or number, or the path of a configuration (with a / or ending in .cfg).
        #[arg(value_parser = Successor::parse)]
        new: Successor,
        /// Print JSON instead of progress: when the old domain was gone, the new one there, and each device connected, in
        /// seconds. Progress goes to standard error.
        #[arg(long)]
        json: bool,
        /// Seconds to wait for the devices.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        timeout: u32,
    },
    /// Look at everything that the first day needs, and say of each that it is fine, or what to do.
    ///
    /// Xen and its IOMMU; the driver domains' configurations, with their images, cards, memory and frame sizes; whether the
    /// cards can be passed through, the driver domains serve, and `xl-omx watch` runs; each guest's device, with the reason
    /// of one that does not work; what is left of guests that have gone. It changes nothing, and can be run at any time.
    ///
    /// A line for each begins with "fine", "to do" or "unknown" (it could not be looked at); the latter two have below them
    /// an arrow and what to do. Exit status: 0 all is fine, 1 something is to be done, 4 nothing is, as far as could be seen.
    ///
    /// Example: do what the first arrow says, and run it again, until all is fine.
    Check {
        /// Print JSON: an array of objects with outcome (fine, to-do, unknown), subject, of, found, advice.
        #[arg(long)]
        json: bool,
    },
    /// Print what a shell completes this command line by, for the file that it looks for.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Property {
    Backend(String),
    Mac(MacAddress),
    Limit(&'static str, u32),
}

impl Property {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("backend", name)) if !name.is_empty() => Ok(Self::Backend(name.into())),
            Some(("mac", address)) => MacAddress::of_station(address)
                .map(Self::Mac)
                .map_err(|error| error.to_string()),
            Some((name, value)) if name.starts_with("limit-") => {
                limits::parse(name, value).map(|(name, value)| Self::Limit(name, value))
            }
            _ => Err("expected backend=<domain>, mac=<address> or limit-<what>=<number>".into()),
        }
    }
}

/// Carries out a command.
pub fn run(cli: Cli) -> Result<(), Error> {
    let remembered = Attachments::new(cli.directory);
    match cli.command {
        Command::Attach {
            domain,
            properties,
            timeout,
        } => {
            let mut wish = attach::Wish {
                guest: domain,
                ..attach::Wish::default()
            };
            for property in properties {
                match property {
                    Property::Backend(name) => wish.backend = Some(name),
                    Property::Mac(address) => wish.mac = Some(address),
                    Property::Limit(name, value) => {
                        wish.limits.insert(name, value);
                    }
                }
            }
            let limit = Duration::from_secs(timeout.into());
            attach::attach(&mut Client::open()?, &remembered, &wish, limit)
        }
        Command::Detach {
            domain,
            device,
            force,
            timeout,
        } => {
            let wish = detach::Wish {
                guest: domain,
                device,
                force,
                limit: Duration::from_secs(timeout.into()),
            };
            detach::detach(&mut Client::open()?, &remembered, &wish)
        }
        Command::List { domains, json } => list(&mut Client::open()?, &remembered, &domains, json),
        Command::Apply { domain } => {
            apply::apply(&mut Client::open()?, &remembered, domain.as_deref())
        }
        Command::Replace {
            old,
            new,
            json,
            timeout,
        } => {
            let wish = replace::Wish {
                old,
                new,
                limit: Duration::from_secs(timeout.into()),
            };
            let tell = if json { terminal::note } else { terminal::say };
            let report = replace::replace(&mut Client::open()?, &remembered, &wish, tell)?;
            if json {
                terminal::json(&serde_json::json!(report));
            }
            report.judge()
        }
        Command::Check { json } => {
            let mut client = None;
            let store = Client::open().map(|opened| client.insert(opened));
            let report = check::check(&check::Machine::here(), store, &remembered);
            if json {
                terminal::json(&report.json());
            } else {
                omx_output::print!("{}", report.text());
            }
            check::judge(&report)
        }
        Command::Watch => watch::watch(&remembered).map(|never| match never {}),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "xl-omx", &mut script);
            omx_output::write_bytes(&script);
            Ok(())
        }
    }
}

fn list(
    store: &mut impl Store,
    remembered: &Attachments,
    domains: &[String],
    json: bool,
) -> Result<(), Error> {
    let inventory = Inventory::take(store)?;
    let known = remembered.all()?;
    for broken in &known.broken {
        terminal::complain(&broken.why);
    }
    let mut found = BTreeMap::new();
    for name in domains {
        let guest = domain::find(store, name)?;
        let own = owner::entries_of(&guest, &known.whole, &inventory.domains);
        let devices = device::list(store, &inventory, &own, guest.id)?;
        if !json {
            omx_output::print!("{}", terminal::table(&devices));
        }
        found.insert(guest.name, devices);
    }
    if json {
        terminal::json(&serde_json::json!(found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn properties_are_what_xl_users_expect() {
        assert_eq!(
            Property::parse("backend=dd"),
            Ok(Property::Backend("dd".into()))
        );
        assert!(Property::parse("mac=00:16:3e:00:00:01").is_ok());
        assert_eq!(
            Property::parse("limit-pages=512"),
            Ok(Property::Limit("limit-pages", 512))
        );
        for wrong in [
            "backend=",
            "mac=1",
            "bridge=xenbr0",
            "guest2",
            "limit-pages=0",
            "limit-all=1",
        ] {
            assert!(Property::parse(wrong).is_err(), "{wrong}");
        }
    }
}
