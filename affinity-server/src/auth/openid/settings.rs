use reqwest::Url;
use serde::Deserialize;

use crate::config::Secret;

/// A provider by which people of one platform sign in.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Whose people.
    pub platform: String,
    /// What it is called in addresses, and in the platform's table of providers.
    pub name: String,
    /// Who it is; its description is at `/.well-known/openid-configuration` below.
    pub issuer: Url,
    /// What it calls this server.
    pub client_id: String,
    /// By what it knows this server, if it wants that.
    pub client_secret: Option<Secret>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    provider: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    platform: String,
    name: String,
    issuer: Url,
    client_id: String,
    client_secret: Option<String>,
    #[serde(default = "Written::standard_scopes")]
    scopes: Vec<String>,
}

impl Written {
    fn standard_scopes() -> Vec<String> {
        ["email", "profile"].map(str::to_owned).into()
    }
}

/// The providers of a TOML file.
///
/// # Errors
/// When a table lacks something, or has too much: the error names line and field.
///
/// ```
/// let file = r#"
///     [[provider]]
///     platform = "network"
///     name = "google"
///     issuer = "https://accounts.google.com"
///     client_id = "1234"
///     client_secret = "shh"
/// "#;
/// let providers = affinity_server::auth::read_providers(file)?;
/// assert_eq!(providers[0].scopes, ["email", "profile"]);
/// # Ok::<(), toml::de::Error>(())
/// ```
pub fn read_providers(text: &str) -> Result<Vec<ProviderSettings>, toml::de::Error> {
    let File { provider } = toml::from_str(text)?;
    let settings = |written: Written| ProviderSettings {
        platform: written.platform,
        name: written.name,
        issuer: written.issuer,
        client_id: written.client_id,
        client_secret: written.client_secret.map(Secret::new),
        scopes: written.scopes,
    };
    Ok(provider.into_iter().map(settings).collect())
}
