//! One client's connection: its requests, and its claims on routes, which end with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iceway_bus::control::{
    Connection, ErrorBody, ErrorCode, Hello, HelloReply, Incoming, Op, PROTOCOL, Reply,
    ResponseWriter, Role, TypeReply, check_hello,
};

use crate::broker::{Ask, Broker, Claim};
use crate::refusal::Refusal;
use crate::routes::Answer;

/// A client may ask the broker to wait no longer than this for a topic.
const MAX_TOPIC_WAIT: Duration = Duration::from_secs(60);

/// Serves one client until its connection ends.
pub(crate) fn serve(broker: &Arc<Broker>, mut connection: Connection) {
    let mut session = Session {
        broker,
        writer: connection.writer(),
        client: None,
        claims: HashMap::new(),
    };
    loop {
        let (id, outcome) = match connection.read_request() {
            Incoming::Request(request) => match session.answer(request.id, request.op) {
                Ok(Some(reply)) => (request.id, Ok(reply)),
                Ok(None) => continue,
                Err(error) => (request.id, Err(error)),
            },
            Incoming::Malformed { id, error } => (id, Err(error)),
            Incoming::Closed { reason } => {
                session.end(&reason);
                return;
            }
        };
        if let Err(error) = connection.write_response(id, outcome) {
            session.end(&error.to_string());
            return;
        }
    }
}

struct Session<'a> {
    broker: &'a Broker,
    writer: ResponseWriter,
    /// Known after `hello`.
    client: Option<Hello>,
    claims: HashMap<u64, Claim>,
}

impl Session<'_> {
    /// The answer to a request; `None` if it is given later, by an [`Answer`].
    fn answer(&mut self, id: u64, op: Op) -> Result<Option<Reply>, ErrorBody> {
        let reply = match op {
            Op::Hello(hello) => self.hello(hello)?,
            _ if self.client.is_none() => {
                return Err(ErrorBody::new(ErrorCode::BadRequest, "say hello first"));
            }
            Op::Topics {} => Reply::Topics {
                topics: self.broker.topics(),
            },
            Op::Describe { type_name } => Reply::Type(self.describe(&type_name)?),
            Op::Subscribe {
                topic,
                type_name,
                definition,
                depth: _,
                qos,
                timeout_ms,
            } => self.claim(&Ask {
                topic: &topic,
                type_name: type_name.as_deref(),
                definition: definition.as_deref(),
                qos: qos.as_ref(),
                role: Role::Subscriber,
                timeout: Duration::from_millis(timeout_ms).min(MAX_TOPIC_WAIT),
            })?,
            Op::Advertise {
                topic,
                type_name,
                definition,
                qos,
            } => self.claim(&Ask {
                topic: &topic,
                type_name: Some(&type_name),
                definition: definition.as_deref(),
                qos: qos.as_ref(),
                role: Role::Publisher,
                timeout: Duration::ZERO,
            })?,
            Op::Ready {
                route,
                role: _,
                receiver,
            } => {
                let claim = self.claim_of(route)?;
                let receivers = &claim.route.receivers;
                let participant = self.client.as_ref().map_or(0, |c| c.participant);
                if claim.role == Role::Subscriber {
                    receivers.add(claim.id, participant, self.writer.clone());
                }
                let reply = self.broker.ready(claim, receiver)?;
                if claim.role == Role::Publisher {
                    receivers.introduce(participant, Answer::new(id, self.writer.clone()));
                    return Ok(None);
                }
                reply
            }
            Op::Connected { route, token } => {
                // The subscription may have ended meanwhile.
                if let Some(claim) = self.claims.get(&route) {
                    claim.route.receivers.connected(claim.id, token);
                }
                Reply::Done {}
            }
            Op::Unsubscribe { route } | Op::Unadvertise { route } => {
                let claim = self
                    .claims
                    .remove(&route)
                    .ok_or_else(|| unknown_route(route))?;
                self.broker.release(&claim);
                Reply::Done {}
            }
            Op::Stats {} => Reply::Stats(self.broker.stats()),
        };
        Ok(Some(reply))
    }

    fn claim_of(&self, route: u64) -> Result<&Claim, ErrorBody> {
        self.claims.get(&route).ok_or_else(|| unknown_route(route))
    }

    fn hello(&mut self, hello: Hello) -> Result<Reply, ErrorBody> {
        check_hello(&hello)?;
        tracing::debug!(client = hello.name, pid = hello.pid, "connected");
        self.client = Some(hello);
        Ok(Reply::Hello(HelloReply {
            protocol: PROTOCOL,
            version: iceway_bus::VERSION.to_owned(),
            iceoryx2: iceway_bus::ICEORYX2_VERSION.to_owned(),
            pid: std::process::id(),
            participant: self.broker.node.id(),
            limits: self.broker.node.limits().clone(),
            ros: self.broker.ros.as_ref().map(crate::ros::RosSide::describe),
        }))
    }

    fn describe(&self, type_name: &str) -> Result<TypeReply, Refusal> {
        let message_type = self.broker.describe(type_name)?;
        let schema = &message_type.schema;
        Ok(TypeReply {
            type_name: schema.type_name().to_string(),
            hash: schema.type_hash().to_string(),
            definition: schema.definition().to_owned(),
        })
    }

    fn claim(&mut self, ask: &Ask<'_>) -> Result<Reply, ErrorBody> {
        let (claim, reply) = self.broker.claim(ask)?;
        let client = self.client.as_ref().map_or("", |c| c.name.as_str());
        tracing::debug!(client, topic = reply.topic, role = ?ask.role, "granted");
        self.claims.insert(reply.route, claim);
        Ok(Reply::Route(Box::new(reply)))
    }

    fn end(&mut self, reason: &str) {
        if let Some(client) = &self.client {
            tracing::debug!(
                client = client.name,
                pid = client.pid,
                reason,
                "disconnected"
            );
        }
        for (_, claim) in self.claims.drain() {
            self.broker.release(&claim);
        }
        self.broker.client_gone();
    }
}

fn unknown_route(route: u64) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::BadRequest,
        format!("this connection has no route {route}"),
    )
}
