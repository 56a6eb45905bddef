//! Writing a planned message into shared memory.
#![allow(unsafe_code)]

use iceway_bus::{FilledLoan, Loan};
use iceway_msg::EncodeError;
use iceway_msg::encode::Plan;

use crate::write::ArrayBytes;

/// Fills a loan of exactly the plan's size.
pub(crate) fn write(mut loan: Loan, plan: &Plan<ArrayBytes>) -> Result<FilledLoan, EncodeError> {
    plan.write_into(loan.as_uninit_slice())?;
    // SAFETY: `write_into` returned Ok, so every byte is initialised except those of reserved arrays. These are
    // shared memory that was mapped (zeroed by the system) or held an earlier frame of this same port, so they
    // hold some value, and any value is one of `u8`.
    Ok(unsafe { loan.assume_filled() })
}
