//! `iceway.Schema`: reading and writing messages without a broker.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use iceway_msg::{ArrayLen, ElementType, FieldType, Layout, TypeName};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::errors::{self, raise};
use crate::foreign;
use crate::functions::copy_of;
use crate::memory::{Memory, Origin};
use crate::message::Message;
use crate::types::{TypeInfo, value_to_py};
use crate::write::{self, Casting, WriteOptions};

/// A ROS message type, from its definition text.
///
/// The text is that of the ``.msg`` file, followed by those of all types it needs, each behind a line of ``=``
/// and a line ``MSG: pkg/Name``, as ROS recordings store it.
///
///     >>> schema = iceway.Schema("demo_msgs/msg/Reading", "string sensor\nfloat32[] values")
///     >>> data = schema.encode(sensor="a1", values=[1.5, 2.5])
///     >>> schema.view(data).values
///     array([1.5, 2.5], dtype=float32)
#[pyclass(frozen, module = "iceway", name = "Schema")]
pub(crate) struct Schema {
    pub(crate) info: Arc<TypeInfo>,
}

impl Schema {
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        self.info.schema.layout()
    }
}

/// A type name from text.
pub(crate) fn parse_type(py: Python<'_>, name: &str) -> PyResult<TypeName> {
    name.parse()
        .map_err(|error: iceway_msg::ParseTypeNameError| {
            raise(py, "InvalidName", error.to_string())
        })
}

#[pymethods]
impl Schema {
    #[new]
    fn new(py: Python<'_>, type_name: &str, definition: &str) -> PyResult<Self> {
        let name = parse_type(py, type_name)?;
        let schema = iceway_msg::Schema::parse(&name, definition)
            .map_err(|error| errors::definition(py, &error))?;
        Ok(Self {
            info: TypeInfo::of_schema(py, &schema)?,
        })
    }

    /// The full name, ``sensor_msgs/msg/Image``.
    #[getter]
    fn type_name(&self) -> String {
        self.info.type_name().to_owned()
    }

    /// The RIHS01 hash by which ROS tells types apart.
    #[getter]
    fn type_hash(&self) -> String {
        self.info.schema.type_hash().to_string()
    }

    /// The definition text, with those of all types that it needs.
    #[getter]
    fn definition(&self) -> String {
        self.info.schema.definition().to_owned()
    }

    /// The fields' names and types in ROS's notation: ``{"header": "std_msgs/msg/Header", "data": "uint8[]"}``.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        for (index, field) in self.layout().fields().iter().enumerate() {
            fields.set_item(self.info.field_name(py, index), field.ty.to_string())?;
        }
        Ok(fields)
    }

    /// The constants' names and values.
    #[getter]
    fn constants<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let constants = PyDict::new(py);
        for (name, value) in self.info.constants() {
            constants.set_item(name, value)?;
        }
        Ok(constants)
    }

    /// The defaults that the definition gives, by field; other fields start as zero, false or empty.
    #[getter]
    fn defaults<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let defaults = PyDict::new(py);
        for (index, field) in self.layout().fields().iter().enumerate() {
            if let Some(value) = &field.default {
                defaults.set_item(self.info.field_name(py, index), value_to_py(py, value)?)?;
            }
        }
        Ok(defaults)
    }

    /// Return the message that serialized bytes (CDR, with their 4-byte encapsulation) hold.
    ///
    /// Nothing is decoded until it is looked at. The message keeps ``data`` alive and looks at it in place, unless
    /// that would leave arrays of 8-byte numbers misaligned: ``copy=None`` copies then, ``True`` always, ``False``
    /// never (NumPy works with misaligned arrays, other libraries may not).
    #[pyo3(signature = (data, *, copy = None))]
    fn view(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        copy: Option<bool>,
    ) -> PyResult<Py<Message>> {
        let hold = foreign::bytes_of(py, data)?;
        if hold.len() < 4 {
            let text = format!(
                "{}: a message has at least 4 bytes, not {}",
                self.info.type_name(),
                hold.len()
            );
            return Err(errors::build(
                py,
                "MalformedMessage",
                (text, "", 0_usize, 4_usize, hold.len()),
            ));
        }
        let misaligned =
            !(hold.start().as_ptr().addr() + 4).is_multiple_of(self.info.array_alignment());
        let hold = if copy.unwrap_or(misaligned) {
            copy_of(&self.info.schema, hold.bytes())
        } else {
            hold
        };
        if copy != Some(true) {
            hold.make_read_only();
        }
        Py::new(
            py,
            Message::root(Memory::new(hold, Origin::default()), Arc::clone(&self.info)),
        )
    }

    /// Return the serialized bytes of a message; fields that are not given have their ROS defaults.
    ///
    /// Nothing is narrowed silently: an array of another dtype than its field's is an error, unless
    /// ``casting="same_kind"``.
    #[pyo3(signature = (message = None, /, **fields))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        message: Option<&Bound<'py, PyAny>>,
        fields: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let fields = fields.cloned().unwrap_or_else(|| PyDict::new(py));
        let casting = take_option(self.layout(), &fields, "casting")?;
        let casting = match casting {
            Some(casting) => Casting::parse(py, &casting.extract::<String>()?)?,
            None => Casting::Safe,
        };
        let options = WriteOptions {
            casting,
            reserve: false,
        };
        let plan = match message {
            Some(_) if !fields.is_empty() => {
                return Err(raise(
                    py,
                    "InvalidOption",
                    "pass a message or its fields, not both",
                ));
            }
            Some(message) => write::plan_object(py, self.layout(), message, options)?,
            None => write::plan(py, self.layout(), &fields, options)?,
        };
        let bytes = py
            .detach(|| plan.to_vec())
            .map_err(|e| errors::encode(py, self.info.type_name(), &e))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Check that bytes are a whole, well-formed message of this type; raise ``MalformedMessage`` if not.
    #[pyo3(signature = (data, /))]
    fn validate(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let hold = foreign::bytes_of(py, data)?;
        py.detach(|| iceway_msg::validate(&self.info.schema, hold.bytes()))
            .map_err(|error| errors::malformed(py, self.info.type_name(), &error))
    }

    /// Describe the type and all types in it, for tools that generate code.
    fn _describe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let types = PyDict::new(py);
        describe(py, self.layout(), &types)?;
        Ok(types)
    }

    fn __repr__(&self) -> String {
        let count = self.layout().fields().len();
        format!(
            "<iceway.Schema {}, {count} field{}>",
            self.info.type_name(),
            if count == 1 { "" } else { "s" }
        )
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            other.info.schema.type_name() == self.info.schema.type_name()
                && other.info.schema.type_hash() == self.info.schema.type_hash()
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.info.schema.type_name().hash(&mut hasher);
        self.info.schema.type_hash().hash(&mut hasher);
        hasher.finish()
    }

    fn __getnewargs__(&self) -> (String, String) {
        (self.type_name(), self.definition())
    }
}

/// Takes an option out of keyword arguments that are otherwise fields. A field of the same name wins; with
/// an underscore behind it (which no ROS field has) the name is always the option's.
pub(crate) fn take_option<'py>(
    layout: &Layout,
    fields: &Bound<'py, PyDict>,
    name: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let spelled = format!("{name}_");
    let shadowed = layout.field_index(name).is_some();
    for key in [Some(spelled.as_str()), (!shadowed).then_some(name)]
        .into_iter()
        .flatten()
    {
        if let Some(value) = fields.get_item(key)? {
            fields.del_item(key)?;
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// `{type: {"fields": [(name, element type, kind, array length)], "constants": {name: value}}}`
fn describe<'py>(py: Python<'py>, layout: &Layout, types: &Bound<'py, PyDict>) -> PyResult<()> {
    let name = layout.name().as_str();
    if types.contains(name)? {
        return Ok(());
    }
    let fields = PyList::empty(py);
    let entry = PyDict::new(py);
    entry.set_item(intern!(py, "fields"), &fields)?;
    let constants = PyDict::new(py);
    for constant in layout.constants() {
        constants.set_item(&*constant.name, value_to_py(py, &constant.value)?)?;
    }
    entry.set_item(intern!(py, "constants"), constants)?;
    types.set_item(name, &entry)?;
    for field in layout.fields() {
        let (kind, element) = match field.ty.element() {
            ElementType::Primitive(primitive) => ("number", primitive.numpy_code().to_owned()),
            ElementType::String { .. } => ("string", String::new()),
            ElementType::Message(nested) => {
                describe(py, nested, types)?;
                let structured = match &field.ty {
                    FieldType::Array(_, ArrayLen::Fixed(_)) => nested.array_struct().is_some(),
                    FieldType::Array(..) => nested.sequence_struct().is_some(),
                    FieldType::Single(_) => false,
                };
                (
                    if structured { "struct" } else { "message" },
                    nested.name().to_string(),
                )
            }
        };
        let array = matches!(field.ty, FieldType::Array(..));
        fields.append(PyTuple::new(
            py,
            [
                (&*field.name).into_pyobject(py)?.into_any(),
                kind.into_pyobject(py)?.into_any(),
                element.into_pyobject(py)?.into_any(),
                array.into_pyobject(py)?.to_owned().into_any(),
                field.ty.to_string().into_pyobject(py)?.into_any(),
            ],
        )?)?;
    }
    Ok(())
}
