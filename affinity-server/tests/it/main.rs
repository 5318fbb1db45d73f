//! Integration tests, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod cluster;
mod server_process;
mod embedded_database;
mod database_roles;
mod command_line;
mod embedding_http;
mod embeddings_install;
mod teraffi_schema;
mod teraffi_rules;
mod access_language;
mod teraffi_access;
mod teraffi_attacks;
mod teraffi_procedures;
mod teraffi_refusals;
mod change_feed_sql;
mod generation;
mod random_writes;
mod projection;
mod catalog;
mod openapi;
mod change_feed;
mod page;
mod problems;
#[cfg(feature = "local-embeddings")]
mod sentence_model;
mod assign;
mod feedback;
mod matcher_versions;
mod learning;
mod matching;
#[cfg(feature = "local-embeddings")]
mod model_switch;
mod matching_access;
mod auth_world;
mod auth_callers;
mod auth_admission;
mod auth_accounts;
mod auth_second_factor;
mod auth_protection;
mod auth_openid;
mod auth_mail;
mod rest_world;
mod rest_read;
mod rest_write;
mod rest_call;
mod rest_beyond;
mod rest_sql;
mod rest_cases;
