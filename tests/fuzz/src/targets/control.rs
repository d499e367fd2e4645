//! The control pages, as the backend reads a kernel's and as the kernel reads a backend's.

use mx_ring::PAGE_SIZE;
use mx_ring::control::{
    BackendControl, ControlResponse, DEVICE_PAGES, ModuleControl, STAGING_REFS, Staging, Status,
};
use mx_ring::mapping::Memfd;
use mx_ring::uapi::RAW_FRAME_MAX;

use crate::input::Input;

/// Rings have at most this many entries: a reader that goes on longer does not look at its bounds.
const ENTRIES_MAX: u32 = 64;

/// Scribbles over both pages between looks at them.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let pages = Memfd::create("fuzz control", 6 * PAGE_SIZE).expect("memory");
    let page = |n: usize| {
        pages
            .slice()
            .part(n * PAGE_SIZE, PAGE_SIZE)
            .expect("a page")
    };
    let refs = [7; DEVICE_PAGES];
    let mut module = ModuleControl::format(page(0), page(1), &refs, false).expect("pages");
    let mut backend = BackendControl::new(page(0), page(1)).expect("pages");
    let staging = pages
        .slice()
        .part(2 * PAGE_SIZE, 4 * PAGE_SIZE)
        .expect("pages");
    let staging = Staging::new(staging).expect("pages");
    let mut seen = Vec::new();
    while !input.is_empty() {
        let choice = input.byte();
        match choice % 6 {
            0 | 1 => {
                let at = usize::from(input.word()) % PAGE_SIZE;
                let count = usize::from(input.byte());
                let bytes = input.bytes(count.min(PAGE_SIZE - at));
                let written = page(usize::from(choice % 6)).write(at, bytes);
                written.expect("within the page");
            }
            2 => {
                let mut taken = 0;
                while let Some(request) = backend.next_request() {
                    seen.push((2, request.is_ok()));
                    taken += 1;
                    assert!(taken <= ENTRIES_MAX, "the ring of requests has no end");
                    let Ok((id, _)) = request else { break };
                    let _full = backend.respond(&ControlResponse {
                        id,
                        status: Status::Ok,
                        endpoint: 0,
                    });
                }
            }
            3 => {
                let mut taken = 0;
                while let Some(response) = module.next_response() {
                    seen.push((3, response.is_ok()));
                    taken += 1;
                    assert!(taken <= ENTRIES_MAX, "the ring of responses has no end");
                    if response.is_err() {
                        break;
                    }
                    let frame = module.frame(&mut [0; RAW_FRAME_MAX]);
                    assert!(frame.is_none_or(|length| length <= RAW_FRAME_MAX));
                }
            }
            4 => {
                let found = BackendControl::references(&page(0));
                seen.push((4, found.is_ok()));
            }
            _ => {
                let entry = input.size() as usize;
                let kept = staging.set(entry, 9);
                assert_eq!(kept, entry < STAGING_REFS);
                assert_eq!(staging.get(entry).is_some(), kept);
                let length = entry as u16;
                let frame = staging.frame(length, &mut [0; RAW_FRAME_MAX]);
                assert_eq!(frame.is_some(), usize::from(length) <= RAW_FRAME_MAX);
            }
        }
    }
    seen.dedup();
    seen.truncate(12);
    super::kind(seen)
}

/// A request of each kind, where the ring starts, and looks at it.
pub fn seeds() -> Vec<Vec<u8>> {
    const RING: u16 = 1024;
    const INDEX: u16 = 64;
    let request = |kind: u8| {
        let mut seed = vec![0];
        seed.extend(RING.to_le_bytes());
        seed.extend([8, kind, 0, 0, 0, 1, 0, 0, 0]);
        seed.push(0);
        seed.extend(INDEX.to_le_bytes());
        seed.extend([1, 1, 2, 3, 4]);
        seed
    };
    (0..11).map(request).collect()
}
