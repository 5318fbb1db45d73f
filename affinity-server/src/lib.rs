//! Affinity over HTTP.
