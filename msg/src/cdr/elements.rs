//! Arrays whose elements must be found one by one.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Cdr, Located};
use crate::error::{CdrError, CdrErrorKind};
use crate::frame::ENCAPSULATION_LEN;
use crate::layout::{ElementType, Layout};

/// An array of strings, or of messages that do not all lie alike.
#[derive(Clone, Debug)]
pub struct Sequence {
    start: usize,
    len: usize,
    element: SequenceElement,
}

/// What a [`Sequence`] holds.
#[derive(Clone, Debug)]
pub enum SequenceElement {
    /// Strings.
    String {
        /// True for `wstring`.
        wide: bool,
    },
    /// Messages of this type.
    Message(Arc<Layout>),
}

/// Where the elements of **one** [`Sequence`] start, as far as they have been found. May be shared between
/// threads. It never holds more than one position per element, and elements are only found where bytes
/// are.
#[derive(Debug, Default)]
pub struct Elements {
    /// Starts of elements 1, 2, …
    starts: Mutex<Vec<usize>>,
}

impl Elements {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Sequence {
    pub(crate) fn new(start: usize, len: usize, element: SequenceElement) -> Self {
        Self {
            start,
            len,
            element,
        }
    }

    /// An array of messages, whether or not they lie alike.
    pub(crate) fn of_messages(start: usize, len: usize, layout: &Arc<Layout>) -> Self {
        Self::new(start, len, SequenceElement::Message(Arc::clone(layout)))
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the elements are.
    #[must_use]
    pub fn element(&self) -> &SequenceElement {
        &self.element
    }

    /// True if the elements are messages, false if they are strings.
    #[must_use]
    pub fn is_messages(&self) -> bool {
        matches!(self.element, SequenceElement::Message(_))
    }

    /// Where the first element starts (before alignment).
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Finds the element at `index`: [`Located::Str`], [`Located::WStr`] or [`Located::Message`]. Constant
    /// time for fixed-size messages; for others each element is walked over once, and remembered in `found`.
    pub fn locate(
        &self,
        cdr: &Cdr<'_>,
        found: &Elements,
        index: usize,
    ) -> Result<Located, CdrError> {
        if index >= self.len {
            return Err(CdrError::new(
                self.start,
                CdrErrorKind::Index {
                    index,
                    len: self.len,
                },
            ));
        }
        let element = self.element_type();
        let start = match &self.element {
            SequenceElement::Message(layout) if layout.is_fixed() => {
                cdr.fixed_start(layout, self.start, index)?
            }
            _ => self.walk_to(cdr, &element, found, index)?,
        };
        let (located, _) = cdr
            .locate_element(&element, start)
            .map_err(|e| e.in_index(index))?;
        Ok(located)
    }

    fn element_type(&self) -> ElementType {
        match &self.element {
            SequenceElement::String { wide } => ElementType::String {
                bound: None,
                wide: *wide,
            },
            SequenceElement::Message(layout) => ElementType::Message(Arc::clone(layout)),
        }
    }

    fn walk_to(
        &self,
        cdr: &Cdr<'_>,
        element: &ElementType,
        found: &Elements,
        index: usize,
    ) -> Result<usize, CdrError> {
        if index == 0 {
            return Ok(self.start.max(ENCAPSULATION_LEN));
        }
        // A panic cannot leave the list half written: poisoning means nothing here.
        let mut starts = found.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pos = starts
            .get(index - 1)
            .or(starts.last())
            .copied()
            .unwrap_or(self.start);
        for i in starts.len()..index {
            pos = cdr.skip(element, pos).map_err(|e| e.in_index(i))?;
            starts.push(pos);
        }
        Ok(pos)
    }
}
