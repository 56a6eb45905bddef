//! Symbols that the libraries of ROS 2's PyPI wheels expect of the executable: two data objects of Python, which nothing here ever reads.
#![allow(unsafe_code, missing_docs, unreachable_pub, non_upper_case_globals)]

// SAFETY (both): no other object in the process has these names: the process does not link Python.
#[unsafe(no_mangle)]
pub static PyExc_RuntimeError: usize = 0;
// SAFETY: as above.
#[unsafe(no_mangle)]
pub static _Py_TrueStruct: [usize; 4] = [0; 4];
