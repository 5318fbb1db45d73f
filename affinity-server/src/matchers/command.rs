//! The commands `activate`, `rollback` and `versions`.

use std::str::FromStr;

use super::declared::Declared;
use super::error::{MatcherName, MatchersError};
use super::versions::{MatcherVersion, Versions};
use crate::config::Config;
use crate::database::Database;
use crate::platform::Platform;

impl FromStr for MatcherName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((platform, matcher)) if !platform.is_empty() && !matcher.is_empty() => {
                Ok(Self { platform: platform.to_string(), matcher: matcher.to_string() })
            }
            _ => Err("expected PLATFORM/MATCHER, such as network/partners".to_string()),
        }
    }
}

/// The platform of `config`'s folders with this name.
///
/// # Errors
/// [`MatchersError`] naming what there is instead.
pub fn platform_named(config: &Config, name: &str) -> Result<Platform, MatchersError> {
    let platforms =
        Platform::of_data_dir(&config.data_dir).map_err(|source| MatchersError::Platform { source })?;
    let known = platforms.iter().map(|platform| platform.name().to_string()).collect();
    platforms
        .into_iter()
        .find(|platform| platform.name() == name)
        .ok_or_else(|| MatchersError::UnknownPlatform { got: name.to_string(), allowed: known })
}

/// The platform of `config`'s folders that `name` is of, once it is known to have such a matcher.
///
/// # Errors
/// [`MatchersError`] naming what there is instead.
pub fn find_platform(config: &Config, name: &MatcherName) -> Result<Platform, MatchersError> {
    let platform = platform_named(config, &name.platform)?;
    // Texts alone: the dimension plays no part in what matchers are called.
    let declared = Declared::new(&platform, 1, platform.matchers())?;
    let allowed: Vec<String> = declared.matchers.iter().map(|matcher| matcher.name().to_string()).collect();
    if !allowed.contains(&name.matcher) {
        let (platform, got) = (name.platform.clone(), name.matcher.clone());
        return Err(MatchersError::UnknownMatcher { platform, got, allowed });
    }
    Ok(platform)
}

/// Has `version` of a matcher served; running servers follow at once.
///
/// # Errors
/// [`MatchersError`] naming what there is instead, or the database's error.
pub async fn activate(config: &Config, name: &MatcherName, version: &str) -> anyhow::Result<()> {
    let (database, versions) = open(config, name).await?;
    let activated = versions.activate(name, version).await;
    database.stop().await?;
    activated?;
    println!("{name} is served as version {version}");
    Ok(())
}

/// Has the version of a matcher served that was before the present one.
///
/// # Errors
/// [`MatchersError::NothingBefore`], or as [`activate`].
pub async fn rollback(config: &Config, name: &MatcherName) -> anyhow::Result<()> {
    let (database, versions) = open(config, name).await?;
    let before = versions.roll_back(name).await;
    database.stop().await?;
    println!("{name} is served as version {} again", before?);
    Ok(())
}

/// Prints the versions of a matcher, newest first.
///
/// # Errors
/// As [`activate`].
pub async fn list_versions(config: &Config, name: &MatcherName) -> anyhow::Result<()> {
    let (database, versions) = open(config, name).await?;
    let list = versions.list(name).await;
    database.stop().await?;
    for version in list? {
        println!("{}", line(&version));
    }
    Ok(())
}

fn line(version: &MatcherVersion) -> String {
    let mark = if version.active { "* " } else { "  " };
    let from = match &version.fitted_from {
        Some(from) => format!("fitted from {from}"),
        None => "the file's".to_string(),
    };
    format!("{mark}{}  {}  {from}", version.version, version.created_at.format("%Y-%m-%d %H:%M:%S UTC"))
}

/// The configured database, migrated, with the texts of the matcher's file among its versions.
async fn open(config: &Config, name: &MatcherName) -> anyhow::Result<(Database, Versions)> {
    let platform = find_platform(config, name)?;
    let database = Database::start(&config.database).await?;
    database.migrate().await?;
    let versions = Versions::new(database.pool().clone());
    let files = Declared::new(&platform, 1, platform.matchers())?;
    versions.served(&name.platform, platform.matchers(), &files.matchers).await?;
    Ok((database, versions))
}
