use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::ConfigError;
use super::setting::{CONFIG, SETTINGS, Setting};
use super::sources::Sources;
use super::values::Config;
use crate::auth::InitAdminOptions;
use crate::batch::RecommendOptions;
use crate::generation::GenerateOptions;
use crate::learning::EvaluateOptions;
use crate::matchers::MatcherName;
use crate::stats::StatsOptions;

const ABOUT: &str = "Explained matches of a live PostgreSQL database, over HTTP";

const EXAMPLES: &str = "\
Examples:
  affinity-server                              serve with an embedded PostgreSQL in ./.affinity and demo data
  affinity-server init-admin PLATFORM --email YOU@EXAMPLE.ORG && affinity-server --addr 0.0.0.0:80
                                               serve to other machines
  DATABASE_URL=postgresql://app@db/affinity affinity-server
                                               serve from a PostgreSQL of yours
  affinity-server embeddings install           fetch a model that knows what texts mean
  psql \"$(affinity-server database-url)\"       look into the running database

Every setting is a flag, a variable of the environment, and a key of the configuration file (the flag with
underscores); a flag wins over the environment, which wins over the file.";

/// What the server was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Serve until told to stop.
    Serve,
    /// Print the URL of the running database.
    DatabaseUrl,
    /// Make the secret and the first administrator.
    InitAdmin(InitAdminOptions),
    /// Make a world to try a platform with.
    Generate(GenerateOptions),
    /// Fetch the recommended embedding model.
    InstallEmbeddings {
        /// The hub, from `HF_ENDPOINT`; without it the public one.
        endpoint: Option<String>,
    },
    /// Serve another version of a matcher.
    Activate {
        /// Which matcher.
        matcher: MatcherName,
        /// The version's hash.
        version: String,
    },
    /// Serve the version of a matcher that was before.
    Rollback {
        /// Which matcher.
        matcher: MatcherName,
    },
    /// Write the matches of many sources to a file.
    Recommend(RecommendOptions),
    /// Say how good a matcher was.
    Evaluate(EvaluateOptions),
    /// Learn the weights of a matcher from outcomes.
    Fit(EvaluateOptions),
    /// List the versions of a matcher.
    Versions {
        /// Which matcher.
        matcher: MatcherName,
    },
    /// Say where every byte of an engine is.
    Stats(StatsOptions),
}

/// One start of the server: what to do, and how.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What to do.
    pub task: Task,
    /// How.
    pub config: Config,
}

/// Why the server cannot start as it was told to.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvocationError {
    /// The command line is wrong, or asked for help: the message says which, and ends the process.
    CommandLine {
        /// The message of `clap`.
        source: Box<clap::Error>,
    },
    /// A setting is wrong.
    Config {
        /// Which, and why.
        source: ConfigError,
    },
    /// The current directory cannot be told.
    CurrentDirectory {
        /// What the system answered.
        source: std::io::Error,
    },
}

impl fmt::Display for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine { source } => source.fmt(f),
            Self::Config { source } => source.fmt(f),
            Self::CurrentDirectory { .. } => write!(f, "cannot tell the current directory"),
        }
    }
}

impl std::error::Error for InvocationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Shown in full by `Display`.
            Self::CommandLine { .. } => None,
            Self::Config { source } => source.source(),
            Self::CurrentDirectory { source } => Some(source),
        }
    }
}

impl Invocation {
    /// Reads this process's command line, environment and configuration file.
    ///
    /// # Errors
    /// When the command line is wrong or asks for help, or a setting is wrong.
    pub fn from_environment() -> Result<Self, InvocationError> {
        let directory =
            std::env::current_dir().map_err(|source| InvocationError::CurrentDirectory { source })?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::parse(std::env::args_os(), &environment, &directory)
    }

    /// Reads a command line (the program's name first) and an environment; relative paths, the default
    /// configuration file's among them, start at `directory`.
    ///
    /// # Errors
    /// When the command line is wrong or asks for help, or a setting is wrong.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::path::{Path, PathBuf};
    /// use affinity_server::config::{Invocation, Task};
    ///
    /// let environment = HashMap::from([("AFFINITY_ADDR".to_string(), "127.0.0.1:9000".to_string())]);
    /// let command_line = ["affinity-server", "--match-queue", "8"].map(Into::into);
    /// let invocation = Invocation::parse(command_line, &environment, Path::new("/nowhere"))?;
    /// assert_eq!(invocation.task, Task::Serve);
    /// assert_eq!(invocation.config.addr.port(), 9000);
    /// assert_eq!(invocation.config.matching.queue_length, 8);
    /// # Ok::<(), affinity_server::config::InvocationError>(())
    /// ```
    pub fn parse(
        command_line: impl IntoIterator<Item = OsString>,
        environment: &HashMap<String, String>,
        directory: &Path,
    ) -> Result<Self, InvocationError> {
        let matches = command()
            .try_get_matches_from(command_line)
            .map_err(|source| InvocationError::CommandLine { source: Box::new(source) })?;
        let task = match matches.subcommand() {
            Some(("database-url", _)) => Task::DatabaseUrl,
            Some(("embeddings", _)) => {
                Task::InstallEmbeddings { endpoint: environment.get("HF_ENDPOINT").cloned() }
            }
            Some(("init-admin", matches)) => Task::InitAdmin(init_admin_options(matches)),
            Some(("generate", matches)) => Task::Generate(generate_options(matches, directory)),
            Some(("activate", matches)) => Task::Activate {
                matcher: matcher_name(matches),
                version: matches.get_one::<String>("version").cloned().unwrap_or_default(),
            },
            Some(("rollback", matches)) => Task::Rollback { matcher: matcher_name(matches) },
            Some(("recommend", matches)) => Task::Recommend(recommend_options(matches, directory)),
            Some(("evaluate", matches)) => Task::Evaluate(evaluate_options(matches, directory, "evaluation")),
            Some(("fit", matches)) => Task::Fit(evaluate_options(matches, directory, "fit")),
            Some(("stats", matches)) => Task::Stats(StatsOptions {
                platform: matches.get_one::<String>("platform").cloned().unwrap_or_default(),
                json: matches.get_flag("json"),
            }),
            Some(("versions", matches)) => Task::Versions { matcher: matcher_name(matches) },
            _ => Task::Serve,
        };
        let config = Sources::gather(flags(&matches), environment, directory)
            .and_then(|sources| Config::from_sources(&sources, directory))
            .map_err(|source| InvocationError::Config { source })?;
        Ok(Self { task, config })
    }
}

fn command() -> Command {
    let settings = SETTINGS.into_iter().chain([&CONFIG]).map(argument);
    Command::new("affinity-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .args(settings)
        .subcommand(
            Command::new("database-url")
                .about("Print the URL of the running database, for psql and other clients")
                .after_help("Example:\n  psql \"$(affinity-server database-url)\""),
        )
        .subcommand(
            Command::new("embeddings")
                .about("Embedding models")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(
                    Command::new("install")
                        .about("Fetch all-MiniLM-L6-v2 (91 MB, checked) into the data directory")
                        .after_help("Environment:\n  HF_ENDPOINT  A mirror of huggingface.co to fetch from"),
                ),
        )
        .subcommand(
            Command::new("init-admin")
                .about("Make the server's secret and an administrator: what it needs to be reached by other machines")
                .arg(Arg::new("platform").required(true).value_name("PLATFORM").help("What to administer"))
                .arg(Arg::new("email").long("email").required(true).value_name("ADDRESS").help("Whom to sign in as"))
                .arg(Arg::new("name").long("name").value_name("NAME").help("His name [default: from the address]"))
                .arg(
                    Arg::new("password-stdin")
                        .long("password-stdin")
                        .action(ArgAction::SetTrue)
                        .help("Read the password from standard input [default: make one and print it]"),
                )
                .after_help("Works beside a running server, too. An account that there is already keeps its password."),
        )
        .subcommand(
            Command::new("activate")
                .about("Serve a version of a matcher, such as one that a fit made")
                .arg(matcher_argument())
                .arg(Arg::new("version").required(true).value_name("VERSION").help("Its hash, as \"versions\" lists it"))
                .after_help("Running servers of the database follow at once; \"rollback\" undoes it."),
        )
        .subcommand(
            Command::new("rollback")
                .about("Serve the version of a matcher that was served before the present one")
                .arg(matcher_argument()),
        )
        .subcommand(
            Command::new("recommend")
                .about("Write matches of many sources as CSV, the same as the server gives one by one")
                .arg(matcher_argument())
                .arg(
                    Arg::new("all")
                        .long("all")
                        .action(ArgAction::SetTrue)
                        .required_unless_present("source")
                        .conflicts_with("source")
                        .help("For everyone"),
                )
                .arg(
                    Arg::new("source")
                        .long("source")
                        .value_name("ID")
                        .action(ArgAction::Append)
                        .help("For this one; may be repeated"),
                )
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .value_name("N")
                        .value_parser(clap::value_parser!(usize))
                        .help("Matches per source [default: the matcher's]"),
                )
                .arg(
                    Arg::new("out")
                        .long("out")
                        .value_name("FILE.csv")
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("Where to write [default: standard output]"),
                ),
        )
        .subcommand(past_command(
            "evaluate",
            "Say how good a matcher was, by what became of past matches, against popularity, each signal alone and the weights before",
        ))
        .subcommand(
            past_command("fit", "Learn a matcher's weights and probabilities from what became of past matches").after_help(
                "The new version is kept and not served: \"activate\" serves it. With too few outcomes, or weights that \
                 would not be better beyond noise, it says so, changes nothing, and ends as a success.",
            ),
        )
        .subcommand(
            Command::new("versions").about("List the versions of a matcher, newest first").arg(matcher_argument()),
        )
        .subcommand(
            Command::new("stats")
                .about("Say where every byte of a platform's engine is: nodes, edges, vectors, statistics")
                .arg(Arg::new("platform").required(true).value_name("PLATFORM").help("Whose engine"))
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the table as JSON"))
                .after_help("A running server tells the same in /metrics, as affinity_engine_bytes."),
        )
        .subcommand(
            Command::new("generate")
                .about("Make a believable world of a platform, in the empty database or as CSV files")
                .arg(Arg::new("platform").required(true).value_name("PLATFORM").help("Whose world"))
                .arg(number("members", "N", "2000", "How many members"))
                .arg(number("seed", "S", "1", "Worlds of one seed are equal, byte by byte"))
                .arg(
                    Arg::new("out")
                        .long("out")
                        .value_name("DIR")
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("Write one CSV file per table and a load.sql here, instead of filling the database"),
                )
                .after_help(
                    "Example:\n  affinity-server generate <PLATFORM> --members 20000 --seed 7 --out /tmp/world\n\n\
                     Files are loaded into an empty database by a superuser, before the server builds its engine:\n  \
                     (cd /tmp/world && psql \"$(affinity-server database-url)\" -v ON_ERROR_STOP=1 -f load.sql)",
                ),
        )
}

/// A command that looks at past decisions.
fn past_command(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .arg(matcher_argument())
        .arg(
            Arg::new("folds")
                .long("folds")
                .value_name("N")
                .default_value("4")
                .value_parser(clap::value_parser!(u64).range(1..=100))
                .help("Cuts in time, after each of which decisions are looked at"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE.html")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where to write the report [default: <PLATFORM>-<MATCHER>-evaluation.html or -fit.html here]"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the report as JSON"))
}

fn matcher_argument() -> Arg {
    Arg::new("matcher")
        .required(true)
        .value_name("PLATFORM/MATCHER")
        .value_parser(clap::value_parser!(MatcherName))
        .help("Which matcher")
}

/// The argument of [`matcher_argument`], which is required.
fn matcher_name(matches: &ArgMatches) -> MatcherName {
    let given = matches.get_one::<MatcherName>("matcher").cloned();
    given.unwrap_or_else(|| MatcherName { platform: String::new(), matcher: String::new() })
}

fn number(name: &'static str, placeholder: &'static str, default: &'static str, help: &'static str) -> Arg {
    let parser = clap::value_parser!(u64);
    Arg::new(name).long(name).value_name(placeholder).default_value(default).value_parser(parser).help(help)
}

fn init_admin_options(matches: &ArgMatches) -> InitAdminOptions {
    let text = |name| matches.get_one::<String>(name).cloned();
    InitAdminOptions {
        platform: text("platform").unwrap_or_default(),
        email: text("email").unwrap_or_default(),
        name: text("name"),
        reads_password: matches.get_flag("password-stdin"),
    }
}

fn generate_options(matches: &ArgMatches, directory: &Path) -> GenerateOptions {
    let number = |name| matches.get_one::<u64>(name).copied().unwrap_or_default();
    GenerateOptions {
        platform: matches.get_one::<String>("platform").cloned().unwrap_or_default(),
        members: number("members"),
        seed: number("seed"),
        out: matches.get_one::<PathBuf>("out").map(|out| directory.join(out)),
    }
}

/// `kind` ends the default report's name.
fn evaluate_options(matches: &ArgMatches, directory: &Path, kind: &str) -> EvaluateOptions {
    let matcher = matcher_name(matches);
    let default = || PathBuf::from(format!("{}-{}-{kind}.html", matcher.platform, matcher.matcher));
    let folds = matches.get_one::<u64>("folds").copied().unwrap_or(1);
    EvaluateOptions {
        folds: usize::try_from(folds).unwrap_or(usize::MAX),
        out: directory.join(matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(default)),
        json: matches.get_flag("json"),
        matcher,
    }
}

fn recommend_options(matches: &ArgMatches, directory: &Path) -> RecommendOptions {
    RecommendOptions {
        matcher: matcher_name(matches),
        sources: matches.get_many("source").into_iter().flatten().cloned().collect(),
        limit: matches.get_one("limit").copied(),
        out: matches.get_one::<PathBuf>("out").map(|out| directory.join(out)),
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.placeholder)
        .help(format!("{}{default} [env: {}]", setting.help, setting.variable))
        // Given after a subcommand as well as before it.
        .global(true)
        // Parsed with the other sources, so that every wrong value is reported in the same way.
        .value_parser(clap::value_parser!(String))
}

fn flags(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    SETTINGS
        .into_iter()
        .chain([&CONFIG])
        .filter_map(|setting| Some((setting.name, innermost.get_one::<String>(setting.name)?.clone())))
        .collect()
}
