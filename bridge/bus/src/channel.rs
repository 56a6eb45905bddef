//! The channel of a topic: a publish-subscribe service, and an event service of the same name.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use iceoryx2::prelude::{AttributeSpecifier, PortFactory, SemanticString};
use iceoryx2::service::attribute::{AttributeKey, AttributeSet, AttributeValue};
use iceoryx2::service::builder::publish_subscribe::{
    PublishSubscribeCreateError, PublishSubscribeOpenError,
};
use iceway_msg::{TypeHash, TypeName};

use crate::ack::{AckReader, Acker};
use crate::domain::service_name;
use crate::error::BusError;
use crate::event::{self, FLUX, Listener, Notifier};
use crate::fork::ForkGuard;
use crate::node::NodeCore;
use crate::publisher::{Publisher, PublisherOptions};
use crate::subscriber::{Subscriber, SubscriberOptions};
use crate::topic::TopicName;
use crate::wire::{IoxChannel, IoxEvent, WireHeader};

/// What a channel takes in /dev/shm at most.
const CHANNEL_BYTES: u64 = 256 << 10;

const TYPE: &[u8] = b"type";
const HASH: &[u8] = b"hash";
const MAX_BYTES: &[u8] = b"max_message_bytes";

/// What a channel carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// The type.
    pub type_name: TypeName,
    /// Its RIHS01 hash; [`TypeHash::UNKNOWN`] where ROS does not tell (it then matches every hash).
    pub type_hash: TypeHash,
    /// Largest message in bytes: the exact maximum of a bounded type, else `limits.max_message_bytes`.
    pub max_message_bytes: u64,
}

/// Ports of a channel, over all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// Publisher ports.
    pub publishers: usize,
    /// Subscriber ports.
    pub subscribers: usize,
}

/// An open channel. Ports stay valid when it is dropped; the channel ends with its last user. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Channel {
    core: Arc<ChannelCore>,
}

#[derive(Debug)]
pub(crate) struct ChannelCore {
    pub(crate) frames: ForkGuard<IoxChannel>,
    pub(crate) events: ForkGuard<IoxEvent>,
    pub(crate) node: Arc<NodeCore>,
    pub(crate) topic: TopicName,
    spec: ChannelSpec,
}

fn key(name: &[u8]) -> Result<AttributeKey, BusError> {
    AttributeKey::new(name).map_err(|e| BusError::iceoryx("naming an attribute", e))
}

fn attributes(spec: &ChannelSpec) -> Result<AttributeSpecifier, BusError> {
    let values = [
        (TYPE, spec.type_name.to_string()),
        (HASH, spec.type_hash.to_string()),
        (MAX_BYTES, spec.max_message_bytes.to_string()),
    ];
    values
        .into_iter()
        .try_fold(AttributeSpecifier::new(), |set, (name, value)| {
            let value = AttributeValue::new(value.as_bytes()).map_err(|e| {
                BusError::iceoryx("describing a channel (its type's name is too long)", e)
            })?;
            set.define(&key(name)?, &value)
                .map_err(|e| BusError::iceoryx("describing a channel", e))
        })
}

fn spec_of(attributes: &AttributeSet) -> Result<ChannelSpec, BusError> {
    let value = |name| {
        let found = attributes.key_value(&key(name)?, 0);
        let text = found.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        text.map(str::to_owned)
            .ok_or_else(|| BusError::iceoryx("opening a channel", "it was not created by iceway"))
    };
    let invalid =
        |e: &dyn std::fmt::Display| BusError::iceoryx("reading a channel's type", e.to_string());
    Ok(ChannelSpec {
        type_name: value(TYPE)?.parse().map_err(|e| invalid(&e))?,
        type_hash: value(HASH)?.parse().map_err(|e| invalid(&e))?,
        max_message_bytes: value(MAX_BYTES)?.parse().map_err(|e| invalid(&e))?,
    })
}

impl Channel {
    pub(crate) fn create(
        node: &Arc<NodeCore>,
        topic: &TopicName,
        spec: &ChannelSpec,
    ) -> Result<Self, BusError> {
        node.check_process()?;
        node.space().require_for("a channel", CHANNEL_BYTES)?;
        let name = service_name(&node.domain().channel_name(topic))?;
        let limits = node.limits();
        let attributes = attributes(spec)?;
        let start = Instant::now();
        loop {
            let created = node
                .lock()
                .service_builder(&name)
                .publish_subscribe::<[u8]>()
                .user_header::<WireHeader>()
                .max_subscribers(limits.subscribers)
                .max_publishers(limits.publishers)
                .max_nodes(limits.nodes)
                .subscriber_max_buffer_size(limits.buffer)
                .subscriber_max_borrowed_samples(limits.borrowed)
                .history_size(0)
                .enable_safe_overflow(true)
                .create_with_attributes(&attributes);
            match created {
                Ok(frames) => return Self::finish(node, topic, frames),
                Err(PublishSubscribeCreateError::AlreadyExists) => {
                    match Self::open(node, topic) {
                        Ok(channel) => return channel.check_type(spec),
                        Err(BusError::NoChannel { .. }) if start.elapsed() < FLUX => {}
                        Err(error) => return Err(error),
                    };
                }
                Err(
                    PublishSubscribeCreateError::IsBeingCreatedByAnotherInstance
                    | PublishSubscribeCreateError::HangsInCreation,
                ) if start.elapsed() < FLUX => {}
                Err(error) => return Err(BusError::iceoryx("creating a channel", error)),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn check_type(self, spec: &ChannelSpec) -> Result<Self, BusError> {
        let existing = &self.core.spec;
        let hashes_differ = existing.type_hash != spec.type_hash
            && !existing.type_hash.is_unknown()
            && !spec.type_hash.is_unknown();
        if existing.type_name != spec.type_name || hashes_differ {
            return Err(BusError::TypeConflict {
                topic: self.core.topic.to_string(),
                existing: existing.type_name.to_string(),
                existing_hash: existing.type_hash.to_string(),
                requested: spec.type_name.to_string(),
                requested_hash: spec.type_hash.to_string(),
            });
        }
        Ok(self)
    }

    pub(crate) fn open(node: &Arc<NodeCore>, topic: &TopicName) -> Result<Self, BusError> {
        node.check_process()?;
        node.space().require_for("a channel", CHANNEL_BYTES)?;
        let name = service_name(&node.domain().channel_name(topic))?;
        let start = Instant::now();
        loop {
            let opened = node
                .lock()
                .service_builder(&name)
                .publish_subscribe::<[u8]>()
                .user_header::<WireHeader>()
                .enable_safe_overflow(true)
                .open();
            match opened {
                Ok(frames) => return Self::finish(node, topic, frames),
                Err(
                    PublishSubscribeOpenError::HangsInCreation
                    | PublishSubscribeOpenError::IsMarkedForDestruction,
                ) if start.elapsed() < FLUX => {}
                Err(
                    PublishSubscribeOpenError::DoesNotExist
                    | PublishSubscribeOpenError::IsMarkedForDestruction,
                ) => {
                    return Err(BusError::NoChannel {
                        topic: topic.to_string(),
                    });
                }
                Err(PublishSubscribeOpenError::ExceedsMaxNumberOfNodes) => {
                    return Err(BusError::Limit {
                        topic: topic.to_string(),
                        what: "processes",
                        max: node.limits().nodes,
                        option: "nodes",
                    });
                }
                Err(error) => return Err(BusError::iceoryx("opening a channel", error)),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn finish(
        node: &Arc<NodeCore>,
        topic: &TopicName,
        frames: IoxChannel,
    ) -> Result<Self, BusError> {
        let spec = spec_of(frames.attributes())?;
        let name = node.domain().channel_name(topic);
        let events = event::open_or_create(&node.lock(), &name, node.limits())?;
        let core = ChannelCore {
            frames: ForkGuard::new(frames),
            events: ForkGuard::new(events),
            node: node.clone(),
            topic: topic.clone(),
            spec,
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.core.topic
    }

    /// What the channel carries, as its creator set it.
    #[must_use]
    pub fn spec(&self) -> &ChannelSpec {
        &self.core.spec
    }

    /// The type.
    #[must_use]
    pub fn type_name(&self) -> &TypeName {
        &self.core.spec.type_name
    }

    /// The type's hash.
    #[must_use]
    pub fn type_hash(&self) -> TypeHash {
        self.core.spec.type_hash
    }

    /// The channel's ports, over all processes; those of killed processes count until they are cleaned up.
    #[must_use]
    pub fn counts(&self) -> PortCounts {
        let config = self.core.frames.dynamic_config();
        PortCounts {
            publishers: config.number_of_publishers(),
            subscribers: config.number_of_subscribers(),
        }
    }

    /// Creates a writer port.
    ///
    /// # Errors
    /// No memory, all publishers in use, or what iceoryx2 says.
    pub fn publisher(&self, options: &PublisherOptions) -> Result<Publisher, BusError> {
        Publisher::new(&self.core, options)
    }

    /// Creates a reader port. Frames sent from now on reach it.
    ///
    /// # Errors
    /// No memory, all subscribers in use, or what iceoryx2 says.
    pub fn subscriber(&self, options: &SubscriberOptions) -> Result<Subscriber, BusError> {
        Subscriber::new(&self.core, options)
    }

    /// Wakes the channel's listeners.
    ///
    /// # Errors
    /// What iceoryx2 says.
    pub fn notifier(&self) -> Result<Notifier, BusError> {
        Notifier::new(&self.core.node, &self.core.events)
    }

    /// Hears that frames were sent. Create it before the first look at the subscriber.
    ///
    /// # Errors
    /// No memory, or what iceoryx2 says.
    pub fn listener(&self) -> Result<Listener, BusError> {
        Listener::new(&self.core.node, &self.core.events)
    }

    /// The broker's side of acknowledgements. Create it before clients are told of the channel.
    ///
    /// # Errors
    /// No memory, or what iceoryx2 says.
    pub fn acker(&self) -> Result<Acker, BusError> {
        Acker::new(&self.core)
    }

    /// A sender's side of acknowledgements, for the frames of `publisher`.
    ///
    /// # Errors
    /// [`BusError::NoChannel`] if the broker does not acknowledge on this channel; no memory; what iceoryx2 says.
    pub fn ack_reader(&self, publisher: &Publisher) -> Result<AckReader, BusError> {
        AckReader::new(&self.core, publisher.port_id())
    }
}

impl ChannelCore {
    /// Largest message in bytes.
    pub(crate) fn max_message_bytes(&self) -> u64 {
        self.spec.max_message_bytes
    }
}
