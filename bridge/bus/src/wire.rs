//! What lies in shared memory: the frame header and the table of acknowledgements, as iceoryx2 types.
#![allow(unsafe_code)]

use iceoryx2::prelude::ZeroCopySend;
use iceway_msg::frame::FrameHeader;

use crate::ack::AckTable;
use crate::service::Ipc;

pub(crate) type IoxPublisher = iceoryx2::port::publisher::Publisher<Ipc, [u8], WireHeader>;
pub(crate) type IoxSubscriber = iceoryx2::port::subscriber::Subscriber<Ipc, [u8], WireHeader>;
pub(crate) type IoxSample = iceoryx2::sample::Sample<Ipc, [u8], WireHeader>;
pub(crate) type IoxLoan =
    iceoryx2::sample_mut_uninit::SampleMutUninit<Ipc, [std::mem::MaybeUninit<u8>], WireHeader>;
pub(crate) type IoxFilled = iceoryx2::sample_mut::SampleMut<Ipc, [u8], WireHeader>;
pub(crate) type IoxChannel =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<Ipc, [u8], WireHeader>;
pub(crate) type IoxEvent = iceoryx2::service::port_factory::event::PortFactory<Ipc>;
pub(crate) type IoxAck =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<Ipc, AckTable, ()>;

/// [`FrameHeader`] as iceoryx2's user header.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WireHeader(pub(crate) FrameHeader);

// SAFETY: `FrameHeader` is `repr(C)` and `Pod`: plain integers without pointers, handles or padding, of a
// layout that is asserted at compile time. The wrapper is transparent. The name changes with the version.
unsafe impl ZeroCopySend for WireHeader {
    unsafe fn type_name() -> &'static str {
        const { assert!(iceway_msg::frame::FRAME_VERSION == 1) }
        "iceway::FrameHeader.1"
    }
}

// SAFETY: `AckTable` is `repr(C)`, made of integers only, and of a layout asserted at compile time.
unsafe impl ZeroCopySend for AckTable {
    unsafe fn type_name() -> &'static str {
        "iceway::AckTable.1"
    }
}
