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
mod command_line;
mod embedding_http;
mod teraffi_schema;
mod teraffi_rules;
mod change_feed_sql;
mod generation;
mod random_writes;
mod projection;
mod catalog;
mod openapi;
mod change_feed;
mod page;
mod sentence_model;
mod assign;
mod feedback;
mod matcher_versions;
mod learning;
mod matching;
mod rest_world;
mod rest_read;
mod rest_write;
mod rest_call;
mod rest_beyond;
mod rest_sql;
mod rest_cases;
