//! Signing in by an OpenID provider: the code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

mod settings;
mod provider; // what is said to a provider
mod sign_in; // whose account that is
mod routes;

pub(super) use self::provider::Provider;
pub(super) use self::routes::routes;
pub use self::settings::{ProviderSettings, read_providers};
