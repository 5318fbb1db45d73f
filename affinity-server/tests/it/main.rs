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
mod teraffi_schema;
mod teraffi_rules;
mod access_language;
mod teraffi_access;
mod teraffi_attacks;
mod teraffi_procedures;
mod change_feed_sql;
mod generation;
mod random_writes;
mod projection;
mod change_feed;
mod page;
mod sentence_model;
mod assign;
mod feedback;
mod matcher_versions;
mod learning;
mod matching;
mod matching_access;
mod auth_world;
mod auth_callers;
mod auth_admission;
mod auth_accounts;
mod auth_second_factor;
mod auth_protection;
