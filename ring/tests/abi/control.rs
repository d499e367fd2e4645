//! The pages between a guest's kernel and its backend.

use mx_ring::admin::Change;
use mx_ring::control::{
    ArmedCounters, BOARD_PAGE, BackendControl, ControlRequest, ControlResponse, DEVICE_PAGES,
    Doorbells, ENDPOINTS, ModuleControl, PROTOCOL, STAGING_PAGE, STAGING_REFS, Staging, Status,
};
use mx_ring::uapi::RAW_FRAME_MAX;
use mx_ring::{Geometry, RegionKey, VolatileSlice};
use mx_wire::MacAddress;

use crate::common::Pages;
use crate::listing::{Listing, content};

/// Where the first request lies in D0, and the first response in D1.
const RING: usize = 1024;
/// Where a request has the kind of its change, and a response its status.
const CHANGE: usize = 8;
const STATUS: usize = 4;

const REFS: [u32; DEVICE_PAGES] = {
    let mut refs = [0; DEVICE_PAGES];
    let mut i = 0;
    while i < DEVICE_PAGES {
        refs[i] = 0x0302_0100 + i as u32;
        i += 1;
    }
    refs
};

/// D0 and D1 with both their sides.
struct Device {
    module: ModuleControl,
    backend: BackendControl,
    d0: VolatileSlice,
    d1: VolatileSlice,
    _memory: [Pages; 2],
}

impl Device {
    fn new() -> Self {
        Self::of(false)
    }

    fn of(adopting: bool) -> Self {
        let mut memory = [Pages::new(4096), Pages::new(4096)];
        let [d0, d1] = [memory[0].slice(), memory[1].slice()];
        let module = ModuleControl::format(d0, d1, &REFS, adopting).expect("whole pages");
        assert_eq!(BackendControl::references(&d0), Ok(REFS));
        let backend = BackendControl::new(d0, d1).expect("whole pages");
        Self {
            module,
            backend,
            d0,
            d1,
            _memory: memory,
        }
    }
}

pub fn list(listing: &mut Listing) {
    listing.title("pages of a device");
    listing.line(format_args!(
        "{DEVICE_PAGES} pages, board at {BOARD_PAGE}, staging at {STAGING_PAGE} for {STAGING_REFS} references, \
         {ENDPOINTS} endpoints, protocol {PROTOCOL}"
    ));
    listing.title("a device before its first request");
    listing.pages("D0", &Device::new().d0);
    listing.title("a device that is to be taken over");
    listing.changed(
        "D0",
        &content(&Device::new().d0),
        &content(&Device::of(true).d0),
    );
    for (name, request) in requests() {
        asked(listing, &name, &request);
    }
    listing.kinds("control requests", request_is_known);
    listing.kinds("changes", change_is_known);
    responses(listing);
    listing.kinds("control responses", status_is_known);
    listing.title("statuses that only an endpoint has");
    listing.line(Status::BackendGone as u32);
    frames(listing);
    words(listing);
}

/// A change of each kind.
pub fn changes() -> [(&'static str, Change); 6] {
    let name = core::array::from_fn(|i| if i < 79 { 0x40 + i as u8 } else { 0 });
    [
        ("clear counters", Change::ClearCounters),
        ("set the name", Change::SetHostname(name)),
        ("clear names of peers", Change::ClearPeerNames),
        ("clear peers", Change::ClearPeers),
        (
            "add a peer",
            Change::AddPeer {
                mac: MacAddress([2, 3, 4, 5, 6, 7]),
                name,
            },
        ),
        ("mark peers as configured", Change::MarkPeersConfigured),
    ]
}

fn requests() -> Vec<(String, ControlRequest)> {
    let region = RegionKey {
        slot: 0x0d0c,
        generation: 0x0f0e,
    };
    let register = |writable| ControlRequest::Register {
        endpoint: 8,
        region,
        writable,
        offset: 0x0514,
        length: 0x1b1a_1918,
        first_page: 0x1f1e_1d1c,
        pages: 0x2322_2120,
        staging: 0x2726_2524,
    };
    let open = |adopt| ControlRequest::OpenEndpoint {
        endpoint: 8,
        session: 0x0f0e_0d0c,
        geometry: Geometry {
            commands: 0x1312_1110,
            unexpected: 0x1716_1514,
            expected: 0x1b1a_1918,
            transmit: 0x1f1e_1d1c,
            receive: 0x2322_2120,
        },
        adopt,
    };
    let requests = [
        ("open an endpoint", open(false)),
        ("adopt an endpoint", open(true)),
        (
            "close an endpoint",
            ControlRequest::CloseEndpoint { endpoint: 8 },
        ),
        ("register to be read", register(false)),
        ("register to be written", register(true)),
        (
            "deregister",
            ControlRequest::Deregister {
                endpoint: 8,
                region,
            },
        ),
        ("ready", ControlRequest::Ready),
        (
            "close the raw endpoint",
            ControlRequest::Raw { open: false },
        ),
        ("open the raw endpoint", ControlRequest::Raw { open: true }),
        (
            "send a RAW frame",
            ControlRequest::SendRaw { length: 0x0102 },
        ),
        ("take a RAW frame", ControlRequest::TakeRaw),
    ];
    let changes =
        changes().map(|(name, change)| (format!("change: {name}"), ControlRequest::Change(change)));
    let requests = requests.map(|(name, request)| (name.to_owned(), request));
    requests.into_iter().chain(changes).collect()
}

/// A request as the module writes it, which the backend reads as it was.
fn asked(listing: &mut Listing, name: &str, request: &ControlRequest) {
    let mut device = Device::new();
    let formatted = content(&device.d0);
    assert!(device.module.post(0x0706_0504, request));
    listing.title(format_args!("control request: {name}"));
    listing.changed("D0", &formatted, &content(&device.d0));
    let next = device.backend.next_request();
    assert_eq!(next, Some(Ok((0x0706_0504, *request))));
    listing.pages("D1", &device.d1);
}

fn request_is_known(kind: u8) -> bool {
    let mut device = Device::new();
    let any = ControlRequest::Change(Change::ClearCounters);
    assert!(device.module.post(1, &any));
    device.d0.write(RING, &[kind]).expect("inside");
    device.backend.next_request().expect("a request").is_ok()
}

fn change_is_known(kind: u8) -> bool {
    let mut device = Device::new();
    let any = ControlRequest::Change(Change::ClearCounters);
    assert!(device.module.post(1, &any));
    device.d0.write(RING + CHANGE, &[kind]).expect("inside");
    device.backend.next_request().expect("a request").is_ok()
}

/// An answer, and each notice, as the backend writes them.
fn responses(listing: &mut Listing) {
    let mut device = Device::new();
    let formatted = content(&device.d0);
    let responses = [
        (0x0302_0100, Status::NoSpace, 0),
        (0, Status::Misbehaved, 8),
        (0, Status::RawWaits, 0),
    ];
    let responses = responses.map(|(id, status, endpoint)| ControlResponse {
        id,
        status,
        endpoint,
    });
    for response in &responses {
        assert!(device.backend.respond(response));
    }
    assert!(device.module.watch().waiting());
    for response in responses {
        assert_eq!(device.module.next_response(), Some(Ok(response)));
    }
    listing.title("control responses");
    listing.pages("D1", &device.d1);
    listing.changed("D0", &formatted, &content(&device.d0));
}

fn status_is_known(status: u8) -> bool {
    let mut device = Device::new();
    let any = ControlResponse {
        id: 1,
        status: Status::Ok,
        endpoint: 0,
    };
    assert!(device.backend.respond(&any));
    device.d1.write(RING + STATUS, &[status]).expect("inside");
    device.module.next_response().expect("a response").is_ok()
}

/// A RAW frame each way.
fn frames(listing: &mut Listing) {
    let frame: [u8; 20] = core::array::from_fn(|i| 0xe0 + i as u8);
    let device = Device::new();
    assert!(device.backend.put_frame(&frame));
    listing.title("a RAW frame from the backend");
    listing.pages("D1", &device.d1);
    let mut read = [0; RAW_FRAME_MAX];
    assert_eq!(device.module.frame(&mut read), Some(frame.len()));
    assert_eq!(read[..frame.len()], frame);

    let mut memory = Pages::new(STAGING_REFS * 4);
    let pages = memory.slice();
    let staging = Staging::new(pages).expect("whole pages");
    assert!(staging.put_frame(&frame));
    listing.title("a RAW frame from the module");
    listing.pages("staging", &pages);
}

/// Counters of sleeps, doorbell and wake bits, grant references.
fn words(listing: &mut Listing) {
    let mut memory = [
        Pages::new(4096),
        Pages::new(4096),
        Pages::new(STAGING_REFS * 4),
    ];
    let [d2, d3, pages] = [0, 1, 2].map(|i: usize| memory[i].slice());
    let armed = ArmedCounters::new(d2).expect("a whole page");
    let bells = Doorbells::new(d3).expect("a whole page");
    let staging = Staging::new(pages).expect("whole pages");
    for endpoint in [0, 70, 255] {
        armed.arm(endpoint);
        bells.ring(endpoint);
        bells.wake(endpoint ^ 1);
    }
    assert!(staging.set(0, 0x0302_0100) && staging.set(STAGING_REFS - 1, 0x0706_0504));
    listing.title("endpoints 0, 70 and 255: armed and rung, their neighbours to be woken");
    listing.pages("D2", &d2);
    listing.pages("D3", &d3);
    listing.title("first and last grant reference of a list");
    listing.pages("staging", &pages);
}
