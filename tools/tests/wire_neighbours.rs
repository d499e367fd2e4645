//! What the tools show of neighbours on the wire that lie, or do not fit: the far end of a node's wire is the test.

mod said;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mx_wire::{Beacon, Format, Frame, HostReply, MacAddress, Packet};
use open_mx::{Backend, Board, Error};
use said::Saying;

const INFO: &str = env!("CARGO_BIN_EXE_omx_info");
const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const NODE: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x0a]);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A node, and the far end of its wire.
struct Far {
    wire: UnixDatagram,
    socket: PathBuf,
    directory: PathBuf,
}

impl Far {
    fn new(label: &str) -> Self {
        let process = std::process::id();
        let directory = std::env::temp_dir().join(format!("open-mx-far-{process}-{label}"));
        std::fs::create_dir_all(&directory).unwrap();
        let at = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let wire = UnixDatagram::bind(directory.join("far")).unwrap();
        wire.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let options = format!(
            "--name near --mac {NODE} --dgram {},{}",
            at("near"),
            at("far")
        );
        let socket = directory.join("sock");
        mx_testnode::start(&socket, options.split(' '));
        Self {
            wire,
            socket,
            directory,
        }
    }

    fn backend(&self) -> Backend {
        Backend::Socket(self.socket.clone())
    }

    fn board(&self) -> Board {
        Board::attach(&self.backend(), 0).unwrap()
    }

    /// Takes what the node sends meanwhile, so that it finds room.
    fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < TIMEOUT, "{what} has not happened");
            let mut frame = [0; 9216];
            let _ = self.wire.recv(&mut frame);
        }
    }

    fn send(&self, frame: &Frame<'_>) {
        let mut bytes = [0; 256];
        let length = frame.emit(&Format::native(9000).unwrap(), &mut bytes);
        self.wire
            .send_to(&bytes[..length.unwrap()], self.directory.join("near"))
            .unwrap();
    }

    /// A machine appears, and says its name.
    fn joins(&self, mac: MacAddress, name: &[u8]) {
        let payload = Beacon {
            board: mac,
            serial: 7,
        }
        .payload();
        self.send(&Beacon::frame(mac, &payload));
        self.says(mac, name);
    }

    fn says(&self, mac: MacAddress, name: &[u8]) {
        let reply = HostReply {
            sender_index: 1,
            magic: mx_wire::HostQuery::FIRST_MAGIC,
        };
        self.send(&Frame {
            destination: NODE,
            source: mac,
            sender_index: None,
            packet: Packet::HostReply(reply),
            payload: name,
        });
    }

    fn info(&self, arguments: &[&str]) -> (String, String) {
        let Output { stdout, stderr, .. } = Command::new(INFO)
            .args(arguments)
            .env("OMX_SOCKET", &self.socket)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr))
    }
}

fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0x0c, last])
}

#[test]
fn a_name_from_the_wire_steers_no_terminal_and_finds_its_board_as_it_is_shown() {
    let far = Far::new("names");
    far.joins(mac(1), b"evil\x1b[2J\x07\xc2\x9b\r\n\"\\:0");
    far.until("the peer's name", |far| {
        far.board().peers().count() == 2 && far.info(&[]).0.contains("evil")
    });
    for arguments in [&[][..], &["--json"]] {
        let (shown, _) = far.info(arguments);
        let bad = shown.chars().find(|it| it.is_control() && *it != '\n');
        assert_eq!(bad, None, "{shown:?}");
    }
    let shown = "evil?[2J?????\"\\:0";
    assert!(far.info(&[]).0.contains(shown));
    let found = far.board().nic_id_by_hostname(shown);
    assert_eq!(found.ok(), Some(mac(1).nic_id()));
}

#[test]
fn what_is_wrong_on_the_wire_stands_in_omx_info_with_the_way_out() {
    let far = Far::new("faults");
    assert_eq!(far.info(&[]).1, "");
    far.joins(mac(1), b"near:0");
    far.joins(NODE, b"near:0");
    far.until("the warnings", |far| far.info(&[]).1.lines().count() == 2);
    let (shown, warned) = far.info(&[]);
    assert!(
        warned
            .contains("   WARNING: another machine sends from this board's own address: give one")
    );
    assert!(warned.contains(
        "   WARNING: another machine says that its name is this board's own: rename one"
    ));
    assert!(warned.contains("(02:00:00:00:0c:01, "), "{warned}");
    assert!(
        shown.contains("  1) 02:00:00:00:0c:01 <unknown>\n"),
        "{shown}"
    );
    let (json, _) = far.info(&["--json"]);
    assert!(json.contains("\"warning\": \"own-name\", \"mac\": \"02:00:00:00:0c:01\""));
    let own = far.board().nic_id_by_hostname("near:0");
    assert!(matches!(own, Err(Error::NameTwice(..))), "{own:?}");
    far.says(mac(1), b"other:0");
    far.until("an end of the fault", |far| {
        far.info(&[]).1.lines().count() == 1
    });
    let own = far.board().nic_id_by_hostname("near:0");
    assert_eq!(own.ok(), Some(NODE.nic_id()));
}

#[test]
fn a_name_that_two_machines_have_leads_to_neither_until_it_is_given_to_one() {
    let far = Far::new("twice");
    far.joins(mac(1), b"twice:0");
    far.until("the first", |far| {
        far.board().nic_id_by_hostname("twice:0").ok() == Some(mac(1).nic_id())
    });
    far.joins(mac(2), b"twice:0");
    // Both answer as often as they are asked.
    far.until("both", |far| {
        far.says(mac(1), b"twice:0");
        far.says(mac(2), b"twice:0");
        matches!(
            far.board().nic_id_by_hostname("twice:0"),
            Err(Error::NameTwice(_, both)) if both == [1, 2].map(|last| mac(last).nic_id())
        )
    });
    let mut command = Command::new(PERF);
    let run = ["-w", "-d", "twice:0"];
    let mut sender = Saying::start(command.args(run).env("OMX_SOCKET", &far.socket));
    let said = sender.next_line();
    assert!(said.contains("two machines are called 'twice:0'"), "{said}");
    let mut name = [0; 80];
    name[..7].copy_from_slice(b"twice:0");
    let given = mx_ring::admin::Change::AddPeer { mac: mac(2), name };
    Board::change(&far.backend(), 0, &given).unwrap();
    let found = far.board().nic_id_by_hostname("twice:0");
    assert_eq!(found.ok(), Some(mac(2).nic_id()));
    let said = sender.next_line();
    assert!(said.contains("twice:0 does not answer"), "{said}");
}
