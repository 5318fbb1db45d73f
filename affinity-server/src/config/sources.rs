use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::caps::read_caps;
use super::error::{ConfigError, Origin};
use super::platforms::{FileText, read_platforms};
use super::setting::{CONFIG, SETTINGS, Setting};
use crate::catalog::PlatformSettings;
use crate::resource::RestSettings;

/// A value as it was written, and where.
#[derive(Clone, Debug)]
struct Written {
    text: String,
    origin: Origin,
}

/// Everything the operator wrote, not yet parsed: flags over environment over file.
#[derive(Debug, Default)]
pub(super) struct Sources {
    flags: HashMap<&'static str, Written>,
    environment: HashMap<&'static str, Written>,
    file: HashMap<&'static str, Written>,
    platforms: Vec<(String, PlatformSettings)>,
    caps: Option<RestSettings>,
    ignored_variables: Vec<String>,
}

impl Sources {
    /// Takes flags by setting name, variables as the process has them, and reads the file that they name.
    ///
    /// An empty variable counts as unset. A relative file is looked for in `directory`.
    pub(super) fn gather(
        flags: Vec<(&'static str, String)>,
        environment: &HashMap<String, String>,
        directory: &Path,
    ) -> Result<Self, ConfigError> {
        let mut sources = Self::default();
        for (name, text) in flags {
            sources.flags.insert(name, Written { text, origin: Origin::Flag(format!("--{name}")) });
        }
        for setting in SETTINGS.into_iter().chain([&CONFIG]) {
            if let Some(text) = environment.get(setting.variable).filter(|text| !text.is_empty()) {
                let origin = Origin::Environment(setting.variable.to_string());
                sources.environment.insert(setting.name, Written { text: text.clone(), origin });
            }
        }
        let known = |name: &str| {
            let mut settings = SETTINGS.into_iter().chain([&CONFIG]);
            settings.any(|setting| setting.variable == name)
        };
        sources.ignored_variables = environment
            .keys()
            .filter(|name| name.starts_with("AFFINITY_") && !known(name))
            .cloned()
            .collect();
        sources.ignored_variables.sort();
        let asked = sources.find(&CONFIG).cloned();
        let path = directory.join(asked.as_ref().map_or("affinity.toml", |written| &written.text));
        match std::fs::read_to_string(&path) {
            Ok(text) => sources.read_file(&path, &text)?,
            Err(error) if error.kind() == ErrorKind::NotFound && asked.is_none() => {}
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path,
                    origin: asked.map(|written| written.origin),
                    source,
                });
            }
        }
        Ok(sources)
    }

    /// Variables that start like a setting's and are none: mistyped, most likely.
    pub(super) fn ignored_variables(&self) -> &[String] {
        &self.ignored_variables
    }

    /// The platforms of the file, by name.
    pub(super) fn platforms(&self) -> &[(String, PlatformSettings)] {
        &self.platforms
    }

    /// How much a request to a table may ask for.
    pub(super) fn caps(&self) -> RestSettings {
        self.caps.clone().unwrap_or_else(RestSettings::standard)
    }

    fn find(&self, setting: &Setting) -> Option<&Written> {
        [&self.flags, &self.environment, &self.file].into_iter().find_map(|source| source.get(setting.name))
    }

    /// The value of `setting` as `parse` reads it, or `None` when nobody wrote one.
    pub(super) fn read<T>(
        &self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(written) = self.find(setting) else {
            return Ok(None);
        };
        match parse(&written.text) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::WrongValue {
                setting: setting.name,
                value: (!setting.secret).then(|| written.text.clone()),
                origin: written.origin.clone(),
                allowed: setting.allowed,
            }),
        }
    }

    fn read_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let at = |offset: usize| Origin::File { path: PathBuf::from(path), line: line_at(text, offset) };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_string(),
        })?;
        for (key, value) in table.get_ref() {
            let origin = at(key.span().start);
            if key.get_ref() == PLATFORMS {
                self.platforms = read_platforms(value, &FileText { text, origin_at: &at })?;
                continue;
            }
            if key.get_ref() == CAPS {
                self.caps = Some(read_caps(value, &FileText { text, origin_at: &at })?);
                continue;
            }
            let Some(setting) = SETTINGS.into_iter().find(|setting| setting.key() == key.get_ref().as_ref())
            else {
                let allowed = SETTINGS.iter().map(|setting| setting.key());
                let allowed = allowed.chain([format!("[{PLATFORMS}.NAME]"), format!("[{CAPS}]")]).collect();
                return Err(ConfigError::UnknownKey { key: key.get_ref().to_string(), origin, allowed });
            };
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                _ => {
                    return Err(ConfigError::WrongValue {
                        setting: setting.name,
                        value: (!setting.secret).then(|| text[value.span()].to_string()),
                        origin,
                        allowed: setting.allowed,
                    });
                }
            };
            self.file.insert(setting.name, Written { text, origin });
        }
        Ok(())
    }
}

/// The tables of the file that say how platforms are served.
const PLATFORMS: &str = "platforms";
/// The table of the file that says how much a request may ask for.
const CAPS: &str = "caps";

/// The line of the byte `offset`, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
