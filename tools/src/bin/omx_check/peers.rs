//! The other boards that a board has seen: whether they answer, and how long frames may be on the way there.

use std::time::{Duration, Instant};

use mx_ring::board_page::{BoardDescription, PeerDescription};
use omx_output::report::Report;
use open_mx::board::{Board, text};
use open_mx::{Backend, Code, Endpoint, EndpointOptions, Error, Request, Status};

use crate::frames::{self, KEY, Way};

const SUBJECT: &str = "peer";

/// How long all peers together may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_micros(50);

/// Whom to ask.
pub struct Wish<'a> {
    /// Only the peer of this name.
    pub name: Option<&'a str>,
    /// The endpoint there.
    pub remote: u32,
}

/// What came of asking a peer.
enum Answer {
    /// Nothing.
    Silent,
    /// Its board has answered after this time, for whatever is at the endpoint.
    Board(Duration),
    /// `omx_check --answer`.
    Check(Duration),
    /// It cannot be asked.
    Failed(String),
}

/// Asks all peers, or one, each by the same endpoint at once.
pub fn look(
    backend: &Backend,
    number: u32,
    board: &Board,
    wish: &Wish<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    let description = board.description()?;
    let peers = match wish.name {
        Some(name) => match named(board, name) {
            Ok(peer) => vec![peer],
            Err(error) => {
                let advice = "a peer is known once it was heard: is it up, on the same network, with the same frame size and wire \
                              format? A name ends in : and the number of the board, as node1:0";
                report.to_do(SUBJECT, Some(name), error.to_string(), advice);
                return Ok(());
            }
        },
        None => board.peers().map(|(_, peer)| peer).collect(),
    };
    let others = peers.into_iter().filter(|peer| peer.mac != description.mac);
    let others: Vec<PeerDescription> = others.collect();
    if others.is_empty() {
        let advice = "start another node on the same network, with the same frame size and wire format; omx_info there shows \
                      whom it sees";
        report.to_do(SUBJECT, None, "no other board was seen", advice);
        return Ok(());
    }
    for (peer, answer) in others
        .iter()
        .zip(ask(backend, number, &others, wish.remote)?)
    {
        tell(backend, number, &description, peer, &answer, wish, report);
    }
    Ok(())
}

fn named(board: &Board, name: &str) -> Result<PeerDescription, Error> {
    let nic = board.nic_id_by_hostname(name)?;
    let index = board.peer_by_nic_id(nic)?;
    board.peer(index).ok_or(Error::NoPeer(nic))
}

/// Asks all at once.
fn ask(
    backend: &Backend,
    board: u32,
    peers: &[PeerDescription],
    remote: u32,
) -> Result<Vec<Answer>, Error> {
    let options = EndpointOptions {
        board: Some(board),
        ..EndpointOptions::new(KEY)
    };
    let endpoint = Endpoint::open(backend, &options)?;
    let begin = |peer: &PeerDescription| {
        let request = endpoint.iconnect(peer.mac.nic_id(), remote, KEY, 0, 0);
        (request, Instant::now())
    };
    let asked: Vec<(Result<Request, Error>, Instant)> = peers.iter().map(begin).collect();
    let mut answers: Vec<Option<Answer>> = peers.iter().map(|_| None).collect();
    let until = Instant::now() + PATIENCE;
    while answers.iter().any(Option::is_none) && Instant::now() < until {
        for (answer, (request, since)) in answers.iter_mut().zip(&asked) {
            if answer.is_some() {
                continue;
            }
            *answer = match request {
                Err(error) => Some(Answer::Failed(error.to_string())),
                Ok(request) => endpoint
                    .test(*request)?
                    .map(|status| judged(&status, since.elapsed())),
            };
        }
        std::thread::sleep(LOOK);
    }
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Answer::Silent))
        .collect())
}

fn judged(status: &Status, time: Duration) -> Answer {
    match status.code {
        Code::Success => Answer::Check(time),
        Code::RemoteEndpointUnreachable | Code::Timeout => Answer::Silent,
        Code::RemoteEndpointClosed
        | Code::RemoteEndpointBadId
        | Code::RemoteEndpointBadSession
        | Code::RemoteEndpointBadConnectionKey => Answer::Board(time),
        code => Answer::Failed(code.to_string()),
    }
}

fn tell(
    backend: &Backend,
    board: u32,
    description: &BoardDescription,
    peer: &PeerDescription,
    answer: &Answer,
    wish: &Wish<'_>,
    report: &mut Report,
) {
    let name = match text(&peer.hostname) {
        name if name.is_empty() => peer.mac.to_string(),
        name => name,
    };
    let of = Some(name.as_str());
    let milliseconds =
        |time: &Duration| format!("answers within {:.3} ms", time.as_secs_f64() * 1e3);
    match answer {
        Answer::Silent => report.to_do(
            SUBJECT,
            of,
            format!("does not answer within {} s", PATIENCE.as_secs()),
            "is it still up, and does omx_check there see this board? Frames of one way may be lost: omx_counters on both sides",
        ),
        Answer::Failed(why) => report.to_do(SUBJECT, of, format!("cannot be asked: {why}"), "omx_info shows its state"),
        Answer::Board(time) => {
            report.fine(SUBJECT, of, milliseconds(time));
            if wish.name.is_some() && !peer.local {
                let advice = format!("start omx_check --answer there, then name its endpoint by -r (now {})", wish.remote);
                report.unknown("frames", Some(&format!("to {name}")), "nobody there says what comes", advice);
            }
        }
        Answer::Check(time) => {
            report.fine(SUBJECT, of, milliseconds(time));
            if peer.local {
                return;
            }
            let way = Way {
                backend,
                board,
                piece: frames::piece(description),
                peer: (peer.mac.nic_id(), wish.remote),
                round_trip: *time,
            };
            tell_frames(&way, &name, report);
        }
    }
}

fn tell_frames(way: &Way<'_>, name: &str, report: &mut Report) {
    let of = format!("to {name}");
    let longest = way.longest();
    let advice = format!(
        "let all switches and interfaces on the way pass frames of {longest} bytes (an MTU of {}), or give all nodes of the network \
         shorter ones (omxd --mtu, mtu= of the driver domain; at least 1500)",
        longest.saturating_sub(14)
    );
    match way.longest_that_passes() {
        Ok(Some(passes)) if passes == longest => {
            report.fine(
                "frames",
                Some(&of),
                format!("{longest} bytes pass, the longest that there are"),
            );
        }
        Ok(Some(passes)) => {
            let found = format!(
                "those of {passes} bytes pass, and the longest do not, which have {longest}"
            );
            report.to_do("frames", Some(&of), found, advice);
        }
        Ok(None) => report.to_do("frames", Some(&of), "only the shortest pass", advice),
        Err(error) => report.unknown("frames", Some(&of), error.to_string(), "run this again"),
    }
}
