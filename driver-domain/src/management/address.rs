//! Which address the domain is managed by.

use core::fmt;

use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// How the management address is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// From the network's DHCP server.
    Dhcp,
    /// A fixed one, with the router for other networks.
    Static(Ipv4Cidr, Option<Ipv4Address>),
}

impl Address {
    /// Reads `dhcp`, `<address>/<prefix>` or `<address>/<prefix>,<router>`; `None` for anything else, and for an address
    /// that no host can have.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "dhcp" {
            return Some(Self::Dhcp);
        }
        let (own, router) = match text.split_once(',') {
            Some((own, router)) => (own, Some(router.parse::<Ipv4Address>().ok()?)),
            None => (text, None),
        };
        let (address, prefix) = own.split_once('/')?;
        let prefix: u8 = prefix.parse().ok()?;
        let address: Ipv4Address = address.parse().ok()?;
        if prefix > 32 {
            return None;
        }
        let own = Ipv4Cidr::new(address, prefix);
        let fits = is_hosts(own)
            && router.is_none_or(|router| router != address && own.contains_addr(&router));
        fits.then_some(Self::Static(own, router))
    }
}

/// The address that the domain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// With the length of its network's prefix.
    pub address: Ipv4Cidr,
    /// The router for other networks.
    pub router: Option<Ipv4Address>,
    /// It came by DHCP.
    pub leased: bool,
}

impl Own {
    /// What a DHCP server gave; a router that is no neighbour is none.
    pub fn leased(address: Ipv4Cidr, router: Option<Ipv4Address>) -> Self {
        let reached =
            |router: &Ipv4Address| *router != address.address() && address.contains_addr(router);
        Self {
            address,
            router: router.filter(reached),
            leased: true,
        }
    }
}

/// `<address>/<prefix> static` or `dhcp`, and the router, if there is one.
impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.leased { "dhcp" } else { "static" };
        write!(f, "{} {how}", self.address)?;
        self.router
            .map_or(Ok(()), |router| write!(f, " router {router}"))
    }
}

/// Whether a host can have this address.
pub fn is_hosts(own: Ipv4Cidr) -> bool {
    let address = own.address();
    let reserved = address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback();
    // The first and the last address of a network are nobody's, where it has others.
    let edges = own.prefix_len() < 31
        && (own.network().address() == address || own.broadcast() == Some(address));
    !reserved && !edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_hosts_are_taken_and_others_are_not() {
        let own = Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 5), 24);
        assert_eq!(Address::parse("dhcp"), Some(Address::Dhcp));
        assert_eq!(
            Address::parse("10.0.0.5/24"),
            Some(Address::Static(own, None))
        );
        let router = Ipv4Address::new(10, 0, 0, 1);
        assert_eq!(
            Address::parse("10.0.0.5/24,10.0.0.1"),
            Some(Address::Static(own, Some(router)))
        );
        for bad in [
            "",
            "10.0.0.5",
            "10.0.0.5/33",
            "10.0.0.0/24",
            "10.0.0.255/24",
            "0.0.0.0/0",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "255.255.255.255/32",
            "10.0.0.5/24,",
            "10.0.0.5/24,10.0.1.1",
            "10.0.0.5/24,10.0.0.5",
            "10.0.0.5.6/24",
            "DHCP",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_none(text in "[0-9./,dhcp]{0,24}") {
            if let Some(Address::Static(own, _)) = Address::parse(&text) {
                prop_assert!(is_hosts(own));
            }
        }
    }
}
