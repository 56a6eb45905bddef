//! Writing a message in place.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iceway_bus::FilledLoan;
use iceway_msg::encode::Plan;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::arrays;
use crate::bus_errors;
use crate::errors::{self, raise};
use crate::filling;
use crate::memory::{Gone, Hold, Memory, Origin};
use crate::message::Message;
use crate::publisher::{SendOptions, Shared};
use crate::write::ArrayBytes;

/// Room for one message in shared memory: ``with pub.loan(...) as msg:``.
///
/// The message's arrays can be written to inside the block. It is sent when the block ends, and not if it
/// raises. After that, arrays taken from it are read-only, and the message itself cannot be used.
#[pyclass(frozen, module = "iceway", name = "Loan")]
pub(crate) struct Loan {
    shared: Arc<Shared>,
    state: Mutex<State>,
    options: SendOptions,
}

enum State {
    /// The fields are known; no memory is taken yet.
    Planned(Plan<ArrayBytes>),
    /// Inside the block.
    Filling {
        frame: FilledLoan,
        memory: Arc<Memory>,
        _only_one: OnLoan,
    },
    /// Sent, or given up.
    Ended,
}

/// Marks the publisher as having a loan, until dropped.
struct OnLoan(Arc<Shared>);

impl OnLoan {
    fn of(shared: &Arc<Shared>) -> Option<Self> {
        let was: bool = AtomicBool::swap(&shared.on_loan, true, Ordering::AcqRel);
        (!was).then(|| Self(Arc::clone(shared)))
    }
}

impl Drop for OnLoan {
    fn drop(&mut self) {
        self.0.on_loan.store(false, Ordering::Release);
    }
}

impl Loan {
    pub(crate) fn new(shared: Arc<Shared>, plan: Plan<ArrayBytes>, options: SendOptions) -> Self {
        Self {
            shared,
            state: Mutex::new(State::Planned(plan)),
            options,
        }
    }

    /// Takes the memory away from Python, and returns the frame. None if there is none.
    fn end(&self, py: Python<'_>) -> PyResult<Option<FilledLoan>> {
        let state = std::mem::replace(&mut *self.state.lock(), State::Ended);
        let State::Filling {
            frame,
            memory,
            _only_one,
        } = state
        else {
            return Ok(None);
        };
        if let Ok(hold) = memory.hold(py) {
            hold.make_read_only();
        }
        memory.release(Gone::LoanEnded);
        for array in memory.take_handed_out() {
            arrays::make_read_only(array.bind(py))?;
        }
        Ok(Some(frame))
    }
}

impl Drop for Loan {
    /// A block that was entered and never left (by hand, or in a generator that was given up): its arrays must
    /// not stay writable.
    fn drop(&mut self) {
        if matches!(self.state.get_mut(), State::Filling { .. }) {
            // Without an interpreter there are no arrays either.
            let _ = Python::try_attach(|py| self.end(py).map(drop));
        }
    }
}

#[pymethods]
impl Loan {
    fn __enter__(&self, py: Python<'_>) -> PyResult<Message> {
        let shared = &self.shared;
        let publisher = shared.open(py)?;
        // Nothing is locked while Python or the bus works: another thread may use this object meanwhile.
        let state = std::mem::replace(&mut *self.state.lock(), State::Ended);
        let State::Planned(plan) = state else {
            *self.state.lock() = state;
            return Err(raise(
                py,
                "LoanError",
                "a loan is for one message: call pub.loan() again for the next",
            ));
        };
        let Some(only_one) = OnLoan::of(shared) else {
            *self.state.lock() = State::Planned(plan);
            let text = format!(
                "a loan of the publisher of {} is being filled already: loans cannot be nested. Leave its with \
                 block first, or use a publisher of its own",
                shared.topic
            );
            return Err(raise(py, "LoanError", text));
        };
        let placement = shared.placement(plan.largest_array_offset());
        let written = py.detach(|| {
            let loan = publisher.loan(plan.size(), placement)?;
            Ok(filling::write(loan, &plan))
        });
        let written = written.map_err(|error| bus_errors::client(py, error, ""))?;
        let mut frame =
            written.map_err(|error| errors::encode(py, shared.info.type_name(), &error))?;
        let bytes = frame.bytes_mut();
        let (start, len) = (bytes.as_ptr(), bytes.len());
        // SAFETY: the bytes lie in the port's segment, which stays mapped as long as a clone of the publisher
        // lives (the hold's owner); they are initialised (see `filling`). While writable they belong to this loan
        // alone, and nobody makes a reference to them: `frame` is kept unused until `end`, which makes the hold
        // read-only first. After that, arrays kept from inside the block may see later messages in them, which
        // is what any buffer that is shared with NumPy may do.
        let hold = unsafe { Hold::new(start, len, true, publisher.publisher().clone()) };
        let hold = hold.ok_or_else(|| raise(py, "NoMemory", "an empty loan"))?;
        let memory = Memory::of_loan(
            hold,
            Origin {
                topic: Arc::clone(&shared.topic),
                ..Origin::default()
            },
        );
        *self.state.lock() = State::Filling {
            frame,
            memory: Arc::clone(&memory),
            _only_one: only_one,
        };
        Ok(Message::root(memory, Arc::clone(&shared.info)))
    }

    #[pyo3(signature = (exception_type, _exception, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exception_type: &Bound<'_, PyAny>,
        _exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let frame = self.end(py)?;
        if let (true, Some(frame)) = (exception_type.is_none(), frame) {
            let publisher = self.shared.open(py)?;
            self.shared.send(py, &publisher, frame, self.options)?;
        }
        Ok(false)
    }
}
