//! The native part of the Python package `iceway`: a thin layer over `iceway-msg` and `iceway-bus`.
//!
//! `Message` attribute → `Layout::locate` → `value` → `arrays::view`; keyword arguments → `write` → `encode::plan`.
//! What needs no speed is Python, in `python/iceway`; errors are all of `iceway._errors`.

mod arrays;
mod errors;
mod foreign;
mod fork;
mod functions;
mod memory;
mod message;
mod schema;
mod sequence;
mod types;
mod value;
mod write;

/// The native part of iceway. Everything public is in the package `iceway`.
#[pyo3::pymodule(gil_used = false)]
mod _iceway {
    #[pymodule_export]
    use crate::functions::{
        copy, field_names, hand_out, info, is_root, release, serialize, type_name,
    };
    #[pymodule_export]
    use crate::message::Message;
    #[pymodule_export]
    use crate::schema::Schema;
    #[pymodule_export]
    use crate::sequence::Sequence;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
