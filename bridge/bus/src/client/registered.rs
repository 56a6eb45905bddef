//! Ports that the broker knows of, and how a new broker learns of them.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::ClientError;
use crate::control::{ErrorCode, Op, Reply, Role, RouteReply, WriterCounts};

/// What a client knows of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The topic, after remapping by the broker.
    pub topic: String,
    /// `pkg/msg/Name`.
    pub type_name: String,
    /// `RIHS01_…`.
    pub hash: String,
    /// Definition text of the type and all its dependencies.
    pub definition: String,
    /// True if the topic is latched.
    pub latched: bool,
}

impl From<&RouteReply> for RouteInfo {
    fn from(reply: &RouteReply) -> Self {
        Self {
            topic: reply.topic.clone(),
            type_name: reply.type_name.clone(),
            hash: reply.hash.clone(),
            definition: reply.definition.clone(),
            latched: reply.latched,
        }
    }
}

/// A port of a client, as its thread sees it.
pub(super) trait Port: Debug + Send + Sync {
    /// A writer announced itself.
    fn update_connections(&self) {}
    /// A new broker granted the route.
    fn granted(&self, _route: &RouteReply) {}
    /// The broker's writers of the topic, as they were when it heard of the port.
    fn introduced(&self, _writers: &[WriterCounts]) {}
    /// A new broker knows the port.
    fn redeclared(&self) {}
    /// Some seconds have passed.
    fn trim(&self) {}
    /// What to tell the broker.
    fn role(&self) -> (Role, Option<u64>);
}

/// How a port was declared to a broker.
#[derive(Debug)]
pub(super) struct Registration {
    /// The request by which it is declared.
    pub(super) op: Op,
    /// The connection on which it was.
    pub(super) generation: u64,
}

/// A port that was declared to a broker.
#[derive(Debug)]
pub(super) struct Registered {
    /// Route id of the current broker.
    route: AtomicU64,
    /// The connection on which the broker granted it.
    generation: AtomicU64,
    op: Op,
    info: RouteInfo,
    port: Arc<dyn Port>,
    /// Why the current broker does not serve it.
    problem: Mutex<Option<(ErrorCode, String)>>,
}

impl Registered {
    pub(super) fn new(route: &RouteReply, declared: Registration, port: Arc<dyn Port>) -> Self {
        Self {
            route: AtomicU64::new(route.route),
            generation: AtomicU64::new(declared.generation),
            op: declared.op,
            info: RouteInfo::from(route),
            port,
            problem: Mutex::new(None),
        }
    }

    pub(super) fn route(&self) -> u64 {
        self.route.load(Ordering::Relaxed)
    }

    pub(super) fn info(&self) -> &RouteInfo {
        &self.info
    }

    pub(super) fn port(&self) -> &dyn Port {
        &*self.port
    }

    /// The request that tells the broker that the port of `route` exists.
    pub(super) fn ready(&self) -> Op {
        let (role, receiver) = self.port.role();
        Op::Ready {
            route: self.route(),
            role,
            receiver,
        }
    }

    /// Why the broker does not serve it, if so.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        match &*self.problem.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((code, message)) => Err(ClientError::Refused {
                code: *code,
                message: message.clone(),
            }),
        }
    }

    /// True if the broker of connection `generation` does not serve it.
    pub(super) fn is_unserved(&self, generation: u64) -> bool {
        self.generation() != generation || self.has_problem()
    }

    /// The connection on which the broker granted it.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn has_problem(&self) -> bool {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// The request by which the port is declared.
    pub(super) fn declaration(&self) -> Op {
        self.op.clone()
    }

    /// The broker answered the declaration; next comes [`Registered::ready`].
    pub(super) fn declared(&self, reply: Reply, generation: u64) -> Result<(), ClientError> {
        let Reply::Route(route) = reply else {
            return Err(ClientError::unexpected(&reply));
        };
        self.check_type(&route)?;
        self.route.store(route.route, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        self.port.granted(&route);
        Ok(())
    }

    /// The broker's answer to [`Registered::ready`].
    pub(super) fn introduced(&self, reply: &Reply) {
        if let Reply::Ready { writers } = reply {
            self.port.introduced(writers);
        }
    }

    /// A new broker knows the port.
    pub(super) fn served(&self, reply: &Reply) {
        self.introduced(reply);
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.port.redeclared();
    }

    /// The broker refused it: [`Registered::check`] says so until it does not.
    pub(super) fn refused(&self, code: ErrorCode, message: String) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if problem.as_ref().is_none_or(|(known, _)| *known != code) {
            tracing::warn!(
                topic = self.info.topic,
                ?code,
                message,
                "the broker does not serve this topic"
            );
        }
        *problem = Some((code, message));
    }

    /// Declares the port to a new broker, on connection `generation`; `ask` makes a request.
    ///
    /// What the broker refuses is remembered for [`Registered::check`]; other errors end the connection.
    pub(super) fn redeclare(
        &self,
        generation: u64,
        mut ask: impl FnMut(Op) -> Result<Reply, ClientError>,
    ) -> Result<(), ClientError> {
        let result = ask(self.declaration())
            .and_then(|reply| self.declared(reply, generation))
            .and_then(|()| ask(self.ready()));
        match result {
            Ok(reply) => self.served(&reply),
            Err(ClientError::Refused { code, message }) => self.refused(code, message),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn check_type(&self, route: &RouteReply) -> Result<(), ClientError> {
        if route.type_name == self.info.type_name
            && route.hash == self.info.hash
            && route.topic == self.info.topic
        {
            return Ok(());
        }
        Err(ClientError::Refused {
            code: ErrorCode::TypeMismatch,
            message: format!(
                "{} was {} {} and is now {} {} {}: subscribe or advertise again",
                self.info.topic,
                self.info.type_name,
                self.info.hash,
                route.topic,
                route.type_name,
                route.hash,
            ),
        })
    }
}
