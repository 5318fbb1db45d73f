//! Accounts over HTTP: signing up and in, sessions, second factors and keys.
//!
//! No answer tells whether an address has an account: what an address gets is said by mail, and everything that
//! asks for one takes the same steps whether or not it has.

mod account;
mod desk; // one request about accounts of one platform
mod lockout;
mod sealing;
mod sign_up;
mod sign_in;
mod recovery;
mod second_factor;
mod sessions;
mod keys;
mod wire;
mod routes;

pub(in crate::auth) use self::account::{
    Account, KeyRow, NewAccount, SessionRow, account_by_email, create_account,
};
pub(in crate::auth) use self::desk::{Desk, database, internal};
pub use self::routes::routes;
pub(in crate::auth) use self::sign_in::{Begun, require_usable};
