//! A broker that was built without ROS. None of these types has a value, so no function here can run.

#![allow(clippy::unused_self, reason = "the same signatures as with ROS")]

use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::time::Duration;

use iceway_bus::TopicName;
use iceway_msg::TypeName;

use super::{QosWish, Report, RosTopic};
use crate::refusal::Refusal;

pub(crate) trait TakeSink {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]>;
}

pub(crate) struct MessageInfo {
    pub(crate) source_ns: i64,
    pub(crate) received_ns: i64,
    pub(crate) publication_seq: u64,
    pub(crate) gid: [u8; 24],
}

#[allow(dead_code, reason = "without ROS nothing is ever taken")]
pub(crate) enum Taken {
    Message { len: usize, info: MessageInfo },
    Refused { len: usize },
    Echo,
    Empty,
}

#[allow(dead_code, reason = "without ROS nothing ever happens")]
pub(crate) enum Wake {
    GraphChanged,
    Report(Vec<Report>),
    Stopped,
}

pub(crate) struct RosSide(Infallible);
#[derive(Clone)]
pub(crate) struct RosType(Infallible);
pub(crate) struct RosSubscription(Infallible);
pub(crate) struct RosPublisher(Infallible);

impl RosSide {
    pub(crate) fn start(_ros_args: &[String]) -> anyhow::Result<Self> {
        anyhow::bail!(
            "this iceway was built without ROS. Build it with ROS sourced (cargo build --release -p iceway --features ros, or make setup), \
             or run it with --no-ros to connect AI processes only."
        )
    }
    pub(crate) fn describe(&self) -> String {
        match self.0 {}
    }
    pub(crate) fn resolve(&self, _name: &str) -> Result<TopicName, String> {
        match self.0 {}
    }
    pub(crate) fn topics(&self) -> Vec<RosTopic> {
        match self.0 {}
    }
    pub(crate) fn log(&self, _level: tracing::Level, _message: &str) {
        match self.0 {}
    }
    pub(crate) fn types(&self, _name: &TopicName) -> Vec<TypeName> {
        match self.0 {}
    }
    pub(crate) fn load_type(
        &self,
        _name: &TypeName,
    ) -> Result<(RosType, Vec<(TypeName, String)>), Refusal> {
        match self.0 {}
    }
    pub(crate) fn subscribe(
        &self,
        _topic: &TopicName,
        _type: &RosType,
        _wish: QosWish,
        _on_message: Box<dyn Fn() + Send + Sync>,
    ) -> Result<RosSubscription, Refusal> {
        match self.0 {}
    }
    pub(crate) fn publisher(
        &self,
        _topic: &TopicName,
        _type: &RosType,
        _wish: QosWish,
    ) -> Result<RosPublisher, Refusal> {
        match self.0 {}
    }
    pub(crate) fn is_latched(&self, _topic: &TopicName, _wish: QosWish) -> Option<usize> {
        match self.0 {}
    }
    pub(crate) fn wait(&self) -> Wake {
        match self.0 {}
    }
    pub(crate) fn stop(&self) {
        match self.0 {}
    }
}

impl RosSubscription {
    pub(crate) fn take(&self, _sink: &mut dyn TakeSink) -> Result<Taken, String> {
        match self.0 {}
    }
    pub(crate) fn still_fits(&self, _ros: &RosSide, _topic: &TopicName) -> bool {
        match self.0 {}
    }
    pub(crate) fn qos(&self) -> String {
        match self.0 {}
    }
}

impl RosPublisher {
    pub(crate) fn publish(&self, _cdr: &[u8]) -> Result<(), String> {
        match self.0 {}
    }
    pub(crate) fn wait_for_all_acked(&self, _timeout: Duration) {
        match self.0 {}
    }
    pub(crate) fn wait_for_subscriptions(
        &self,
        _ros: &RosSide,
        _topic: &TopicName,
        _timeout: Duration,
    ) {
        match self.0 {}
    }
    pub(crate) fn qos(&self) -> String {
        match self.0 {}
    }
}
