//! The native part of the Python package `iceway`: a thin layer over `iceway-msg` and `iceway-bus`.
//!
//! `Message` attribute → `Layout::locate` → `value` → `arrays::view`; keyword arguments → `write` → `encode::plan`.
//! What needs no speed is Python, in `python/iceway`; errors are all of `iceway._errors`.

mod arrays;
mod bus_errors;
mod client;
mod errors;
mod filling;
mod foreign;
mod fork;
mod functions;
mod loan;
mod memory;
mod message;
mod publisher;
mod schema;
mod sequence;
mod subscriber;
mod types;
mod value;
mod waiting;
mod write;

/// The native part of iceway. Everything public is in the package `iceway`.
#[pyo3::pymodule(gil_used = false)]
mod _iceway {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::functions::{
        copy, dlpack, field_names, hand_out, info, is_held, is_root, release, serialize, type_name,
    };
    #[pymodule_export]
    use crate::loan::Loan;
    #[pymodule_export]
    use crate::message::Message;
    #[pymodule_export]
    use crate::publisher::Publisher;
    #[pymodule_export]
    use crate::schema::Schema;
    #[pymodule_export]
    use crate::sequence::Sequence;
    #[pymodule_export]
    use crate::subscriber::Subscriber;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Python allocates its objects 16-aligned, whatever is in them.
const fn fits_a_python_object<T: pyo3::PyClass>() -> bool {
    align_of::<T>() <= 16
}

const _: () = {
    assert!(fits_a_python_object::<client::Client>());
    assert!(fits_a_python_object::<loan::Loan>());
    assert!(fits_a_python_object::<memory::Owner>());
    assert!(fits_a_python_object::<message::Message>());
    assert!(fits_a_python_object::<publisher::Publisher>());
    assert!(fits_a_python_object::<schema::Schema>());
    assert!(fits_a_python_object::<sequence::Sequence>());
    assert!(fits_a_python_object::<sequence::Items>());
    assert!(fits_a_python_object::<subscriber::Subscriber>());
};
