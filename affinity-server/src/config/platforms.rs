use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use crate::catalog::{PlatformSettings, TransactionEndPolicy};

/// The keys of a table `[platforms.NAME]`.
const KEYS: [&str; 9] = [
    "schemas",
    "allow_unguarded",
    "strict",
    "anonymous_role",
    "max_rows",
    "plan_enabled",
    "aggregates_enabled",
    "tx_end",
    "extra_search_path",
];

/// A part of the configuration file, able to say where each of its values stands.
pub(super) struct FileText<'a> {
    pub(super) text: &'a str,
    pub(super) origin_at: &'a dyn Fn(usize) -> Origin,
}

impl FileText<'_> {
    pub(super) fn wrong(
        &self,
        setting: &'static str,
        value: &Spanned<DeValue<'_>>,
        allowed: &'static str,
    ) -> ConfigError {
        ConfigError::WrongValue {
            setting,
            value: Some(self.text[value.span()].trim_matches('"').to_owned()),
            origin: (self.origin_at)(value.span().start),
            allowed,
        }
    }

    fn flag(&self, setting: &'static str, value: &Spanned<DeValue<'_>>) -> Result<bool, ConfigError> {
        value.get_ref().as_bool().ok_or_else(|| self.wrong(setting, value, "true or false"))
    }

    fn names(&self, setting: &'static str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, ConfigError> {
        let wrong = || self.wrong(setting, value, "a list of schemas, such as [\"public\"]");
        let list = value.get_ref().as_array().ok_or_else(wrong)?;
        let name = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned).ok_or_else(wrong);
        list.iter().map(name).collect()
    }
}

/// The tables `[platforms.NAME]`, by name.
pub(super) fn read_platforms(
    tables: &Spanned<DeValue<'_>>,
    file: &FileText<'_>,
) -> Result<Vec<(String, PlatformSettings)>, ConfigError> {
    let Some(table) = tables.get_ref().as_table() else {
        return Err(file.wrong("platforms", tables, "tables such as [platforms.v1]"));
    };
    let mut platforms = Vec::new();
    for (name, settings) in table {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_name = name.get_ref().bytes().all(is_plain) && !name.get_ref().starts_with('.');
        let Some(settings) = settings.get_ref().as_table().filter(|_| is_name) else {
            return Err(ConfigError::WrongValue {
                setting: "platforms",
                value: Some(name.get_ref().to_string()),
                origin: (file.origin_at)(name.span().start),
                allowed: "tables such as [platforms.v1], named by letters, digits, \"_\", \"-\" and \".\"",
            });
        };
        platforms.push((name.get_ref().to_string(), read_settings(settings, file)?));
    }
    platforms.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(platforms)
}

fn read_settings(table: &DeTable<'_>, file: &FileText<'_>) -> Result<PlatformSettings, ConfigError> {
    let mut settings = PlatformSettings::standard();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "schemas" => {
                settings.schemas = file.names("schemas", value)?;
                if settings.schemas.is_empty() {
                    return Err(file.wrong("schemas", value, "at least one schema"));
                }
            }
            "allow_unguarded" => settings.allow_unguarded = file.flag("allow_unguarded", value)?,
            "strict" => settings.is_strict = file.flag("strict", value)?,
            "anonymous_role" => {
                let role = value.get_ref().as_str().filter(|role| !role.is_empty());
                let role =
                    role.ok_or_else(|| file.wrong("anonymous_role", value, "a role of the database"))?;
                settings.anonymous_role = Some(role.to_owned());
            }
            "max_rows" => {
                let rows = value.get_ref().as_integer().and_then(|rows| rows.to_string().parse().ok());
                let rows = rows.filter(|rows| *rows > 0);
                settings.rows_max =
                    Some(rows.ok_or_else(|| file.wrong("max_rows", value, "a whole number from 1"))?);
            }
            "plan_enabled" => settings.plan_enabled = file.flag("plan_enabled", value)?,
            "aggregates_enabled" => settings.aggregates_enabled = file.flag("aggregates_enabled", value)?,
            "tx_end" => {
                let policy = value.get_ref().as_str().and_then(TransactionEndPolicy::from_name);
                settings.transaction_end = policy.ok_or_else(|| file.wrong("tx_end", value, TX_ENDS))?;
            }
            "extra_search_path" => settings.extra_search_path = file.names("extra_search_path", value)?,
            unknown => {
                return Err(ConfigError::UnknownKey {
                    key: unknown.to_owned(),
                    origin: (file.origin_at)(key.span().start),
                    allowed: KEYS.map(str::to_owned).to_vec(),
                });
            }
        }
    }
    Ok(settings)
}

const TX_ENDS: &str = "commit, commit-allow-override, rollback or rollback-allow-override";
