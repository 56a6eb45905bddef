//! What Python needs to know of a message type, made once per type.

use std::sync::{Arc, OnceLock};

use iceway_msg::{ByteOrder, ElementType, FieldType, Layout, Schema, StructLayout, Value};
use numpy::PyArrayDescr;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString};

use crate::arrays;

/// A message type with its names as interned Python strings.
pub(crate) struct TypeInfo {
    pub(crate) layout: Arc<Layout>,
    /// The schema that the type is part of.
    pub(crate) schema: Schema,
    fields: Box<[FieldInfo]>,
    constants: Box<[(Py<PyString>, Py<PyAny>)]>,
}

struct FieldInfo {
    name: Py<PyString>,
    /// The type of a nested message, or of the elements.
    nested: OnceLock<Arc<TypeInfo>>,
    /// Structured dtypes of an array of fixed-size messages: little-endian, big-endian.
    structured: [PyOnceLock<Py<PyArrayDescr>>; 2],
}

/// What a name stands for in a message.
pub(crate) enum Named<'a> {
    Field(usize),
    Constant(&'a Py<PyAny>),
}

impl TypeInfo {
    pub(crate) fn of_schema(py: Python<'_>, schema: &Schema) -> PyResult<Arc<Self>> {
        Self::new(py, schema.clone(), Arc::clone(schema.layout()))
    }

    fn new(py: Python<'_>, schema: Schema, layout: Arc<Layout>) -> PyResult<Arc<Self>> {
        let field = |name: &str| FieldInfo {
            name: PyString::intern(py, name).unbind(),
            nested: OnceLock::new(),
            structured: [PyOnceLock::new(), PyOnceLock::new()],
        };
        let fields = layout.fields().iter().map(|f| field(&f.name)).collect();
        let constants = layout
            .constants()
            .iter()
            .map(|c| {
                Ok((
                    PyString::intern(py, &c.name).unbind(),
                    value_to_py(py, &c.value)?,
                ))
            })
            .collect::<PyResult<_>>()?;
        Ok(Arc::new(Self {
            layout,
            schema,
            fields,
            constants,
        }))
    }

    pub(crate) fn type_name(&self) -> &str {
        self.layout.name().as_str()
    }

    /// The field or constant of this name. Names in code are interned, so mostly one address is compared.
    pub(crate) fn find(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
    ) -> PyResult<Option<Named<'_>>> {
        if let Some(at) = self
            .fields
            .iter()
            .position(|field| field.name.bind(py).is(name))
        {
            return Ok(Some(Named::Field(at)));
        }
        let text = name.to_str()?;
        if let Some(at) = self.layout.field_index(text) {
            return Ok(Some(Named::Field(at)));
        }
        let at = self
            .layout
            .constants()
            .iter()
            .position(|constant| &*constant.name == text);
        Ok(at.map(|at| Named::Constant(&self.constants[at].1)))
    }

    /// What addresses of bodies should be a multiple of, so that all arrays are aligned.
    pub(crate) fn array_alignment(&self) -> usize {
        fn of(layout: &Layout) -> usize {
            let of_field = |ty: &FieldType| match (ty, ty.element()) {
                (FieldType::Array(..), ElementType::Primitive(primitive)) => primitive.size(),
                (FieldType::Array(..), ElementType::Message(nested)) if nested.is_fixed() => {
                    nested.alignment()
                }
                (_, ElementType::Message(nested)) => of(nested),
                _ => 1,
            };
            layout
                .fields()
                .iter()
                .map(|field| of_field(&field.ty))
                .max()
                .unwrap_or(1)
        }
        of(&self.layout)
    }

    pub(crate) fn field_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.fields.iter().map(|field| field.name.bind(py)))
    }

    pub(crate) fn constant_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.constants.iter().map(|(name, _)| name.bind(py)))
    }

    pub(crate) fn constants(&self) -> impl Iterator<Item = (&Py<PyString>, &Py<PyAny>)> {
        self.constants.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn field_name<'py>(&self, py: Python<'py>, field: usize) -> &Bound<'py, PyString> {
        self.fields[field].name.bind(py)
    }

    /// The type of a nested message field, or of the elements of an array of messages.
    pub(crate) fn nested(&self, py: Python<'_>, field: usize) -> PyResult<&Arc<Self>> {
        let cell = &self.fields[field].nested;
        if let Some(nested) = cell.get() {
            return Ok(nested);
        }
        let ElementType::Message(layout) = self.layout.fields()[field].ty.element() else {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "the field holds no messages",
            ));
        };
        let nested = Self::new(py, self.schema.clone(), Arc::clone(layout))?;
        Ok(cell.get_or_init(|| nested))
    }

    /// The dtype of an array of fixed-size messages.
    pub(crate) fn struct_dtype<'py>(
        &self,
        py: Python<'py>,
        field: usize,
        layout: &StructLayout,
        order: ByteOrder,
    ) -> PyResult<&Bound<'py, PyArrayDescr>> {
        let cell = &self.fields[field].structured[usize::from(order == ByteOrder::Big)];
        let made = cell.get_or_try_init(py, || {
            arrays::struct_dtype(py, layout, order).map(Bound::unbind)
        })?;
        Ok(made.bind(py))
    }
}

/// A default or a constant.
pub(crate) fn value_to_py(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    Ok(match value {
        Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any().unbind(),
        Value::I64(value) => value.into_pyobject(py)?.into_any().unbind(),
        Value::U64(value) => value.into_pyobject(py)?.into_any().unbind(),
        Value::F64(value) => value.into_pyobject(py)?.into_any().unbind(),
        Value::Str(value) => value.into_pyobject(py)?.into_any().unbind(),
        Value::Numbers(array) => {
            let items = array
                .iter()
                .map(|item| value_to_py(py, &item))
                .collect::<PyResult<Vec<_>>>()?;
            let dtype = arrays::dtype(py, array.primitive, ByteOrder::NATIVE)?;
            py.import(intern!(py, "numpy"))?
                .call_method1(intern!(py, "array"), (PyList::new(py, items)?, dtype))?
                .unbind()
        }
        Value::Seq(items) => {
            let items = items
                .iter()
                .map(|item| value_to_py(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any().unbind()
        }
        Value::Struct(fields) => {
            let dict = pyo3::types::PyDict::new(py);
            for (name, value) in fields {
                dict.set_item(&**name, value_to_py(py, value)?)?;
            }
            dict.into_any().unbind()
        }
    })
}
