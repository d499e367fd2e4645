//! Long messages without the memory for them; the longest one is sent by the program `longest`.

use std::time::Duration;

use mx_ring::Geometry;
use mx_testnet::Faults;
use mx_wire::Format;
use sim::{BoardPlace, Carried, Fabric, carry};

#[test]
fn each_byte_of_a_long_message_is_written_once_to_its_place() {
    for format in [Format::native(9000).unwrap(), Format::mx_wire()] {
        for length in [5_000_000, 30_000_001] {
            let mut fabric = Fabric::new(format, &[1, 1], Faults::default(), 1);
            for backend in [0, 1] {
                let place = BoardPlace { backend, board: 0 };
                fabric.open(place, 0, 1 + backend as u32, Geometry::default());
            }
            let carried = carry(&mut fabric, length, Duration::from_secs(60));
            assert_eq!(carried, Carried::whole(length));
        }
    }
}
