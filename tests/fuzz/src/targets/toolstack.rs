//! `xl-omx` in dom0, beside a guest and a driver domain that write what they may.

use std::time::Duration;

use xen_sys::xs_wire::HEADER_SIZE;
use xl_omx::attachments::{self, Attachments};
use xl_omx::check::{self, Machine};
use xl_omx::error::Error;
use xl_omx::inventory::Inventory;
use xl_omx::xenstore::fake::Fake;
use xl_omx::xenstore::message;
use xl_omx::xenstore::tree::Tree;
use xl_omx::{apply, attach, detach, device, escape, mac, plain, terminal};

use crate::input::Input;

const DRIVER: u32 = 1;
const GUEST: u32 = 2;
/// It has a device, and nobody may touch that but dom0.
const OTHER: u32 = 3;
const NAMES: [&str; 3] = ["driver-domain", "guest", "other"];

/// The first byte chooses what the rest is.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    match input.byte() % 8 {
        0 => messages(input.bytes(usize::MAX)),
        1 => file(&mut input),
        _ => host(&mut input),
    }
}

fn messages(mut bytes: &[u8]) -> u64 {
    let mut whole = 0_u64;
    while let Ok(Some((incoming, length))) = message::parse(bytes) {
        assert!(length >= HEADER_SIZE && length <= bytes.len());
        whole = super::kind((whole, std::mem::discriminant(&incoming)));
        bytes = &bytes[length..];
    }
    super::kind((0, whole, message::parse(bytes).is_err()))
}

fn file(input: &mut Input<'_>) -> u64 {
    let name = String::from_utf8_lossy(input.piece(40)).into_owned();
    let word = escape::encode(&name);
    assert_eq!(escape::decode(&word), Some(name.clone()));
    assert!(!word.starts_with('.') && !word.contains('/'));
    let text = String::from_utf8_lossy(input.bytes(usize::MAX));
    let decoded = escape::decode(&text).is_some();
    if let Err(why) = check::syntax::parse(&text) {
        assert!(why.chars().all(plain::is_plain));
    }
    match attachments::parse(&text, name, 0) {
        Ok(entry) => super::kind((1, true, entry.uuid.is_some())),
        Err(why) => {
            assert!(why.chars().all(plain::is_plain));
            super::kind((1, false, decoded, why.len().checked_ilog2()))
        }
    }
}

/// What is none of guest's and driver domain's concern: dom0's own part, and the device of the other guest.
fn untouchable(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let roots = [
        "/local/domain/0",
        "/local/domain/3",
        "/local/domain/1/backend/omx/3",
    ];
    let own = |path: &&str| roots.iter().any(|root| path.starts_with(root));
    let nodes = tree.paths().filter(own).map(|path| {
        let value = tree.node(path).map(|node| node.value.clone());
        (path.to_owned(), value.unwrap_or_default())
    });
    nodes.collect()
}

fn host(input: &mut Input<'_>) -> u64 {
    // In memory where that is possible: xl-omx waits for the disk.
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let place = place.expect("a directory for files");
    let remembered = Attachments::new(place.path());
    let mut store = Fake::with(&[("/local/domain/0/name", "Domain-0")]);
    for (id, name) in (1..).zip(NAMES) {
        store.set(&format!("/local/domain/{id}/name"), name);
    }
    for guest in ["other", "guest"] {
        let wish = attach::Wish {
            guest: guest.into(),
            ..attach::Wish::default()
        };
        attach::attach(&mut store, &remembered, &wish, Duration::ZERO).expect("a first device");
    }
    let before = untouchable(&store.tree);
    let mut behaviour = 0;
    while !input.is_empty() {
        let outcome = match input.byte() % 8 {
            choice @ 0..=3 => {
                let who = if choice < 2 { GUEST } else { DRIVER };
                meddle(&mut store.tree, who, input)
            }
            4 => {
                let wish = attach::Wish {
                    guest: "guest".into(),
                    mac: input
                        .byte()
                        .is_multiple_of(2)
                        .then(|| mac::generate([0, 0, input.byte()])),
                    ..attach::Wish::default()
                };
                code(attach::attach(
                    &mut store,
                    &remembered,
                    &wish,
                    Duration::ZERO,
                ))
            }
            5 => code(apply::carry_out(&mut store, &remembered, None, |_| ())),
            6 => {
                let inventory = Inventory::take(&mut store).expect("an inventory");
                let listed = device::list(&mut store, &inventory, &[], GUEST);
                let text = terminal::table(&listed.expect("a list"));
                assert!(
                    text.chars()
                        .all(|letter| letter == '\n' || plain::is_plain(letter))
                );
                super::kind((text.lines().count(), looked_at(&store.tree, &remembered)))
            }
            _ => gone(&mut store, &remembered, u32::from(input.byte() % 3)),
        };
        assert_eq!(untouchable(&store.tree), before);
        behaviour = super::kind((behaviour, outcome));
    }
    behaviour
}

/// Guest or driver domain writes or removes something, if it may.
fn meddle(tree: &mut Tree, who: u32, input: &mut Input<'_>) -> u64 {
    let index = input.byte() % 3;
    let directory = match (who, input.byte() % 4) {
        (GUEST, 0..=2) => device::frontend_path(GUEST, index.into()),
        (_, 3) => device::frontend_path(OTHER, index.into()),
        (_, 0) => "/local/domain/0/data".into(),
        _ => format!("/local/domain/{DRIVER}/backend/omx/{GUEST}/{index}"),
    };
    let keys = [
        "backend-id",
        "backend",
        "state",
        "mac",
        "frontend",
        "online",
        "error",
        "name",
    ];
    let key = keys[usize::from(input.byte()) % keys.len()];
    let done = match input.byte() % 4 {
        0 => tree.remove(who, &directory),
        1 => tree.remove(who, &format!("{directory}/{key}")),
        _ => tree.write(who, &format!("{directory}/{key}"), input.piece(32)),
    };
    u64::from(done.is_ok())
}

/// Everything is looked at, and nothing of it changes.
fn looked_at(tree: &Tree, remembered: &Attachments) -> u64 {
    let mut store = Fake::default();
    store.tree = tree.clone();
    let machine = Machine::new("/nowhere", |_| Ok(String::new()));
    let report = check::check(&machine, Ok(&mut store), remembered);
    assert!(store.tree == *tree);
    let text = report.text();
    assert!(
        text.chars()
            .all(|letter| letter == '\n' || plain::is_plain(letter))
    );
    super::kind((text.lines().count(), check::judge(&report).is_ok()))
}

/// The device is forced away: whatever was written, nothing of it is left.
fn gone(store: &mut Fake, remembered: &Attachments, index: u32) -> u64 {
    let wish = detach::Wish {
        guest: "guest".into(),
        device: index.to_string(),
        force: true,
        limit: Duration::ZERO,
    };
    let detached = detach::detach(store, remembered, &wish);
    let inventory = Inventory::take(store).expect("an inventory");
    let indices = device::indices(store, &inventory, GUEST).expect("numbers");
    assert!(!indices.contains(&index), "{detached:?}");
    let known = remembered.all().expect("what is remembered");
    let kept = |entry: &attachments::Attachment| entry.guest == "guest" && entry.index == index;
    assert!(!known.whole.iter().any(kept), "{detached:?}");
    code(detached)
}

fn code(result: Result<(), Error>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            super::kind(std::mem::discriminant(&error))
        }
    }
}

/// Each of the kinds.
pub fn seeds() -> Vec<Vec<u8>> {
    let event = [15_u32, 0, 0, 4].map(u32::to_ne_bytes).concat();
    vec![
        [&[0][..], &event, b"/a\0\0"].concat(),
        b"\x01\x05guestbackend=driver-domain mac=00:16:3e:00:00:01\n".to_vec(),
        vec![2, 0, 0, 0, 0, 2, 1, b'0', 7, 0, 4, 0, 5],
        vec![2, 2, 0, 1, 0, 0, 5, 6, 7, 0],
        vec![2, 0, 0, 0, 2, 2, 3, b'6', b'6', b'6', 4, 1, 7, 1, 7, 2],
    ]
}
