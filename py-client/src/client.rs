//! The connection to the broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iceway_bus::Domain;
use iceway_bus::client::{
    AdvertiseOptions, Client as BusClient, ClientError, ConnectOptions, RouteInfo, SubscribeOptions,
};
use iceway_bus::control::Qos;
use parking_lot::{Mutex, RwLock};
use pyo3::prelude::*;

use crate::bus_errors;
use crate::errors::{self, raise};
use crate::publisher::Publisher;
use crate::schema::{Schema, parse_type};
use crate::subscriber::Subscriber;
use crate::types::TypeInfo;
use crate::waiting::{optional_seconds, seconds, wait};

/// A connection to the broker of a domain.
#[pyclass(frozen, module = "iceway._iceway", name = "Client")]
pub(crate) struct Client {
    /// Until it is closed; then what it had in shared memory goes, but for what messages in hand need.
    client: RwLock<Option<BusClient>>,
    closed: AtomicBool,
    /// Types by name and hash: many topics have the same.
    types: Mutex<HashMap<(String, String), Arc<TypeInfo>>>,
}

impl Client {
    fn open(&self, py: Python<'_>) -> PyResult<BusClient> {
        let client = self.client.read().clone();
        client.ok_or_else(|| bus_errors::closed(py, "the bus"))
    }

    fn run<T: Send>(
        &self,
        py: Python<'_>,
        doing: &str,
        call: impl FnOnce(&BusClient, iceway_bus::client::Interrupt<'_>) -> Result<T, ClientError>
        + Send,
    ) -> PyResult<T> {
        let client = self.open(py)?;
        wait(
            py,
            doing,
            || self.closed.load(Ordering::Acquire),
            |interrupt| call(&client, interrupt),
        )
    }

    fn type_info(&self, py: Python<'_>, route: &RouteInfo) -> PyResult<Arc<TypeInfo>> {
        let key = (route.type_name.clone(), route.hash.clone());
        if let Some(info) = self.types.lock().get(&key) {
            return Ok(Arc::clone(info));
        }
        let name = parse_type(py, &route.type_name)?;
        let schema = iceway_msg::Schema::parse(&name, &route.definition)
            .map_err(|error| errors::definition(py, &error))?;
        let info = TypeInfo::of_schema(py, &schema)?;
        Ok(Arc::clone(self.types.lock().entry(key).or_insert(info)))
    }
}

/// QoS from JSON, as `iceway.QoS` writes it.
fn parse_qos(py: Python<'_>, qos: Option<&str>) -> PyResult<Option<Qos>> {
    qos.map(|text| {
        serde_json::from_str(text)
            .map_err(|error| raise(py, "InvalidOption", format!("qos: {error}")))
    })
    .transpose()
}

#[pymethods]
impl Client {
    #[new]
    fn connect(
        py: Python<'_>,
        domain: u32,
        root: Option<&str>,
        name: &str,
        timeout: f64,
    ) -> PyResult<Self> {
        let base = root.map_or_else(Domain::default_base, Into::into);
        let domain = Domain::new(domain, base).map_err(|error| bus_errors::bus(py, &error))?;
        let timeout = seconds(py, "timeout", timeout)?;
        let options = ConnectOptions {
            name: name.to_owned(),
            timeout,
        };
        let doing = "the broker did not answer in time";
        let client = wait(
            py,
            doing,
            || false,
            |interrupt| BusClient::connect(&domain, &options, interrupt),
        )?;
        Ok(Self {
            client: RwLock::new(Some(client)),
            closed: AtomicBool::new(false),
            types: Mutex::default(),
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the options of the Python method"
    )]
    fn subscribe(
        &self,
        py: Python<'_>,
        topic: &str,
        type_name: Option<&str>,
        definition: Option<&str>,
        depth: usize,
        max_age: Option<f64>,
        spin: bool,
        qos: Option<&str>,
        timeout: f64,
    ) -> PyResult<Subscriber> {
        if let Some(name) = type_name {
            parse_type(py, name)?;
        }
        let options = SubscribeOptions {
            depth,
            definition: definition.map(str::to_owned),
            max_age: optional_seconds(py, "max_age", max_age)?,
            spin,
            qos: parse_qos(py, qos)?,
            timeout: seconds(py, "timeout", timeout)?,
        };
        let doing =
            format!("the broker did not answer the subscription to {topic} within {timeout} s");
        let subscriber = self.run(py, &doing, |client, interrupt| {
            client.subscribe(topic, type_name, &options, interrupt)
        })?;
        let info = self.type_info(py, subscriber.info())?;
        Ok(Subscriber::new(subscriber, info))
    }

    fn advertise(
        &self,
        py: Python<'_>,
        topic: &str,
        type_name: &str,
        definition: Option<&str>,
        qos: Option<&str>,
        timeout: f64,
    ) -> PyResult<Publisher> {
        parse_type(py, type_name)?;
        let options = AdvertiseOptions {
            definition: definition.map(str::to_owned),
            qos: parse_qos(py, qos)?,
            timeout: seconds(py, "timeout", timeout)?,
            ..AdvertiseOptions::default()
        };
        let doing =
            format!("the broker did not answer the advertisement of {topic} within {timeout} s");
        let publisher = self.run(py, &doing, |client, interrupt| {
            client.advertise(topic, type_name, &options, interrupt)
        })?;
        let info = self.type_info(py, publisher.info())?;
        Ok(Publisher::new(publisher, info))
    }

    /// All topics, as JSON.
    fn topics(&self, py: Python<'_>) -> PyResult<String> {
        let topics = self.run(
            py,
            "the broker did not list its topics in time",
            |client, interrupt| client.topics(interrupt),
        )?;
        json(py, &topics)
    }

    /// The schema of a type that the broker knows.
    fn describe(&self, py: Python<'_>, type_name: &str) -> PyResult<Schema> {
        let found = self.run(
            py,
            "the broker did not describe the type in time",
            |client, interrupt| client.describe(type_name, interrupt),
        )?;
        let name = parse_type(py, &found.type_name)?;
        let schema = iceway_msg::Schema::parse(&name, &found.definition)
            .map_err(|error| errors::definition(py, &error))?;
        Ok(Schema {
            info: TypeInfo::of_schema(py, &schema)?,
        })
    }

    /// The broker's counters, as JSON.
    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.run(
            py,
            "the broker did not tell its counters in time",
            |client, interrupt| client.stats(interrupt),
        )?;
        json(py, &stats)
    }

    /// What the broker said since the last call: (severity, topic, text).
    fn take_notices(&self, py: Python<'_>) -> PyResult<Vec<(String, Option<String>, String)>> {
        let notices = self.open(py)?.take_notices();
        let severity =
            |notice: &iceway_bus::client::Notice| format!("{:?}", notice.severity).to_lowercase();
        Ok(notices
            .into_iter()
            .map(|n| (severity(&n), n.topic.clone(), n.message))
            .collect())
    }

    /// Version, process id and so on of the broker, as JSON.
    fn broker(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &self.open(py)?.broker())
    }

    #[getter]
    fn broker_alive(&self) -> bool {
        let client = self.client.read().clone();
        client.is_some_and(|client| client.broker_alive())
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self, py: Python<'_>) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // It joins a thread.
            let client = self.client.write().take();
            py.detach(|| {
                if let Some(client) = client {
                    client.close();
                }
            });
        }
    }
}

fn json(py: Python<'_>, value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| raise(py, "Error", error.to_string()))
}
