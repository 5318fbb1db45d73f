/// One thing the operator may set: as a flag, in the environment, or in the file.
#[derive(Debug)]
pub struct Setting {
    /// The flag without its dashes; the file's key is the same with underscores.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// What stands for the value in the help.
    pub placeholder: &'static str,
    /// The default as the help shows it; empty when there is none.
    pub default: &'static str,
    /// What may be given, completing "expected ...".
    pub allowed: &'static str,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// What it does, for the help.
    pub help: &'static str,
}

impl Setting {
    /// The key in the configuration file.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}

pub(super) static ADDR: Setting = Setting {
    name: "addr",
    variable: "AFFINITY_ADDR",
    placeholder: "HOST:PORT",
    default: "127.0.0.1:8080",
    allowed: "an IP address and a port, such as 127.0.0.1:8080 or [::]:80 (port 0 takes a free one)",
    secret: false,
    help: "Address to listen on",
};

pub(super) static DATA_DIR: Setting = Setting {
    name: "data-dir",
    variable: "AFFINITY_DATA_DIR",
    placeholder: "DIR",
    default: "./.affinity",
    allowed: "a directory, which is made when missing",
    secret: false,
    help: "Directory of the embedded PostgreSQL and of the engines' snapshots",
};

pub(super) static DATABASE_URL: Setting = Setting {
    name: "database-url",
    variable: "DATABASE_URL",
    placeholder: "URL",
    default: "",
    allowed: "a URL that starts with postgres:// or postgresql://",
    secret: true,
    help: "PostgreSQL to use instead of the embedded one, version 15 or newer",
};

pub(super) static ROLE_PREFIX: Setting = Setting {
    name: "role-prefix",
    variable: "AFFINITY_ROLE_PREFIX",
    placeholder: "PREFIX",
    default: "affinity_",
    allowed: "1 to 40 lower case letters, digits and underscores that start with a letter",
    secret: false,
    help: "Start of the names of the database roles that callers run as; a database keeps the one it was set up with",
};

pub(super) static POSTGRES_BIN: Setting = Setting {
    name: "postgres-bin",
    variable: "AFFINITY_POSTGRES_BIN",
    placeholder: "DIR",
    default: "",
    allowed: "a directory that holds initdb and postgres, or fetch",
    secret: false,
    help: "Directory of the PostgreSQL programs for the embedded cluster, or \"fetch\" for prebuilt ones \
           [default: the first version 15 or newer in PATH and the usual places, else fetched ones]",
};

pub(super) static EMBEDDINGS_URL: Setting = Setting {
    name: "embeddings-url",
    variable: "AFFINITY_EMBEDDINGS_URL",
    placeholder: "URL",
    default: "",
    allowed: "a URL that starts with http:// or https://",
    secret: false,
    help: "OpenAI-compatible service that turns texts into vectors [default: the built-in embedder, which needs none]",
};

pub(super) static EMBEDDINGS_MODEL: Setting = Setting {
    name: "embeddings-model",
    variable: "AFFINITY_EMBEDDINGS_MODEL",
    placeholder: "DIR|NAME",
    default: "",
    allowed: "the folder of a model, or with a service the name of one",
    secret: false,
    help: "Folder of a sentence transformer to run in this process (config.json, tokenizer.json, model.safetensors), \
           as \"embeddings install\" makes one; with a service, the model to ask it for [default there: \
           text-embedding-3-small]",
};

pub(super) static EMBEDDINGS_KEY: Setting = Setting {
    name: "embeddings-key",
    variable: "AFFINITY_EMBEDDINGS_KEY",
    placeholder: "KEY",
    default: "",
    allowed: "a key without spaces or control characters",
    secret: true,
    help: "Key of that service, sent as bearer token; better in the environment, where other users do not see it",
};

pub(super) static EMBEDDINGS_DIMENSION: Setting = Setting {
    name: "embeddings-dimension",
    variable: "AFFINITY_EMBEDDINGS_DIMENSION",
    placeholder: "N",
    default: "1536",
    allowed: "a whole number from 1 to 16384",
    secret: false,
    help: "Length of that model's vectors",
};

pub(super) static DEMO_MEMBERS: Setting = Setting {
    name: "demo-members",
    variable: "AFFINITY_DEMO_MEMBERS",
    placeholder: "N",
    default: "2000",
    allowed: "a whole number from 0 to 10000000",
    secret: false,
    help: "Members of the demo world that an empty database is filled with; 0 leaves it empty",
};

pub(super) static MATCH_WORKERS: Setting = Setting {
    name: "match-workers",
    variable: "AFFINITY_MATCH_WORKERS",
    placeholder: "N",
    default: "one per processor",
    allowed: "a whole number from 1 to 1024",
    secret: false,
    help: "Threads that compute matches",
};

pub(super) static MATCH_QUEUE: Setting = Setting {
    name: "match-queue",
    variable: "AFFINITY_MATCH_QUEUE",
    placeholder: "N",
    default: "256",
    allowed: "a whole number from 1 to 1000000",
    secret: false,
    help: "Requests that may wait for a thread; more are answered 503",
};

pub(super) static MATCH_DEADLINE: Setting = Setting {
    name: "match-deadline-ms",
    variable: "AFFINITY_MATCH_DEADLINE_MS",
    placeholder: "MS",
    default: "2000",
    allowed: "a whole number of milliseconds from 1 to 600000",
    secret: false,
    help: "Time a match may take, waiting included, before it is canceled",
};

pub(super) static SECRET: Setting = Setting {
    name: "secret",
    variable: "AFFINITY_SECRET",
    placeholder: "SECRET",
    default: "",
    allowed: "at least 32 letters",
    secret: true,
    help: "What the server signs with, and takes HS256 tokens by; better in the environment, where other users do not \
           see it [default: the file \"secret\" in the data directory, made when missing]",
};

pub(super) static JWT_KEYS: Setting = Setting {
    name: "jwt-keys",
    variable: "AFFINITY_JWT_KEYS",
    placeholder: "FILE|URL",
    default: "",
    allowed: "a file or a URL that holds a JSON Web Key Set",
    secret: false,
    help: "Keys by which others sign tokens (RS256, PS256, ES256) that this server takes",
};

pub(super) static JWT_AUDIENCE: Setting = Setting {
    name: "jwt-audience",
    variable: "AFFINITY_JWT_AUDIENCE",
    placeholder: "NAME",
    default: "",
    allowed: "a name",
    secret: false,
    help: "Refuse tokens that are meant for others: those whose claim aud does not hold this",
};

pub(super) static PUBLIC_URL: Setting = Setting {
    name: "public-url",
    variable: "AFFINITY_PUBLIC_URL",
    placeholder: "URL",
    default: "http:// and the address",
    allowed: "a URL that starts with http:// or https://",
    secret: false,
    help: "Where people reach the server, for links in mail and for providers to send them back",
};

pub(super) static CORS_ORIGINS: Setting = Setting {
    name: "cors-origins",
    variable: "AFFINITY_CORS_ORIGINS",
    placeholder: "ORIGINS",
    default: "",
    allowed: "origins such as https://app.example.org, separated by commas",
    secret: false,
    help: "Sites whose pages may use the server from a browser [default: none]",
};

pub(super) static SMTP_URL: Setting = Setting {
    name: "smtp-url",
    variable: "AFFINITY_SMTP_URL",
    placeholder: "URL",
    default: "",
    allowed: "a URL that starts with smtp:// or smtps://",
    secret: true,
    help: "Server that takes mail, such as smtps://user:password@smtp.example.org [default: mail becomes files in the \
           data directory's folder outbox]",
};

pub(super) static MAIL_FROM: Setting = Setting {
    name: "mail-from",
    variable: "AFFINITY_MAIL_FROM",
    placeholder: "ADDRESS",
    default: "Affinity <affinity@localhost>",
    allowed: "an e-mail address, with or without a name before it",
    secret: false,
    help: "From whom mail is",
};

pub(super) static PROXIES: Setting = Setting {
    name: "proxies",
    variable: "AFFINITY_PROXIES",
    placeholder: "ADDRESSES",
    default: "",
    allowed: "IP addresses, separated by commas",
    secret: false,
    help: "Proxies in front of the server, whose X-Forwarded-For says who asks",
};

pub(super) static MEMBER_LIMIT: Setting = Setting {
    name: "member-requests-per-hour",
    variable: "AFFINITY_MEMBER_REQUESTS_PER_HOUR",
    placeholder: "N",
    default: "1000, where only this machine reaches it 0",
    allowed: "a whole number from 0 to 1000000000",
    secret: false,
    help: "Requests that a member may send to one endpoint in an hour; 0 for any number",
};

pub(super) static ADDRESS_LIMIT: Setting = Setting {
    name: "address-requests-per-hour",
    variable: "AFFINITY_ADDRESS_REQUESTS_PER_HOUR",
    placeholder: "N",
    default: "5000, where only this machine reaches it 0",
    allowed: "a whole number from 0 to 1000000000",
    secret: false,
    help: "Requests that may come from one address in an hour; 0 for any number",
};

pub(super) static OPENID_PROVIDERS: Setting = Setting {
    name: "openid-providers",
    variable: "AFFINITY_OPENID_PROVIDERS",
    placeholder: "FILE",
    default: "",
    allowed: "a TOML file with tables [[provider]] of platform, name, issuer, client_id, client_secret and scopes",
    secret: false,
    help: "OpenID providers by which people may sign in",
};

pub(super) static LOG: Setting = Setting {
    name: "log",
    variable: "AFFINITY_LOG",
    placeholder: "FILTER",
    default: "info",
    allowed: "a log filter, such as warn or info,affinity_server=debug",
    secret: false,
    help: "What to log",
};

pub(super) static LOG_FORMAT: Setting = Setting {
    name: "log-format",
    variable: "AFFINITY_LOG_FORMAT",
    placeholder: "FORMAT",
    default: "text",
    allowed: "text or json",
    secret: false,
    help: "How to log: text for people, json for machines",
};

/// Where the file is; not a key of the file itself.
pub(super) static CONFIG: Setting = Setting {
    name: "config",
    variable: "AFFINITY_CONFIG",
    placeholder: "FILE",
    default: "./affinity.toml if it exists",
    allowed: "a TOML file",
    secret: false,
    help: "Configuration file; its keys are these flags with underscores, such as data_dir = \"/srv/affinity\"",
};

/// Every setting that a configuration file may hold, in the order of the help.
pub static SETTINGS: [&Setting; 26] = [
    &ADDR,
    &DATA_DIR,
    &DATABASE_URL,
    &ROLE_PREFIX,
    &POSTGRES_BIN,
    &DEMO_MEMBERS,
    &MATCH_WORKERS,
    &MATCH_QUEUE,
    &MATCH_DEADLINE,
    &EMBEDDINGS_URL,
    &EMBEDDINGS_MODEL,
    &EMBEDDINGS_KEY,
    &EMBEDDINGS_DIMENSION,
    &SECRET,
    &JWT_KEYS,
    &JWT_AUDIENCE,
    &OPENID_PROVIDERS,
    &PUBLIC_URL,
    &CORS_ORIGINS,
    &SMTP_URL,
    &MAIL_FROM,
    &PROXIES,
    &MEMBER_LIMIT,
    &ADDRESS_LIMIT,
    &LOG,
    &LOG_FORMAT,
];
