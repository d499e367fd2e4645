//! Who serves boards here, and how they are.

use mx_ring::board_page::BoardDescription;
use mx_ring::warning::Warning;
use mx_wire::MacAddress;
use omx_output::report::Report;
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

const SUBJECT: &str = "boards";

/// How boards come to a machine.
const START: &str = "in a guest: `modprobe open-mx-frontend`, and `xl-omx attach <guest>` in dom0 (`xl-omx check` there says \
                     what lacks); on another machine: `systemctl enable --now omxd@<interface>`";

/// Who serves boards.
pub fn find(report: &mut Report) -> Option<Backend> {
    let found = Backend::find().and_then(|backend| backend.greet().map(|()| backend));
    match found {
        Ok(backend) => {
            report.fine(
                SUBJECT,
                None,
                match &backend {
                    Backend::Device(path) => format!("by the device {}", path.display()),
                    Backend::Socket(path) => format!("by omxd at {}", path.display()),
                },
            );
            Some(backend)
        }
        Err(error @ Error::Unreachable(_, std::io::ErrorKind::PermissionDenied)) => {
            let advice = "in a guest: `adduser <user> open-mx`, then log in again";
            report.to_do(SUBJECT, None, error.to_string(), advice);
            None
        }
        Err(error @ (Error::NoBackend | Error::Unreachable(..) | Error::BackendGone)) => {
            report.to_do(SUBJECT, None, error.to_string(), START);
            None
        }
        Err(error) => {
            report.to_do(
                SUBJECT,
                None,
                error.to_string(),
                "do that, and run this again",
            );
            None
        }
    }
}

/// The board of this number, or all, which can be used.
pub fn look(backend: &Backend, number: Option<u32>, report: &mut Report) -> Vec<(u32, Board)> {
    let boards = match Board::chosen(backend, number) {
        Ok(boards) => boards,
        Err(error) => {
            report.to_do(
                SUBJECT,
                None,
                error.to_string(),
                "omx_info shows those that there are",
            );
            return Vec::new();
        }
    };
    if boards.is_empty() {
        report.to_do(SUBJECT, None, "there is none yet", START);
    }
    for (number, board) in &boards {
        match board.description() {
            Ok(description) => look_at_one(*number, &description, report),
            Err(error) => report.unknown(
                "board",
                Some(&number.to_string()),
                error.to_string(),
                "run this again",
            ),
        }
    }
    boards
}

fn look_at_one(number: u32, description: &BoardDescription, report: &mut Report) {
    let name = text(&description.hostname);
    let of = Some(name.as_str());
    let interface = text(&description.interface);
    let mut wrong = Vec::new();
    if !description.link_up {
        wrong.push((
            format!("the link of {interface} is down"),
            format!("look at the cable and the switch's port; on a machine without Xen `ip link set {interface} up`"),
        ));
    }
    if description.interface_mtu > 0 {
        let needed = description.mtu.saturating_sub(14);
        wrong.push((
            format!(
                "{interface} has MTU {}: longer frames do not pass",
                description.interface_mtu
            ),
            format!("`ip link set {interface} mtu {needed}`"),
        ));
    }
    for (warning, notice) in description.notices.present() {
        if warning == Warning::ShortMtu && description.interface_mtu > 0 {
            continue;
        }
        let about = match notice.about {
            MacAddress([0, 0, 0, 0, 0, 0]) => String::new(),
            mac => format!(" ({mac}, {} times)", notice.times),
        };
        let (what, way_out) = warning
            .sentence()
            .split_once(": ")
            .unwrap_or((warning.sentence(), "see omx_info(1)"));
        wrong.push((format!("{what}{about}"), way_out.to_owned()));
    }
    if description.peers_full {
        let advice = "a board knows 256 peers: have fewer on one network";
        wrong.push(("its peer table is full".into(), advice.into()));
    }
    if wrong.is_empty() {
        let wire = if description.mx_wire {
            "frames of MX, up to"
        } else {
            "frames of up to"
        };
        let found = format!(
            "number {number} on {interface}, link up, {wire} {} bytes",
            description.mtu
        );
        report.fine("board", of, found);
    }
    for (found, advice) in wrong {
        report.to_do("board", of, found, advice);
    }
}

#[cfg(test)]
mod tests {
    use mx_ring::warning::{Notice, Notices};

    use super::*;

    fn board() -> BoardDescription {
        let mut board = BoardDescription {
            generation: 1,
            mx_wire: false,
            mtu: 9000,
            medium_fragment: 8192,
            link_up: true,
            peers_configured: true,
            peers_full: false,
            peers_marked: false,
            endpoint_max: 32,
            queue_entries: 256,
            peer_count: 1,
            mac: MacAddress([2; 6]),
            hostname: [0; 80],
            interface: [0; 16],
            driver: [0; 16],
            interface_mtu: 0,
            notices: Notices::default(),
        };
        board.hostname[..7].copy_from_slice(b"node1:0");
        board.interface[..4].copy_from_slice(b"eth1");
        board
    }

    fn said(change: impl FnOnce(&mut BoardDescription)) -> String {
        let mut board = board();
        change(&mut board);
        let mut report = Report::default();
        look_at_one(0, &board, &mut report);
        report.text()
    }

    #[test]
    fn a_board_is_fine_until_something_is_wrong_with_it() {
        let fine =
            "fine     board node1:0: number 0 on eth1, link up, frames of up to 9000 bytes\n";
        assert_eq!(said(|_| ()), fine);
        let mx = said(|board| (board.mx_wire, board.mtu) = (true, 4144));
        assert!(
            mx.contains("fine ") && mx.contains("frames of MX, up to 4144 bytes"),
            "{mx}"
        );
        let down = said(|board| board.link_up = false);
        assert!(
            down.starts_with("to do    board node1:0: the link of eth1 is down\n         -> "),
            "{down}"
        );
        let full = said(|board| board.peers_full = true);
        assert!(
            full.starts_with("to do    board node1:0: its peer table is full\n"),
            "{full}"
        );
    }

    #[test]
    fn what_it_has_seen_is_told_with_the_culprit_and_the_way_out_apart() {
        for warning in Warning::ALL {
            let about = MacAddress([2, 0, 0, 0, 0, 9]);
            let notice = Notice { about, times: 3 };
            let text = said(|board| board.notices.set(warning, notice));
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2, "{text}");
            assert!(
                lines[0].ends_with(" (02:00:00:00:00:09, 3 times)"),
                "{text}"
            );
            assert!(
                lines[1].starts_with("         -> ") && lines[1].len() > 20,
                "{text}"
            );
        }
    }

    #[test]
    fn an_interface_that_takes_short_frames_is_told_once_with_the_command_that_mends_it() {
        let text = said(|board| {
            board.interface_mtu = 1500;
            let notice = Notice {
                about: MacAddress([0; 6]),
                times: 1,
            };
            board.notices.set(Warning::ShortMtu, notice);
        });
        let mended = "to do    board node1:0: eth1 has MTU 1500: longer frames do not pass\n         -> `ip link set eth1 mtu 8986`\n";
        assert_eq!(text, mended);
    }
}
