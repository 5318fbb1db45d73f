//! Bodies of writes and calls. What they say goes to the database as text; here it is only looked at, so that no digit
//! is lost and every mistake has its place.

mod json; // text to records
mod csv;
mod check; // records against columns
mod reference; // values of earlier answers

pub(super) use self::check::{Mistake, check_value};
pub(super) use self::csv::csv_records;
pub(super) use self::json::{Body, BodyError, Record, items};
pub(super) use self::reference::{resolve, value_at};
