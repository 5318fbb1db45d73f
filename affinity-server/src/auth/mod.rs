//! Who is asking, and the transaction in which the database knows it.

mod caller;
mod transaction;

pub use self::caller::{Caller, RolePrefix, Standing};
pub use self::transaction::{Access, RequestSettings, begin_as};
