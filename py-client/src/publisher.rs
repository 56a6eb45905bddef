//! A publisher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use iceway_bus::client::ClientPublisher;
use iceway_bus::{FilledLoan, Placement};
use iceway_msg::encode::Plan;
use iceway_msg::{Cdr, Layout, largest_array_offset};
use parking_lot::RwLock;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bus_errors;
use crate::errors::{self, raise};
use crate::filling;
use crate::loan::Loan;
use crate::message::Message;
use crate::schema::{Schema, take_option};
use crate::types::TypeInfo;
use crate::waiting::{seconds, wait};
use crate::write::{self, ArrayBytes, Casting, WriteOptions};

/// A publisher; `iceway.Publisher` is made of it.
#[pyclass(frozen, module = "iceway._iceway", name = "Publisher")]
pub(crate) struct Publisher {
    shared: Arc<Shared>,
}

/// What a publisher and its loans have in common.
pub(crate) struct Shared {
    publisher: RwLock<Option<Arc<ClientPublisher>>>,
    closed: AtomicBool,
    pub(crate) info: Arc<TypeInfo>,
    pub(crate) topic: Arc<str>,
    /// A loan is being filled.
    pub(crate) on_loan: AtomicBool,
}

impl Shared {
    pub(crate) fn open(&self, py: Python<'_>) -> PyResult<Arc<ClientPublisher>> {
        let publisher = self.publisher.read().clone();
        publisher.ok_or_else(|| bus_errors::closed(py, &format!("the publisher of {}", self.topic)))
    }

    /// Sends a written message.
    pub(crate) fn send(
        &self,
        py: Python<'_>,
        publisher: &ClientPublisher,
        mut frame: FilledLoan,
        options: SendOptions,
    ) -> PyResult<()> {
        if let Some(header) = frame.header_mut() {
            header.cause_ns = options.cause_ns;
            header.source_ns = now_ns();
            header.type_hash = self.info.schema.type_hash().0;
        }
        let stop = || self.closed.load(Ordering::Acquire);
        wait(py, "publishing took too long", stop, |interrupt| {
            publisher.send_within(frame, options.timeout, interrupt)
        })
        .map(drop)
    }

    pub(crate) fn placement(&self, array_offset: Option<usize>) -> Placement {
        Placement {
            array_offset,
            body_alignment: self.info.layout.alignment(),
        }
    }
}

fn now_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(0))
}

/// How long publishing waits for ROS or a broker unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Options of a call, taken out of keyword arguments that are otherwise fields.
#[derive(Clone, Copy)]
pub(crate) struct SendOptions {
    cause_ns: i64,
    timeout: Duration,
}

impl SendOptions {
    fn take(
        py: Python<'_>,
        layout: &Layout,
        fields: &Bound<'_, PyDict>,
    ) -> PyResult<(Self, Casting)> {
        let cause_ns = match take_option(layout, fields, "cause")? {
            None => 0,
            Some(cause) if cause.is_none() => 0,
            Some(cause) => match cause.cast::<Message>() {
                Ok(message) => message.get().memory.origin.header.get().source_ns,
                Err(_) => cause.extract::<i64>().map_err(|_| {
                    let text = "cause is the message that this one is computed from (or its source time in ns)";
                    raise(py, "InvalidOption", text)
                })?,
            },
        };
        let casting = match take_option(layout, fields, "casting")? {
            None => Casting::Safe,
            Some(casting) => {
                let text = casting.extract::<String>();
                Casting::parse(py, &text.unwrap_or_else(|_| "not a string".into()))?
            }
        };
        let timeout = match take_option(layout, fields, "timeout")? {
            None => DEFAULT_TIMEOUT,
            Some(timeout) => match timeout.extract::<f64>() {
                Ok(timeout) => seconds(py, "timeout", timeout)?,
                Err(_) => return Err(raise(py, "InvalidOption", "timeout is a time in seconds")),
            },
        };
        Ok((Self { cause_ns, timeout }, casting))
    }
}

impl Publisher {
    pub(crate) fn new(publisher: ClientPublisher, info: Arc<TypeInfo>) -> Self {
        let shared = Shared {
            topic: publisher.info().topic.as_str().into(),
            publisher: RwLock::new(Some(Arc::new(publisher))),
            closed: AtomicBool::new(false),
            info,
            on_loan: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn send_plan(
        &self,
        py: Python<'_>,
        plan: &Plan<ArrayBytes>,
        options: SendOptions,
    ) -> PyResult<()> {
        let shared = &self.shared;
        let publisher = shared.open(py)?;
        let type_name = shared.info.type_name();
        let placement = shared.placement(plan.largest_array_offset());
        // Copying takes milliseconds for large messages; the plan keeps the arrays alive meanwhile.
        let frame = py.detach(|| {
            let loan = publisher.loan(plan.size(), placement)?;
            Ok(filling::write(loan, plan))
        });
        let frame = frame.map_err(|error| bus_errors::client(py, error, ""))?;
        let frame = frame.map_err(|error| errors::encode(py, type_name, &error))?;
        shared.send(py, &publisher, frame, options)
    }

    /// Sends a message as it is, without decoding it.
    fn forward(&self, py: Python<'_>, message: &Message, options: SendOptions) -> PyResult<()> {
        let shared = &self.shared;
        let publisher = shared.open(py)?;
        let hold = message.memory.hold(py)?;
        let schema = &shared.info.schema;
        let frame = py.detach(|| {
            let bytes = hold.bytes();
            let largest = Cdr::new(bytes)
                .ok()
                .and_then(|cdr| largest_array_offset(schema, &cdr));
            let loan = publisher.loan(bytes.len(), shared.placement(largest))?;
            Ok(loan.fill(bytes))
        });
        let frame = frame.map_err(|error| bus_errors::client(py, error, ""))?;
        shared.send(py, &publisher, frame, options)
    }
}

#[pymethods]
impl Publisher {
    #[getter]
    fn topic(&self) -> &str {
        &self.shared.topic
    }

    #[getter]
    fn schema(&self) -> Schema {
        Schema {
            info: Arc::clone(&self.shared.info),
        }
    }

    #[getter]
    fn closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Send a message: a whole one, or its fields. `fields` holds the options too.
    fn publish(
        &self,
        py: Python<'_>,
        message: Option<&Bound<'_, PyAny>>,
        fields: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let layout = &self.shared.info.layout;
        let (options, casting) = SendOptions::take(py, layout, fields)?;
        let write_options = WriteOptions {
            casting,
            reserve: false,
        };
        let Some(whole) = message else {
            return self.send_plan(
                py,
                &write::plan(py, layout, fields, write_options)?,
                options,
            );
        };
        if !fields.is_empty() {
            return Err(raise(
                py,
                "InvalidOption",
                "pass a message or its fields, not both",
            ));
        }
        if let Ok(message) = whole.cast::<Message>()
            && message.get().is_root()
            && Layout::same_shape(&message.get().info.layout, layout)
        {
            return self.forward(py, message.get(), options);
        }
        self.send_plan(
            py,
            &write::plan_object(py, layout, whole, write_options)?,
            options,
        )
    }

    /// Make room for a message in shared memory. `fields` holds the options too.
    fn loan(&self, py: Python<'_>, fields: &Bound<'_, PyDict>) -> PyResult<Loan> {
        let layout = &self.shared.info.layout;
        let (options, casting) = SendOptions::take(py, layout, fields)?;
        let plan = write::plan(
            py,
            layout,
            fields,
            WriteOptions {
                casting,
                reserve: true,
            },
        )?;
        self.shared.open(py)?;
        Ok(Loan::new(Arc::clone(&self.shared), plan, options))
    }

    /// Send bytes as they are, whatever they are: to see what receivers do with them.
    fn publish_unchecked(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let publisher = self.shared.open(py)?;
        let loan = publisher.loan(data.len(), Placement::UNKNOWN);
        let frame = loan
            .map_err(|error| bus_errors::client(py, error, ""))?
            .fill(data);
        let options = SendOptions {
            cause_ns: 0,
            timeout: DEFAULT_TIMEOUT,
        };
        self.shared.send(py, &publisher, frame, options)
    }

    /// Counters: sent, dropped, backpressure, unacknowledged.
    fn stats(&self, py: Python<'_>) -> PyResult<[u64; 4]> {
        let stats = self.shared.open(py)?.stats();
        Ok([
            stats.sent,
            stats.dropped,
            stats.backpressure,
            stats.unacknowledged,
        ])
    }

    fn close(&self, py: Python<'_>) {
        self.shared.closed.store(true, Ordering::Release);
        let publisher = self.shared.publisher.write().take();
        // It tells the broker.
        py.detach(|| drop(publisher));
    }
}
