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
pub static SETTINGS: [&Setting; 14] = [
    &ADDR,
    &DATA_DIR,
    &DATABASE_URL,
    &POSTGRES_BIN,
    &DEMO_MEMBERS,
    &MATCH_WORKERS,
    &MATCH_QUEUE,
    &MATCH_DEADLINE,
    &EMBEDDINGS_URL,
    &EMBEDDINGS_MODEL,
    &EMBEDDINGS_KEY,
    &EMBEDDINGS_DIMENSION,
    &LOG,
    &LOG_FORMAT,
];
