//! What the users of a board are warned of: faults of the network that a receiver can know, and of the interface that it
//! listens to. A backend finds them, its log and `omx_info` say them.

use mx_wire::MacAddress;

/// A fault, by its place among a board's [`Notices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Warning {
    /// Somebody else sends from this board's address.
    OwnAddress,
    /// The network sends this board's own frames back.
    Echo,
    /// Somebody else says that its name is this board's.
    OwnName,
    /// Frames are longer, or cut otherwise, than this board's own format allows.
    OtherFormat,
    /// The interface has gone.
    Gone,
    /// The interface's frames go to a bridge instead.
    Bridged,
    /// The interface has another address than the board that was named after it.
    Moved,
    /// The interface takes shorter frames than the board sends.
    ShortMtu,
}

impl Warning {
    /// All of them.
    pub const ALL: [Self; WARNINGS] = [
        Self::OwnAddress,
        Self::Echo,
        Self::OwnName,
        Self::OtherFormat,
        Self::Gone,
        Self::Bridged,
        Self::Moved,
        Self::ShortMtu,
    ];

    /// Its word in what machines read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OwnAddress => "own-address",
            Self::Echo => "echo",
            Self::OwnName => "own-name",
            Self::OtherFormat => "other-format",
            Self::Gone => "interface-gone",
            Self::Bridged => "interface-bridged",
            Self::Moved => "interface-address",
            Self::ShortMtu => "interface-mtu",
        }
    }

    /// What is wrong, and the way out.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OwnAddress => {
                "another machine sends from this board's own address: give one of the two another"
            }
            Self::Echo => {
                "the network sends this board's own frames back: look for a loop between its switches"
            }
            Self::OwnName => {
                "another machine says that its name is this board's own: rename one of the two, and start it again; until \
                 then this name is refused, and the other is reached by its address only"
            }
            Self::OtherFormat => {
                "frames come that are longer or cut otherwise than they are here: give all nodes of the network the same \
                 frame size (mtu) and wire format (wire)"
            }
            Self::Gone => {
                "the interface is gone from this machine, or moved to another network namespace: when one of its name \
                 comes back, it is used again"
            }
            Self::Bridged => {
                "the interface has become a port of a bridge, which takes all that it receives: use the bridge instead, or \
                 take the interface out of it"
            }
            Self::Moved => {
                "the interface has got another address than the board: what is sent to the board may not arrive; give the \
                 interface its address back, or start the node again"
            }
            Self::ShortMtu => {
                "the interface takes shorter frames than all nodes of this network send: longer messages do not get \
                 through until its MTU is raised again"
            }
        }
    }
}

/// Kinds of faults.
pub const WARNINGS: usize = 8;

/// One fault: how often it was seen, and the address that it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Times; none of a fault that is not there.
    pub times: u32,
    /// Who, of the machines on the network; zeros where it is nobody in particular.
    pub about: MacAddress,
}

/// The faults of a board, by [`Warning`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices([Notice; WARNINGS]);

impl Notices {
    /// The notice of a fault.
    pub const fn get(&self, warning: Warning) -> Notice {
        self.0[warning as usize]
    }

    /// Writes the notice of a fault.
    pub const fn set(&mut self, warning: Warning, notice: Notice) {
        self.0[warning as usize] = notice;
    }

    /// Whether the fault is there.
    pub const fn has(&self, warning: Warning) -> bool {
        self.get(warning).times > 0
    }

    /// The faults that are there.
    pub fn present(&self) -> impl Iterator<Item = (Warning, Notice)> {
        let all = Warning::ALL.into_iter().zip(self.0);
        all.filter(|(_, notice)| notice.times > 0)
    }
}
