use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::error::ReadError;

/// Characters of a wrong line that an error repeats.
const SHOWN_MAX: usize = 60;

/// A text file, plain or gzip, line by line.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: usize,
    text: String,
}

impl Lines {
    /// Opens `path`, or where that is missing the same name with `.gz`; what begins as gzip does is read as gzip.
    ///
    /// # Errors
    /// [`ReadError::File`].
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let found = if path.exists() { path.to_path_buf() } else { with_gz(path) };
        let file_error = |source| ReadError::File { path: path.to_path_buf(), source };
        let mut file = BufReader::new(File::open(&found).map_err(file_error)?);
        let is_gzip = file.fill_buf().map_err(file_error)?.starts_with(&[0x1f, 0x8b]);
        let unpacked: Box<dyn Read> =
            if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Self { path: found, reader: Box::new(BufReader::new(unpacked)), line: 0, text: String::new() })
    }

    /// Whether the file is there, as it is or compressed.
    pub(crate) fn exist(path: &Path) -> bool {
        path.exists() || with_gz(path).exists()
    }

    /// The next line without its end, blank ones too; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError::File`], also for what is not UTF-8.
    pub(crate) fn next_line(&mut self) -> Result<Option<&str>, ReadError> {
        self.text.clear();
        self.line += 1;
        match self.reader.read_line(&mut self.text) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(self.text.trim_end_matches(['\n', '\r']))),
            Err(source) => Err(ReadError::File { path: self.path.clone(), source }),
        }
    }

    /// What is wrong with the line read last.
    pub(crate) fn wrong(&self, expected: &'static str) -> ReadError {
        let got = self.text.trim_end().chars().take(SHOWN_MAX).collect();
        ReadError::Line { path: self.path.clone(), line: self.line, expected, got }
    }

    /// The next line as whitespace-separated numbers; `None` after the last line.
    ///
    /// # Errors
    /// [`ReadError`] when a word is not a number of at most 32 bits.
    pub(crate) fn next_numbers(&mut self, expected: &'static str) -> Result<Option<Vec<u32>>, ReadError> {
        let Some(line) = self.next_line()? else { return Ok(None) };
        let numbers: Result<Vec<u32>, _> = line.split_whitespace().map(str::parse).collect();
        numbers.map(Some).map_err(|_| self.wrong(expected))
    }
}

fn with_gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".gz");
    PathBuf::from(name)
}
