//! `all`: every data set below a folder, each in a process of its own, so that memory and CPU are its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use affinity_core::evaluation::Interval;
use affinity_core::evaluation::report::{Bar, Bars, Cell, Report, Section, Table};

use crate::dataset_name;
use crate::error::QualityError;
use crate::read::{Lines, ReadError};
use crate::result::DatasetResult;

/// The best published numbers on these splits: data set, metric, number, who.
const PUBLISHED: [(&str, &str, f64, &str); 8] = [
    ("gowalla", "recall@20", 0.1920, "BSPM, SIGIR 2023"),
    ("gowalla", "ndcg@20", 0.1597, "BSPM, SIGIR 2023"),
    ("yelp2018", "recall@20", 0.0723, "XSimGCL, TKDE 2023"),
    ("yelp2018", "ndcg@20", 0.0604, "XSimGCL, TKDE 2023"),
    (
        "citeulike-a cold, titles, citations and tags",
        "recall@100",
        0.636,
        "DropoutNet, NIPS 2017, with abstracts",
    ),
    ("gatne-amazon", "roc_auc", 0.974, "GATNE, KDD 2019"),
    ("gatne-amazon", "pr_auc", 0.971, "GATNE, KDD 2019"),
    ("gatne-amazon", "f1", 0.929, "GATNE, KDD 2019"),
];

fn published(dataset: &str, metric: &str) -> Option<(f64, &'static str)> {
    let found = PUBLISHED.iter().find(|(of, name, ..)| *of == dataset && *name == metric);
    found.map(|(.., number, by)| (*number, *by))
}

/// The subcommand for a folder; `None` when no format fits.
fn shape_of(folder: &Path) -> Result<Option<&'static str>, ReadError> {
    if Lines::exist(&folder.join("paper_author.txt")) {
        return Ok(Some("pairs"));
    }
    if Lines::exist(&folder.join("titles.txt")) {
        return Ok(Some("papers"));
    }
    if Lines::exist(&folder.join("pairs.csv")) {
        return Ok(Some("dates"));
    }
    if !Lines::exist(&folder.join("train.txt")) || !Lines::exist(&folder.join("test.txt")) {
        return Ok(None);
    }
    // `type a b 0|1`, or `user item item ...`.
    let mut lines = Lines::open(&folder.join("test.txt"))?;
    for _ in 0..100 {
        let Some(line) = lines.next_line()? else { break };
        let words: Vec<&str> = line.split_whitespace().collect();
        if !matches!(words.as_slice(), [] | [_, _, _, "0" | "1"]) {
            return Ok(Some("topk"));
        }
    }
    Ok(Some("link"))
}

/// Runs this program once for each folder below `data` that has a known format, in the order of their names.
///
/// # Errors
/// [`QualityError`] when a run fails or there is nothing to run on.
pub(crate) fn run(data: &Path, model: Option<&Path>) -> Result<Vec<DatasetResult>, QualityError> {
    let unreadable = |source| QualityError::Read(ReadError::File { path: data.to_path_buf(), source });
    let mut folders: Vec<PathBuf> = std::fs::read_dir(data)
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut results = Vec::new();
    for folder in folders {
        if let Some(shape) = shape_of(&folder)? {
            results.append(&mut run_one(shape, &folder, model)?);
        }
    }
    if results.is_empty() { Err(QualityError::NoData { path: data.to_path_buf() }) } else { Ok(results) }
}

fn run_one(shape: &str, folder: &Path, model: Option<&Path>) -> Result<Vec<DatasetResult>, QualityError> {
    let dataset = dataset_name(folder);
    let failed = |said: String| QualityError::Run { dataset: dataset.clone(), said };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg(shape).arg(folder).arg("--json").stderr(Stdio::inherit());
    if let Some(model) = model.filter(|_| shape == "papers") {
        command.arg("--model").arg(model);
    }
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| failed(error.to_string()))).collect()
}

/// One table and the bars of each metric.
pub(crate) fn report(results: &[DatasetResult]) -> Report {
    let columns = ["Data set", "Metric", "Here", "Interval (95 %)", "Best published", "Fit CPU s", "Peak MB"];
    let columns = columns.iter().chain(&["Users/s", "p50 µs", "p99 µs"]);
    let mut rows = Vec::new();
    let mut metrics: Vec<&str> = Vec::new();
    for result in results {
        for (metric, value) in &result.metrics {
            if !metrics.contains(&metric.as_str()) {
                metrics.push(metric);
            }
            let text = |text: String| Cell::Text(text);
            let interval = result.intervals.get(metric);
            let published = published(&result.dataset, metric);
            rows.push(vec![
                text(result.dataset.clone()),
                text(metric.clone()),
                text(format!("{value:.4}")),
                text(interval.map_or_else(String::new, |[low, high]| format!("{low:.4} to {high:.4}"))),
                text(published.map_or_else(String::new, |(number, by)| format!("{number:.4} ({by})"))),
                text(format!("{:.1}", result.fit_cpu_s)),
                text(result.peak_mb.map_or_else(String::new, |peak| format!("{peak:.0}"))),
                text(format!("{:.0}", result.users_per_s)),
                text(format!("{:.0}", result.p50_us)),
                text(format!("{:.0}", result.p99_us)),
            ]);
        }
    }
    let note = "A query's ranking is made of what the training part says; the test part is read to judge it.";
    let table = Table {
        title: "All data sets".to_string(),
        note: note.to_string(),
        columns: columns.map(ToString::to_string).collect(),
        rows,
    };
    let bars = metrics.into_iter().map(|metric| Section::Bars(bars(results, metric)));
    Report {
        title: "Quality of matches".to_string(),
        facts: Vec::new(),
        sections: std::iter::once(Section::Table(table)).chain(bars).collect(),
    }
}

/// A metric of all data sets that have it, with the best published number as a mark.
fn bars(results: &[DatasetResult], metric: &str) -> Bars {
    let bar = |result: &DatasetResult| {
        let estimate = *result.metrics.get(metric)?;
        let [low, high] = result.intervals.get(metric).copied().unwrap_or([estimate, estimate]);
        let reference = published(&result.dataset, metric).map(|(number, _)| number);
        Some(Bar { label: result.dataset.clone(), value: Interval { estimate, low, high }, reference })
    };
    Bars {
        title: metric.to_string(),
        note: "With 95 % intervals; the mark is the best published number.".to_string(),
        bars: results.iter().filter_map(bar).collect(),
    }
}

/// Writes `quality.md` and one picture a metric.
///
/// # Errors
/// [`QualityError::Write`].
pub(crate) fn write(report: &Report, folder: &Path) -> Result<(), QualityError> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| QualityError::Write { path, source })
    };
    std::fs::create_dir_all(folder)
        .map_err(|source| QualityError::Write { path: folder.to_path_buf(), source })?;
    write("quality.md", report.to_markdown())?;
    for section in &report.sections {
        if let Section::Bars(bars) = section {
            write(&format!("{}.svg", bars.title.replace('@', "_at_")), bars.to_svg())?;
        }
    }
    Ok(())
}
