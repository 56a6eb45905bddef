//! What tests of routes run on: a broker's parts, and a ROS node of somebody else, in one process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iceway_bus::control::Role;
use iceway_bus::{BusNode, Domain, Limits, TopicName};
use iceway_ros::{Context, TypeSupport};

use super::{Route, Site};
use crate::config::{BULK_LANE, Direction, FAST_LANE, LaneOptions, RouteOptions};
use crate::lanes::Lanes;
use crate::ros::{QosWish, RosSide};
use crate::types::Types;

pub(super) const TYPE: &str = "std_msgs/msg/UInt8MultiArray";
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must become true.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A message whose data has `len` bytes.
pub(super) fn message(len: usize) -> Vec<u8> {
    // An empty layout (no dimensions, offset 0), then the data.
    let mut cdr = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    cdr.extend(u32::try_from(len).unwrap().to_le_bytes());
    cdr.resize(cdr.len() + len, 7);
    cdr
}

/// A broker's parts, and a ROS node of somebody else.
pub(super) struct Bed {
    _folder: tempfile::TempDir,
    domain: Domain,
    node: BusNode,
    pub(super) ros: RosSide,
    pub(super) lanes: Lanes,
    pub(super) other: Arc<Context>,
    pub(super) support: Arc<TypeSupport>,
}

impl Bed {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("iwa")
            .tempdir_in("/tmp")
            .unwrap();
        let domain = Domain::new(0, folder.path()).unwrap();
        let lanes = [FAST_LANE, BULK_LANE].map(|name| LaneOptions {
            name: name.into(),
            threads: 1,
        });
        Self {
            node: BusNode::new(&domain, "broker", &Limits::default()).unwrap(),
            domain,
            ros: RosSide::start(&[]).expect("the ROS environment"),
            lanes: Lanes::start(&lanes).unwrap(),
            other: Context::new(&[], "somebody_else", "").unwrap(),
            support: TypeSupport::load(&TYPE.parse().unwrap()).unwrap(),
            _folder: folder,
        }
    }

    /// A route that a client wants in this role.
    pub(super) fn route(&self, name: &str, role: Role) -> Route {
        let topic: TopicName = format!("/{name}_{}", std::process::id()).parse().unwrap();
        let site = self.site();
        let found = Types::default().get(&TYPE.parse().unwrap(), None, site.ros);
        let route = Route::new(&site, topic, found.unwrap(), OPTIONS).unwrap();
        route.acquire(&site, role, QosWish::default()).unwrap();
        route
    }

    pub(super) fn site(&self) -> Site<'_> {
        Site {
            node: &self.node,
            ros: Some(&self.ros),
            lanes: &self.lanes,
        }
    }

    /// Another process's participant.
    pub(super) fn client(&self) -> BusNode {
        BusNode::new(&self.domain, "client", &Limits::default()).unwrap()
    }
}

const OPTIONS: RouteOptions = RouteOptions {
    direction: Direction::Both,
    depth: None,
    reliability: None,
    durability: None,
    min_period: None,
    max_message_bytes: None,
    lane: None,
};
