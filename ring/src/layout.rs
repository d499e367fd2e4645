//! Where everything lies in an endpoint's shared pages. The sizes are chosen at open, within limits.

use crate::Descriptor;

/// Bytes of a page, here and under Xen.
pub const PAGE_SIZE: usize = 4096;

/// Receive space is handed out in pieces of this many bytes, one cache line.
pub const GRANULE: u32 = 64;

/// Queue entries of an endpoint where nobody asks for another number.
pub const QUEUE_ENTRIES: u16 = 256;
/// The fewest queue entries of an endpoint.
pub const QUEUE_ENTRIES_MIN: u16 = 64;
/// The most: more pages than these need, 3331, cannot be granted at once.
pub const QUEUE_ENTRIES_MAX: u16 = 2048;

/// Sizes of an endpoint's queues. All are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Geometry {
    /// Entries of the command queue, 64 to 4096. Each has a command-data slot of 128 bytes.
    pub commands: u32,
    /// Entries of the unexpected event queue, 64 to 16384.
    pub unexpected: u32,
    /// Entries of the expected event queue, 64 to 4096.
    pub expected: u32,
    /// Bytes of the transmit area, 64 KiB to 16 MiB.
    pub transmit: u32,
    /// Bytes of the receive ring, 64 KiB to 16 MiB.
    pub receive: u32,
}

impl Default for Geometry {
    /// 419 pages, 1.64 MiB (interfaces §2).
    fn default() -> Self {
        Self::in_proportion(QUEUE_ENTRIES.into())
    }
}

impl Geometry {
    /// The sizes for a number of queue entries, as people choose it: so many commands, and everything else in the
    /// proportion of the default. `None` unless it is a power of two from [`QUEUE_ENTRIES_MIN`] to [`QUEUE_ENTRIES_MAX`].
    pub fn of_entries(entries: u32) -> Option<Self> {
        let possible = u32::from(QUEUE_ENTRIES_MIN)..=QUEUE_ENTRIES_MAX.into();
        (entries.is_power_of_two() && possible.contains(&entries))
            .then(|| Self::in_proportion(entries))
    }

    const fn in_proportion(entries: u32) -> Self {
        Self {
            commands: entries,
            unexpected: 4 * entries,
            expected: entries,
            transmit: (2 << 10) * entries,
            receive: (4 << 10) * entries,
        }
    }
}

/// Which size of a [`Geometry`] cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// A queue or area is not a power of two, or outside of its limits; its name and the size that was asked for.
    #[error("a {0} of {1} is not a power of two within its limits")]
    Size(&'static str, u32),
}

/// Offsets in bytes of the parts of an endpoint's W area and R area, for a checked [`Geometry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointLayout {
    geometry: Geometry,
}

impl EndpointLayout {
    /// W area: page 0 holds the process's indices, page 1 its windows.
    pub const WINDOWS: usize = PAGE_SIZE;
    /// W area: where the commands start.
    pub const COMMANDS: usize = 2 * PAGE_SIZE;
    /// R area: page 0 holds the backend's indices and the status; the unexpected events follow.
    pub const UNEXPECTED: usize = PAGE_SIZE;
    /// Bytes of a command-data slot.
    pub const COMMAND_DATA_SIZE: usize = mx_wire::SMALL_MAX;
    /// Windows of an endpoint.
    pub const WINDOW_COUNT: usize = 256;
    /// Bytes of a window entry.
    pub const WINDOW_SIZE: usize = 16;

    /// Of a lane of an inbox ([`crate::inbox`]).
    pub(crate) const LANE: Self = Self {
        geometry: Geometry {
            commands: 64,
            unexpected: 256,
            expected: 64,
            transmit: 64 << 10,
            receive: 128 << 10,
        },
    };

    /// Checks the sizes.
    pub fn new(geometry: Geometry) -> Result<Self, GeometryError> {
        let within = |name, size: u32, min: u32, max: u32| {
            if size.is_power_of_two() && (min..=max).contains(&size) {
                Ok(())
            } else {
                Err(GeometryError::Size(name, size))
            }
        };
        within("command queue", geometry.commands, 64, 4096)?;
        within("unexpected queue", geometry.unexpected, 64, 16384)?;
        within("expected queue", geometry.expected, 64, 4096)?;
        within("transmit area", geometry.transmit, 64 << 10, 16 << 20)?;
        within("receive ring", geometry.receive, 64 << 10, 16 << 20)?;
        Ok(Self { geometry })
    }

    /// The sizes that the layout follows from.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// W area: where the command-data slots start.
    pub const fn command_data(&self) -> usize {
        Self::COMMANDS + self.geometry.commands as usize * Descriptor::SIZE
    }
    /// W area: where the transmit area starts.
    pub const fn transmit(&self) -> usize {
        self.command_data() + self.geometry.commands as usize * Self::COMMAND_DATA_SIZE
    }
    /// Bytes of the W area, whole pages.
    pub const fn w_size(&self) -> usize {
        self.transmit() + self.geometry.transmit as usize
    }
    /// R area: where the expected events start.
    pub const fn expected(&self) -> usize {
        Self::UNEXPECTED + self.geometry.unexpected as usize * Descriptor::SIZE
    }
    /// R area: where the receive ring starts.
    pub const fn receive(&self) -> usize {
        self.expected() + self.geometry.expected as usize * Descriptor::SIZE
    }
    /// Bytes of the R area, whole pages.
    pub const fn r_size(&self) -> usize {
        self.receive() + self.geometry.receive as usize
    }
}

const _: () = {
    let default = EndpointLayout {
        geometry: Geometry::in_proportion(QUEUE_ENTRIES as u32),
    };
    assert!(default.w_size() / PAGE_SIZE + default.r_size() / PAGE_SIZE == 419);
    assert!(
        default.w_size().is_multiple_of(PAGE_SIZE) && default.r_size().is_multiple_of(PAGE_SIZE)
    );
};
