//! Connections: those of TCP, whose request lines may hold `"`, `<` and `>` as people type them.
//!
//! A request target has these only percent-encoded (RFC 9112, 3.2), and our HTTP library refuses it otherwise. But
//! PostgREST takes them, and its documentation has `curl` send `?select=data->>name` and `?name=in.("a,b")`.

mod framing; // which bytes are request lines
mod listener;

pub use self::listener::{Connection, Connections, Peer, tell_peer};
