//! All routes by topic, and the one place where they come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceway_bus::TopicName;
use iceway_bus::control::{ErrorCode as Code, Role};
use parking_lot::Mutex;

use super::{QosWish, Route, Site};
use crate::config::RouteOptions;
use crate::lanes::MAX_ROUTES;
use crate::refusal::Refusal;
use crate::types::MessageType;

/// The broker's routes. Routes are made and removed under one lock, so a topic never has two.
#[derive(Default)]
pub(crate) struct RouteTable(Mutex<BTreeMap<TopicName, Arc<Route>>>);

impl RouteTable {
    pub(crate) fn get(&self, topic: &TopicName) -> Option<Arc<Route>> {
        self.0.lock().get(topic).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.0.lock().values().cloned().collect()
    }

    /// The topic's route with one more client on it; made if there is none.
    pub(crate) fn acquire(
        &self,
        site: &Site<'_>,
        topic: &TopicName,
        message_type: &Arc<MessageType>,
        options: RouteOptions,
        demand: Demand,
    ) -> Result<Arc<Route>, Refusal> {
        let mut routes = self.0.lock();
        let route = match routes.get(topic) {
            Some(route) => {
                let (theirs, ours) = (message_type.schema.type_name(), route.type_name());
                if theirs != ours {
                    return Err(Refusal::new(
                        Code::TypeMismatch,
                        format!(
                            "{topic} is bridged as {ours}, but {theirs} is asked for; a topic has one type"
                        ),
                    ));
                }
                Arc::clone(route)
            }
            None if routes.len() >= MAX_ROUTES => {
                return Err(Refusal::new(
                    Code::Limit,
                    format!("there are {MAX_ROUTES} routes already; this broker takes no more"),
                ));
            }
            None => {
                let route = Arc::new(Route::new(
                    site,
                    topic.clone(),
                    Arc::clone(message_type),
                    options,
                )?);
                routes.insert(topic.clone(), Arc::clone(&route));
                route
            }
        };
        match demand {
            Demand::Client(role, wish) => route.acquire(site, role, wish)?,
            Demand::Pinned => route.pin(site)?,
        }
        Ok(route)
    }

    /// Ends what nobody has wanted for a while.
    pub(crate) fn tend(&self) {
        for route in self.all() {
            if !route.tend() {
                continue;
            }
            let mut routes = self.0.lock();
            // Somebody may have come back between the look and the lock.
            if route.tend() {
                routes.remove(&route.topic);
                tracing::info!(topic = %route.topic, "route ended: nobody wants it any more");
            }
        }
    }

    /// Ends everything.
    pub(crate) fn stop(&self) {
        for (_, route) in std::mem::take(&mut *self.0.lock()) {
            route.stop();
        }
    }
}

/// Who wants a route.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demand {
    Client(Role, QosWish),
    /// `--topic`.
    Pinned,
}
