//! A report for people: plain data, written as HTML that opens offline, as Markdown, as SVG or as JSON.

mod content;
mod summary;
mod markup;
mod svg;
mod html;
mod markdown;

pub use self::content::{Bar, Bars, Cell, Curve, Report, Section, Table};
