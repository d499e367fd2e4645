#![forbid(unsafe_code)]
//! Sends a frame from an interface: its name, how often, and the bytes in hexadecimal digits.

use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, sendto};
use rustix::net::{AddressFamily, SocketType};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, times, digits] = &arguments[..] else {
        panic!("frame-sender <interface> <times> <digits>");
    };
    let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let frame: Vec<u8> = (0..digits.len()).step_by(2).map(digit).collect();
    let mut interfaces = nix::ifaddrs::getifaddrs().expect("the interfaces");
    let address = interfaces.find_map(|interface| {
        let address = *interface.address?.as_link_addr()?;
        (interface.interface_name == *name).then_some(address)
    });
    let address = address.expect("an interface of that name");
    let socket = rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None);
    let socket = socket.expect("leave to send frames");
    for _ in 0..times.parse().expect("a number") {
        let sent = sendto(socket.as_raw_fd(), &frame, &address, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }
}
