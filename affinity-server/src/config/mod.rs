//! What the server is told: flags, environment and one file, merged into typed values that name their origin
//! when they are wrong.

mod secret;
mod error;
mod setting; // every setting, once: the help, the file's keys and the variables come from this list
mod platforms; // the tables [platforms.NAME] of the file
mod caps; // its table [caps]
mod sources; // flag over environment over file
mod command_line;
mod values; // the merged and checked result

pub use self::command_line::{Invocation, InvocationError, Task};
pub use self::error::{ConfigError, Origin};
pub use self::secret::Secret;
pub use self::setting::{SETTINGS, Setting};
pub use self::values::{
    AuthConfig, Config, DatabaseConfig, EmbeddingsConfig, LogConfig, LogFormat, MatchingConfig,
    PostgresPrograms,
};
