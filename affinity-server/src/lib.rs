//! Affinity over HTTP: explained matches of a live PostgreSQL database.
//!
//! ```
//! use std::collections::HashMap;
//! use std::path::Path;
//! use affinity_server::config::Invocation;
//!
//! let command_line = ["affinity-server", "--addr", "127.0.0.1:0"].map(Into::into);
//! let config = Invocation::parse(command_line, &HashMap::new(), Path::new("/srv"))?.config;
//! assert_eq!(config.data_dir, Path::new("/srv/.affinity"));
//! # Ok::<(), affinity_server::config::InvocationError>(())
//! ```
//!
//! [`serve::serve`] does the rest: it starts the database, migrates it, and answers requests until it is stopped.

pub mod config;
pub mod observability;
pub mod egress;
pub mod database;
pub mod platform;
pub mod catalog;
pub mod auth;
pub mod embedding;
pub mod generation;
pub mod projection;
pub mod matchers;
pub mod problem;
pub mod matching;
pub mod resource;
pub mod ui;
pub mod openapi;
pub mod hosting;
pub mod batch;
pub mod stats;
pub mod learning;
pub mod health;
pub mod read_ahead;
pub mod router;
pub mod serve;
