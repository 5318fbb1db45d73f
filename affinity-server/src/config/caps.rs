use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::ConfigError;
use super::platforms::FileText;
use crate::resource::RestSettings;

/// One key of the table `[caps]`, and what it sets.
type Cap = (&'static str, fn(&mut RestSettings, u32));

/// Every cap, by the name that the error of a request gives which exceeds it.
const CAPS: [Cap; 15] = [
    ("rows_max", |caps, value| caps.rows_max = value.into()),
    ("body_bytes_max", |caps, value| caps.body_bytes_max = size(value)),
    ("batch_operations_max", |caps, value| caps.batch_operations_max = size(value)),
    ("requests_at_once_max", |caps, value| caps.requests_at_once_max = size(value)),
    ("request_wait_max_ms", |caps, value| caps.request_wait_max = milliseconds(value)),
    ("statement_timeout_ms", |caps, value| caps.statement_timeout = milliseconds(value)),
    ("attempts_max", |caps, value| caps.attempts_max = value),
    ("parameters_max", |caps, value| caps.limits.parameters_max = size(value)),
    ("select_items_max", |caps, value| caps.limits.select_items_max = size(value)),
    ("embedding_depth_max", |caps, value| caps.limits.embedding_depth_max = size(value)),
    ("filter_terms_max", |caps, value| caps.limits.filter_terms_max = size(value)),
    ("logic_depth_max", |caps, value| caps.limits.logic_depth_max = size(value)),
    ("list_length_max", |caps, value| caps.limits.list_length_max = size(value)),
    ("json_path_length_max", |caps, value| caps.limits.json_path_length_max = size(value)),
    ("order_terms_max", |caps, value| caps.limits.order_terms_max = size(value)),
];

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn milliseconds(value: u32) -> Duration {
    Duration::from_millis(value.into())
}

/// Applies the table `[caps]`: how much one request may ask for.
pub(super) fn read_caps(
    table: &Spanned<DeValue<'_>>,
    file: &FileText<'_>,
) -> Result<RestSettings, ConfigError> {
    let mut settings = RestSettings::standard();
    let Some(caps) = table.get_ref().as_table() else {
        return Err(file.wrong("caps", table, "a table [caps]"));
    };
    for (key, value) in caps {
        let Some((name, set)) = CAPS.iter().find(|(name, _)| *name == key.get_ref().as_ref()) else {
            return Err(ConfigError::UnknownKey {
                key: key.get_ref().to_string(),
                origin: (file.origin_at)(key.span().start),
                allowed: CAPS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            });
        };
        let number = value.get_ref().as_integer().and_then(|number| number.to_string().parse().ok());
        let number = number.filter(|number| (1..=ALLOWED_MAX).contains(number));
        set(&mut settings, number.ok_or_else(|| file.wrong(name, value, ALLOWED))?);
    }
    Ok(settings)
}

/// More than PostgreSQL takes as a time, and enough of everything else.
const ALLOWED_MAX: u32 = i32::MAX.unsigned_abs();
const ALLOWED: &str = "a whole number from 1 to 2147483647";
