//! The counters of a board, as Open-MX numbers and labels them (protocol.md §15).

// Why some counters stay zero.
const NO_USER_MEMORY: &str = "medium messages go through the send queue alone";
const NO_DMA_ENGINE: &str = "what is received is copied by a processor";
const NO_SOCKET_BUFFER: &str = "a frame lies in one piece";
const NO_DEFERRED_EVENT: &str = "a fragment that was sent needs no memory for its event";

/// Number and label of every counter, in one place; of those that never rise, why.
macro_rules! counters {
    ($($index:literal $name:ident $label:literal $(never $why:ident)?)*) => {
        /// A counter of a board. The discriminant is its index in the counters page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Counter {
            $(#[doc = $label] $name = $index,)*
        }

        impl Counter {
            /// All counters, in the order of their indices.
            pub const ALL: [Self; 85] = [$(Self::$name,)*];

            /// The words that Open-MX's tools print for it.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// Of a counter for what there is only in the original: why it stays zero.
            pub const fn never(self) -> Option<&'static str> {
                match self {
                    $($(Self::$name => Some($why),)?)*
                    _ => None,
                }
            }
        }
    };
}

counters! {
    0 SendTiny "Send Tiny"
    1 SendSmall "Send Small"
    2 SendMediumSqFrag "Send MediumSQ Frag"
    3 SendMediumVaFrag "Send MediumVA Frag" never NO_USER_MEMORY
    4 SendRndv "Send Rndv"
    5 SendNotify "Send Notify"
    6 SendConnectRequest "Send Connect Request"
    7 SendConnectReply "Send Connect Reply"
    8 SendLibAck "Send LibAck"
    9 SendNackLib "Send Nack Lib"
    10 SendNackMcp "Send Nack MCP"
    11 SendPullRequest "Send Pull Request"
    12 SendPullReply "Send Pull Reply"
    13 SendRaw "Send Raw"
    14 SendHostQuery "Send Host Query"
    15 SendHostReply "Send Host Reply"
    16 RecvTiny "Recv Tiny"
    17 RecvSmall "Recv Small"
    18 RecvMediumFrag "Recv Medium Frag"
    19 RecvRndv "Recv Rndv"
    20 RecvNotify "Recv Notify"
    21 RecvConnectRequest "Recv Connect Request"
    22 RecvConnectReply "Recv Connect Reply"
    23 RecvLibAck "Recv LibAck"
    24 RecvNackLib "Recv Nack Lib"
    25 RecvNackMcp "Recv Nack MCP"
    26 RecvPullRequest "Recv Pull Request"
    27 RecvPullReply "Recv Pull Reply"
    28 RecvRaw "Recv Raw"
    29 RecvHostQuery "Recv Host Query"
    30 RecvHostReply "Recv Host Reply"
    31 DmaRecvMediumFrag "DMA Recv Medium Frag" never NO_DMA_ENGINE
    32 DmaRecvMediumFragOnlyPartial "DMA Recv Medium Frag Only Partial" never NO_DMA_ENGINE
    33 DmaRecvPullReply "DMA Recv Pull Reply" never NO_DMA_ENGINE
    34 DmaRecvPullReplyOnlyPartial "DMA Recv Pull Reply Only Partial" never NO_DMA_ENGINE
    35 DmaRecvPullReplyWithDeferredWait "DMA Recv Pull Reply with Deferred Wait" never NO_DMA_ENGINE
    36 RecvOpenMxHeaderAsNonLinear "Recv Open-MX Header as Non-Linear" never NO_SOCKET_BUFFER
    37 ExpectedEventQueueFull "Expected Event Queue Full"
    38 UnexpectedEventQueueFull "Unexpected Event Queue Full"
    39 SendSkbuffAllocFailed "Send Skbuff Alloc Failed"
    40 SendMediumDeferredEventAllocFailed "Send Medium Deferred Event Alloc Failed" never NO_DEFERRED_EVENT
    41 MediumSqFragSentAsLinear "MediumSQ Frag Sent as Linear" never NO_SOCKET_BUFFER
    42 PullNonFirstBlockDoneBeforeFirstOne "Pull Non-First Block Done before First One"
    43 PullRequestForNotOnlyTheFirstBlockAtOnce "Pull Request for Not Only the First Block at Once"
    44 PullTimeoutHandlerRequestsFirstBlock "Pull Timeout Handler Requests First Block"
    45 PullTimeoutHandlerRequestsNonFirstBlock "Pull Timeout Handler Requests Non-First Block"
    46 PullTimeoutAbort "Pull Timeout Abort"
    47 PullReplySentAsLinear "Pull Reply Sent as Linear" never NO_SOCKET_BUFFER
    48 PullReplyRecvFillPagesFailed "Pull Reply Recv Fill Pages Failed"
    49 DropBadDataLengthForHeaders "Drop Bad Data Length for Headers"
    50 DropBadDataLength "Drop Bad Data Length"
    51 DropBadSkbuffLength "Drop Bad Skbuff Length"
    52 DropBadPeerAddr "Drop Bad Peer Addr"
    53 DropBadPeerIndex "Drop Bad Peer Index"
    54 DropBadEndpoint "Drop Bad Endpoint"
    55 DropBadSession "Drop Bad Session"
    56 DropPullBadNumberOfReplies "Drop Pull Bad Number of Replies"
    57 DropPullBadRegion "Drop Pull Bad Region"
    58 DropPullBadOffsetOrLength "Drop Pull Bad Offset or Length"
    59 DropPullReplyBadEndpointInMagic "Drop Pull Reply Bad Endpoint in Magic"
    60 DropPullReplyBadWireHandle "Drop Pull Reply Bad Wire Handle"
    61 DropPullReplyBadFrameSeqnumWrapAround "Drop Pull Reply Bad Frame SeqNum WrapAround"
    62 DropPullReplyBadFrameSeqnum "Drop Pull Reply Bad Frame SeqNum"
    63 DropPullReplyDuplicate "Drop Pull Reply Duplicate"
    64 DropNackMcpBadEndpointInMagic "Drop Nack MCP Bad Endpoint in Magic"
    65 DropNackMcpBadWireHandle "Drop Nack MCP Bad Wire Handle"
    66 DropHostReplyWithBadMagic "Drop Host Reply with Bad Magic"
    67 DropRawQueueFull "Drop Raw Queue Full"
    68 DropRawPacketTooLarge "Drop Raw Packet Too Large"
    69 DropNotImplementedPacketType "Drop Not Implemented Packet Type"
    70 DropInvalidPacketType "Drop Invalid Packet Type"
    71 DropUnknownPacketType "Drop Unknown Packet Type"
    72 SharedTiny "Shared Tiny"
    73 SharedSmall "Shared Small"
    74 SharedMediumSqFrag "Shared MediumSQ Frag"
    75 SharedMediumVa "Shared MediumVA" never NO_USER_MEMORY
    76 SharedRndv "Shared Rndv"
    77 SharedNotify "Shared Notify"
    78 SharedConnectRequest "Shared Connect Request"
    79 SharedConnectReply "Shared Connect Reply"
    80 SharedLibAck "Shared LibAck"
    81 SharedPull "Shared Pull"
    82 DmaSharedMediumFrag "DMA Shared Medium Frag" never NO_DMA_ENGINE
    83 DmaSharedLarge "DMA Shared Large" never NO_DMA_ENGINE
    84 DmaSharedLargeOnlyPartial "DMA Shared Large only Partial" never NO_DMA_ENGINE
}

impl Counter {
    /// Its index in the counters page.
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_counter_is_its_place_in_the_list() {
        for (place, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter.index(), place, "{}", counter.label());
        }
    }

    #[test]
    fn no_two_counters_share_a_label() {
        for (place, counter) in Counter::ALL.iter().enumerate() {
            for other in &Counter::ALL[..place] {
                assert_ne!(counter.label(), other.label());
            }
        }
    }
}
