//! The interfaces of this network namespace, as the kernel tells of them by netlink.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use mx_wire::MacAddress;
use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoPortKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// The group that hears of every interface that comes, goes or changes (`RTNLGRP_LINK`).
const LINKS: u32 = 1;

/// An interface, as it was when the kernel was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, which no other interface gets while it lives, whatever it is called.
    pub index: u32,
    /// What it is called now: a name may change.
    pub name: String,
    /// Its address, if it is an Ethernet interface.
    pub mac: Option<MacAddress>,
    /// Payload bytes of a frame at most.
    pub mtu: u32,
    /// Somebody has set it up.
    pub up: bool,
    /// It has a carrier, too.
    pub running: bool,
    /// It takes frames for all addresses.
    pub promiscuous: bool,
    /// What it receives goes to the bridge of which it is a port.
    pub bridged: bool,
}

/// The kernel's news of interfaces, and questions about them.
pub struct Links {
    news: Socket,
    questions: Socket,
}

impl Links {
    /// Begins to listen.
    pub fn open() -> io::Result<Self> {
        let kernel = SocketAddr::new(0, 0);
        let mut news = Socket::new(NETLINK_ROUTE)?;
        news.bind_auto()?;
        news.add_membership(LINKS)?;
        news.set_non_blocking(true)?;
        let mut questions = Socket::new(NETLINK_ROUTE)?;
        questions.bind_auto()?;
        questions.connect(&kernel)?;
        // The kernel has answered when the question is sent.
        questions.set_non_blocking(true)?;
        Ok(Self { news, questions })
    }

    /// What is to be watched for news.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// Takes the news, which say that it is time to ask: what they tell may be old already, and some may be lost.
    pub fn take_news(&self) {
        let mut unread = [0; 1];
        loop {
            match self.news.recv(&mut &mut unread[..], 0) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// The interface of that number, if it is there.
    pub fn by_index(&self, index: u32) -> io::Result<Option<Link>> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        self.ask(question)
    }

    /// The interface of that name, if it is there.
    pub fn by_name(&self, name: &str) -> io::Result<Option<Link>> {
        let mut question = LinkMessage::default();
        let name = LinkAttribute::IfName(name.into());
        question.attributes.push(name);
        self.ask(question)
    }

    fn ask(&self, mut question: LinkMessage) -> io::Result<Option<Link>> {
        let brief = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        question.attributes.push(brief);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let payload = NetlinkPayload::from(RouteNetlinkMessage::GetLink(question));
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.questions.send(&bytes, 0)?;
        let (answer, _) = self.questions.recv_from_full()?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        match answer.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                Ok(Some(Link::from(&link)))
            }
            NetlinkPayload::Error(error) => match error.to_io() {
                gone if gone.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
                error => Err(error),
            },
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl From<&LinkMessage> for Link {
    fn from(message: &LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            up: flags.contains(LinkFlags::Up),
            running: flags.contains(LinkFlags::Running),
            promiscuous: flags.contains(LinkFlags::Promisc),
            bridged: false,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(address) => {
                    link.mac = <[u8; 6]>::try_from(&address[..]).ok().map(MacAddress);
                }
                LinkAttribute::LinkInfo(infos) => link.bridged = infos.iter().any(takes_all),
                _ => {}
            }
        }
        link
    }
}

/// Whether this says that the interface is a port of what takes all that it receives. (A bond or a team leaves it to the
/// interface's own listeners, too.)
fn takes_all(info: &LinkInfo) -> bool {
    match info {
        LinkInfo::PortKind(InfoPortKind::Bridge) => true,
        LinkInfo::PortKind(InfoPortKind::Other(kind)) => kind == "openvswitch",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_found_by_name_and_number_and_nobody_else_is() {
        let links = Links::open().unwrap();
        let by_name = links.by_name("lo").unwrap().expect("every machine has it");
        assert_eq!(by_name.name, "lo");
        assert_eq!(links.by_index(by_name.index).unwrap(), Some(by_name));
        assert_eq!(links.by_name("no-such-link").unwrap(), None);
        assert_eq!(links.by_index(0x7fff_fffe).unwrap(), None);
        links.take_news();
    }
}
