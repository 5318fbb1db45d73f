//! How good the matches are, on data sets in the formats that researchers use.
//!
//! `cargo run --release -p benches --bin quality -- topk DIR`

mod all;
mod changes;
mod cost;
mod dates;
mod error;
mod link;
mod mixes;
mod pairs;
mod papers;
mod progress;
mod protocol;
mod read;
mod recipe;
mod result;
mod scale;
mod scales;
mod seeded;
mod topk;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::QualityError;
use self::papers::PaperOptions;
use self::topk::TopkOptions;

/// Fits, recommends and measures, with one set of defaults per shape of problem.
#[derive(Debug, Parser)]
#[command(name = "quality", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Print one JSON object per data set instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Run on the small made-up sample that comes with this command.
    #[arg(long, global = true)]
    smoke: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Items for users: train.txt and test.txt with lines of `user item item ...`, plain or .gz.
    Topk {
        /// The folder.
        #[arg(required_unless_present = "smoke")]
        folder: Option<PathBuf>,
        /// Write the ranked lists, a line per user: `user item item ...`.
        #[arg(long, value_name = "FILE")]
        predictions: Option<PathBuf>,
        /// Rank only the items listed in this file.
        #[arg(long, value_name = "FILE")]
        candidates: Option<PathBuf>,
    },
    /// Links between nodes: train.txt with lines of `type a b`, test.txt with `type a b 0|1`.
    Link {
        /// The folder.
        #[arg(required_unless_present = "smoke")]
        folder: Option<PathBuf>,
    },
    /// People for people who will write together: the format of dblp-coauthor.
    Pairs {
        /// The folder.
        #[arg(required_unless_present = "smoke")]
        folder: Option<PathBuf>,
    },
    /// Papers for readers, also papers that nobody keeps yet: the format of citeulike-a.
    Papers {
        /// The folder.
        #[arg(required_unless_present = "smoke")]
        folder: Option<PathBuf>,
        /// Read the titles by the sentence transformer in this folder, too.
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
    },
    /// People who want to meet each other again: the format of speed-dating.
    Dates {
        /// The folder.
        #[arg(required_unless_present = "smoke")]
        folder: Option<PathBuf>,
    },
    /// What it costs to fit local EASE with 100 neighbors to a made-up graph with 8 edges a node.
    Scale {
        /// Users and items.
        #[arg(long, default_value_t = 1_000_000)]
        nodes: u32,
    },
    /// Every folder below in one of these formats, as one table.
    All {
        /// The folder with the folders.
        #[arg(long, value_name = "DIR", required_unless_present = "smoke")]
        data: Option<PathBuf>,
        /// A sentence transformer for those with texts.
        #[arg(long, value_name = "DIR")]
        model: Option<PathBuf>,
        /// Write the table as Markdown and the bars as SVG into this folder.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

/// Where the samples lie.
fn sample(shape: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(shape)
}

/// The folder's own name.
fn dataset_name(folder: &Path) -> String {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    full.file_name().map_or_else(|| "data".to_string(), |name| name.to_string_lossy().into_owned())
}

fn run(arguments: &Arguments) -> Result<(), QualityError> {
    let folder = |given: &Option<PathBuf>, shape: &str| match given {
        Some(folder) if !arguments.smoke => folder.clone(),
        _ => sample(shape),
    };
    let (results, out) = match &arguments.what {
        What::Topk { folder: given, predictions, candidates } => {
            let options = TopkOptions { predictions: predictions.clone(), candidates: candidates.clone() };
            (vec![topk::run(&folder(given, "topk"), &options)?], None)
        }
        What::Link { folder: given } => (vec![link::run(&folder(given, "link"))?], None),
        What::Pairs { folder: given } => (vec![pairs::run(&folder(given, "pairs"))?], None),
        What::Papers { folder: given, model } => {
            let options = PaperOptions { model: model.clone() };
            (papers::run(&folder(given, "papers"), &options)?, None)
        }
        What::Scale { nodes } => (vec![scale::run(*nodes)], None),
        What::Dates { folder: given } => (dates::run(&folder(given, "dates"))?, None),
        What::All { data, model, out } => (all::run(&folder(data, ""), model.as_deref())?, out.as_deref()),
    };
    let report = all::report(&results);
    if arguments.json {
        for result in &results {
            println!("{}", serde_json::to_string(result).map_err(QualityError::Json)?);
        }
    } else {
        println!("{}", report.to_markdown());
    }
    out.map_or(Ok(()), |folder| all::write(&report, folder))
}
