//! What a reader gets.

use crate::domain::Domain;
use crate::link::Link;

#[test]
fn prometheus_reads_numbers_by_name() {
    let mut link = Link::new(Domain {
        boards: 3,
        peers: 7,
    });
    let answer = link.get(4001, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for line in [
        "xen2mx_running_seconds_total 90.000000",
        "xen2mx_asleep_seconds_total 1.500000",
        "xen2mx_link_up 1",
        "xen2mx_card_total{what=\"received_frames\"} 11",
        "xen2mx_board_peers{board=\"guest2<b>\\\":0\",mac=\"00:16:3e:00:00:02\"} 7",
        "xen2mx_board_warnings{board=\"guest1<b>\\\":0\",mac=\"00:16:3e:00:00:01\"} 1",
        "xen2mx_guest_held{board=\"guest1<b>\\\":0\",mac=\"00:16:3e:00:00:01\",what=\"endpoints\"} 101",
        "xen2mx_guest_limit{board=\"guest1<b>\\\":0\",mac=\"00:16:3e:00:00:01\",what=\"heap\"} 20005",
        "xen2mx_guest_refused_total{board=\"guest1<b>\\\":0\",mac=\"00:16:3e:00:00:01\",what=\"log-lines\"} 8",
        "xen2mx_board_counter_total{board=\"guest0<b>\\\":0\",counter=\"Send Tiny\"} 42",
    ] {
        assert!(body.lines().any(|other| other == line), "{line}\n{body}");
    }
    // Each line is a comment or a name with labels and a number.
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("xen2mx_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn a_page_of_many_boards_and_peers_arrives_whole_and_names_are_no_markup() {
    let mut link = Link::new(Domain {
        boards: 20,
        peers: 300,
    });
    let answer = link.get(4001, "/");
    assert!(answer.len() > 200_000, "{}", answer.len());
    assert!(answer.trim_end().ends_with("</html>"));
    assert_eq!(answer.matches("<h2 id=\"guest").count(), 20);
    assert_eq!(answer.matches("&lt;script&gt;peer299").count(), 20);
    assert!(!answer.contains("<script") && !answer.contains("<b>"));
    let limited = "<th scope=\"row\">mapped pages<td>103<td>20\u{202f}003<td>3";
    assert_eq!(answer.matches(limited).count(), 20);
    let warned = "says that its name is this board's own";
    assert_eq!(answer.matches(warned).count(), 20);
    assert!(answer.contains("<code>02:00:00:00:00:09</code><td>1\u{202f}234"));
    assert!(answer.contains("class=\"drop\"><th scope=\"row\">Drop Bad Peer Addr<td>5"));
}
