//! The page at `/`: find somebody by name, read the matches with their reasons, click on to the next.
//!
//! Rendered here, without scripts and without anything fetched from elsewhere; it shows the answer that programs get.

mod model; // what the page shows
mod reason; // evidence in words
mod bar; // a score as a stacked bar
mod page;
mod headers; // what the browser may do with the page
mod routes;

pub(crate) use self::headers::{STYLE, security_headers};
pub use self::model::{PageModel, Search};
pub use self::page::page;
pub use self::routes::routes;
