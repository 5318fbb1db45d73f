//! Who is asking, and the transaction in which the database knows it.

mod permission;
mod caller;
mod transaction;
mod token; // random, shown once, kept hashed
mod secret; // what the server signs and seals with
mod ring_signatures;
mod key_set;
mod jwt;
mod password;
mod presented; // what a request shows
mod visit;
mod refusal;
mod activity; // who was active a moment ago
mod roles;
mod limits;
mod authority; // who that is
mod cross_site;
mod forwarded;
mod headers;
mod errand; // may he do this, by how he came in?
mod middleware;
mod mail;
mod accounts;
mod openid;
mod upkeep;
mod admission; // may the server start like this?

pub use self::accounts::routes;
pub use self::admission::{AdmissionError, InitAdminOptions, Reach, init_admin, require_admission};
pub use self::authority::{Authority, AuthorityError, AuthoritySettings, SharedAuthority};
pub use self::caller::{Caller, RolePrefix, Standing};
pub use self::headers::{cors, secure_headers};
pub use self::jwt::{JwtError, JwtVerifier};
pub use self::key_set::{KeySet, KeySetError, KeySetPlace};
pub use self::limits::LimitSettings;
pub use self::mail::{MailError, MailSettings, Mailer, deliver};
pub use self::middleware::identify;
pub use self::openid::{ProviderSettings, read_providers};
pub use self::password::{PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN, PasswordError, Passwords, password_fault};
pub use self::permission::{Action, NotAPermission, Permission, Permissions};
pub use self::refusal::Refusal;
pub use self::secret::{SECRET_LENGTH_MIN, SecretError, ServerSecret};
pub use self::token::{NoRandomness, Token, TokenKind};
pub use self::transaction::{Access, RequestSettings, begin_as, introduction};
pub use self::upkeep::forget_expired;
pub use self::visit::Visit;
