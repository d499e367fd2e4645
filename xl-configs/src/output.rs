//! How `list` looks: the columns of `xl network-list`.

use crate::device::Listed;

/// The heading and a line per device.
pub fn table(devices: &[Listed]) -> String {
    let mut text = format!(
        "{:<3} {:<2} {:<17} {:>6} {:>5} {:>6} {:>8} {}\n",
        "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "ring-ref", "BE-path"
    );
    let number = |value: Option<u32>| value.map_or_else(|| "-1".into(), |value| value.to_string());
    for d in devices {
        text.push_str(&format!(
            "{:<3} {:<2} {:<17} {:>6} {:>5} {:>6} {:>8} {}\n",
            d.index,
            d.backend_id,
            d.mac,
            d.index,
            d.state as u8,
            number(d.event_channel),
            number(d.ring_ref),
            d.backend_path
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::State;

    #[test]
    fn a_device_without_rings_shows_minus_one_as_xl_does() {
        let listed = Listed {
            index: 0,
            backend_id: 1,
            mac: "00:16:3e:00:00:01".into(),
            state: State::Initialising,
            event_channel: None,
            ring_ref: None,
            backend_path: "/local/domain/1/backend/omx/2/0".into(),
        };
        let text = table(&[listed]);
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            [
                "0",
                "1",
                "00:16:3e:00:00:01",
                "0",
                "1",
                "-1",
                "-1",
                "/local/domain/1/backend/omx/2/0"
            ]
        );
    }
}
