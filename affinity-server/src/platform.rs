//! A platform as data: a folder with a declaration, matchers and a demo world.

use std::fmt;
use std::path::{Path, PathBuf};

use affinity_core::{Schema, SchemaError};
use include_dir::{Dir, include_dir};

/// The folders that come with the server.
static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../platforms");

const DECLARATION_FILE: &str = "platform.toml";
const MATCHER_FOLDER: &str = "matchers";
const DEMO_FILE: &str = "demo.toml";
const REPLAY_FILE: &str = "replay.toml";

/// A platform as data: what its folder says, read but not yet interpreted.
///
/// ```
/// use affinity_server::platform::Platform;
///
/// for platform in Platform::embedded()? {
///     assert_eq!(platform.schema(256)?.name(), platform.name());
/// }
/// # Ok::<(), affinity_server::platform::PlatformError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    name: String,
    declaration: String,
    matchers: Vec<MatcherText>,
    demo: Option<String>,
    replay: Option<String>,
}

/// The text of one matcher, and the file it came from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherText {
    /// Such as `example/matchers/partners.toml`.
    pub file: String,
    /// TOML.
    pub text: String,
}

/// Why a platform's folder was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlatformError {
    /// A file or folder could not be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that comes with the server holds something that is not UTF-8 text.
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// A platform's folder has no declaration.
    NoDeclaration {
        /// The platform's folder.
        platform: String,
        /// The file it must hold.
        expected: &'static str,
    },
    /// A declaration is wrong.
    BadDeclaration {
        /// The platform's folder.
        platform: String,
        /// Which line or field, and why.
        source: SchemaError,
    },
    /// A declaration names another platform than its folder does.
    OtherName {
        /// The folder's name.
        platform: String,
        /// The name in the declaration.
        got: String,
    },
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "\"{}\" could not be read", path.display()),
            Self::NotText { path } => write!(f, "\"{}\" is not UTF-8 text", path.display()),
            Self::NoDeclaration { platform, expected } => {
                write!(f, "the folder of platform \"{platform}\" has no \"{expected}\"")
            }
            Self::BadDeclaration { platform, .. } => {
                write!(f, "\"{DECLARATION_FILE}\" of platform \"{platform}\" was refused")
            }
            Self::OtherName { platform, got } => {
                write!(
                    f,
                    "\"{DECLARATION_FILE}\" names platform \"{got}\", expected \"{platform}\" as its folder"
                )
            }
        }
    }
}

impl std::error::Error for PlatformError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::BadDeclaration { source, .. } => Some(source),
            Self::NotText { .. } | Self::NoDeclaration { .. } | Self::OtherName { .. } => None,
        }
    }
}

impl Platform {
    /// The platforms that come with the server, by name.
    ///
    /// # Errors
    /// [`PlatformError`] naming the folder that is incomplete.
    pub fn embedded() -> Result<Vec<Self>, PlatformError> {
        let mut platforms = EMBEDDED.dirs().map(Self::from_embedded).collect::<Result<Vec<_>, _>>()?;
        platforms.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(platforms)
    }

    /// The platforms that come with the server and those of `folder`, by name.
    ///
    /// A platform in `folder` replaces the one of the same name as a whole: half of one platform and half of
    /// another is what nobody has tested.
    ///
    /// # Errors
    /// [`PlatformError`] naming the file or folder that is wrong.
    pub fn with_overrides(folder: &Path) -> Result<Vec<Self>, PlatformError> {
        let mut platforms = Self::embedded()?;
        for path in sorted_entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let own = Self::from_folder(&path)?;
            platforms.retain(|platform| platform.name != own.name);
            platforms.push(own);
        }
        platforms.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(platforms)
    }

    /// The platforms of a server with this data directory: [`Self::with_overrides`] of its folder `platforms`.
    ///
    /// # Errors
    /// As [`Self::with_overrides`].
    pub fn of_data_dir(data_dir: &Path) -> Result<Vec<Self>, PlatformError> {
        let own = data_dir.join("platforms");
        if own.is_dir() { Self::with_overrides(&own) } else { Self::embedded() }
    }

    /// The platform in `folder`, named as the folder is.
    ///
    /// # Errors
    /// [`PlatformError`] naming the file that is wrong.
    pub fn from_folder(folder: &Path) -> Result<Self, PlatformError> {
        let name = file_name(folder);
        let declaration_file = folder.join(DECLARATION_FILE);
        if !declaration_file.is_file() {
            return Err(PlatformError::NoDeclaration { platform: name, expected: DECLARATION_FILE });
        }
        let matcher_folder = folder.join(MATCHER_FOLDER);
        let matcher_files =
            if matcher_folder.is_dir() { sorted_entries(&matcher_folder)? } else { Vec::new() };
        let matchers = matcher_files.into_iter().filter(|path| is_toml(path)).map(|path| {
            Ok(MatcherText {
                file: format!("{name}/{MATCHER_FOLDER}/{}", file_name(&path)),
                text: read(&path)?,
            })
        });
        let matchers = matchers.collect::<Result<Vec<_>, PlatformError>>()?;
        let demo_file = folder.join(DEMO_FILE);
        let demo = if demo_file.is_file() { Some(read(&demo_file)?) } else { None };
        let replay_file = folder.join(REPLAY_FILE);
        let replay = if replay_file.is_file() { Some(read(&replay_file)?) } else { None };
        Ok(Self { name, declaration: read(&declaration_file)?, matchers, demo, replay })
    }

    fn from_embedded(folder: &'static Dir<'static>) -> Result<Self, PlatformError> {
        let name = file_name(folder.path());
        let text = |file: &'static include_dir::File<'static>| {
            let not_text = || PlatformError::NotText { path: file.path().to_path_buf() };
            file.contents_utf8().map(str::to_string).ok_or_else(not_text)
        };
        let declaration = folder.get_file(folder.path().join(DECLARATION_FILE)).ok_or_else(|| {
            PlatformError::NoDeclaration { platform: name.clone(), expected: DECLARATION_FILE }
        })?;
        let mut matchers = Vec::new();
        if let Some(matcher_folder) = folder.get_dir(folder.path().join(MATCHER_FOLDER)) {
            for file in matcher_folder.files().filter(|file| is_toml(file.path())) {
                let file_name = file_name(file.path());
                matchers.push(MatcherText {
                    file: format!("{name}/{MATCHER_FOLDER}/{file_name}"),
                    text: text(file)?,
                });
            }
        }
        matchers.sort_by(|left, right| left.file.cmp(&right.file));
        let demo = folder.get_file(folder.path().join(DEMO_FILE)).map(text).transpose()?;
        let replay = folder.get_file(folder.path().join(REPLAY_FILE)).map(text).transpose()?;
        Ok(Self { declaration: text(declaration)?, name, matchers, demo, replay })
    }

    /// The platform's name, as in `affinity.platforms`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of `platform.toml`.
    #[must_use]
    pub fn declaration(&self) -> &str {
        &self.declaration
    }

    /// The matchers' texts, by file name.
    #[must_use]
    pub fn matchers(&self) -> &[MatcherText] {
        &self.matchers
    }

    /// The description of the demo world, if the platform has one.
    #[must_use]
    pub fn demo(&self) -> Option<&str> {
        self.demo.as_deref()
    }

    /// What of today was not known in the past, if the platform says.
    #[must_use]
    pub fn replay(&self) -> Option<&str> {
        self.replay.as_deref()
    }

    /// The kinds, relations and spaces it declares; vectors have `dimension` components unless it says otherwise.
    ///
    /// # Errors
    /// [`PlatformError`] with the line or field that is wrong.
    pub fn schema(&self, dimension: usize) -> Result<Schema, PlatformError> {
        let schema = Schema::from_toml_with_dimension(&self.declaration, dimension)
            .map_err(|source| PlatformError::BadDeclaration { platform: self.name.clone(), source })?;
        if schema.name() != self.name {
            return Err(PlatformError::OtherName {
                platform: self.name.clone(),
                got: schema.name().to_string(),
            });
        }
        Ok(schema)
    }
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, PlatformError> {
    std::fs::read_to_string(path)
        .map_err(|source| PlatformError::Unreadable { path: path.to_path_buf(), source })
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, PlatformError> {
    let unreadable = |source| PlatformError::Unreadable { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Platform, PlatformError};

    const DECLARATION: &str = "name = \"tiny\"\n[kinds.Person]\nattributes = { name = \"text\" }\n";

    fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn override_folder_adds_a_platform_with_its_matchers_in_order() {
        let folder = folder_with(&[
            ("tiny/platform.toml", DECLARATION),
            ("tiny/matchers/b.toml", "b"),
            ("tiny/matchers/a.toml", "a"),
            ("tiny/matchers/notes.md", "not a matcher"),
            ("tiny/demo.toml", "demo"),
        ]);
        let platforms = Platform::with_overrides(folder.path()).unwrap();
        let tiny = platforms.iter().find(|platform| platform.name() == "tiny").unwrap();
        let files: Vec<&str> = tiny.matchers().iter().map(|matcher| matcher.file.as_str()).collect();
        assert_eq!(files, ["tiny/matchers/a.toml", "tiny/matchers/b.toml"]);
        assert_eq!((tiny.matchers()[1].text.as_str(), tiny.demo()), ("b", Some("demo")));
        assert_eq!(tiny.schema(256).unwrap().name(), "tiny");
    }

    #[test]
    fn override_folder_replaces_an_embedded_platform_whole() {
        let embedded = Platform::embedded().unwrap();
        let Some(first) = embedded.first() else { return assert!(embedded.is_empty()) };
        let declaration = DECLARATION.replace("tiny", first.name());
        let folder = folder_with(&[(&format!("{}/platform.toml", first.name()), &declaration)]);
        let platforms = Platform::with_overrides(folder.path()).unwrap();
        let replaced = platforms.iter().find(|platform| platform.name() == first.name()).unwrap();
        assert_eq!(platforms.len(), embedded.len());
        assert_eq!((replaced.matchers().len(), replaced.demo()), (0, None));
    }

    #[test]
    fn folder_without_declaration_is_named() {
        let folder = folder_with(&[("tiny/demo.toml", "demo")]);
        let error = Platform::with_overrides(folder.path()).unwrap_err();
        assert!(matches!(error, PlatformError::NoDeclaration { platform, .. } if platform == "tiny"));
    }

    #[test]
    fn declaration_of_another_name_is_refused() {
        let folder = folder_with(&[("other/platform.toml", DECLARATION)]);
        let platform = Platform::from_folder(&folder.path().join("other")).unwrap();
        let error = platform.schema(256).unwrap_err();
        assert!(matches!(error, PlatformError::OtherName { got, .. } if got == "tiny"));
    }
}
