//! The control protocol: one JSON object per line over the broker's Unix socket.
//!
//! The client speaks first: [`Op::Hello`]. Each request has an `id`; the answer has the same `id` and either `ok` or
//! `error`. The broker may send [`Event`]s at any time. The connection is the client's lease: when it ends,
//! the client's demand ends.
//!
//! ```text
//! > {"id":1,"op":"hello","protocol":1,"version":"0.1.0","iceoryx2":"0.10.0","pid":42,"name":"detector","participant":77}
//! < {"id":1,"ok":{"reply":"hello", …}}
//! > {"id":2,"op":"subscribe","topic":"/camera/image_raw","depth":1}
//! < {"id":2,"error":{"code":"unknown_topic","message":"…"}}
//! ```

mod codec;
mod hello;
mod messages;
mod server;

pub use codec::{CodecError, LineReader, MAX_REPLY_BYTES, MAX_REQUEST_BYTES, encode_line};
pub use hello::check_hello;
pub use messages::{
    Durability, ErrorBody, ErrorCode, Event, Hello, HelloReply, History, Op, Outcome, Qos,
    Reliability, Reply, Request, Response, Role, RouteReply, RouteStats, ServerMessage, Severity,
    StatsReply, TopicInfo, TypeReply, WriterCounts,
};
pub use server::{Connection, Incoming, Listener, ResponseWriter};

/// Version of the protocol; broker and client must have the same.
pub const PROTOCOL: u32 = 1;
