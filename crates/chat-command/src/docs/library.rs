//! The documents that answers are taken from.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::markdown::{self, Extract, Passage};
use super::rank::Ranking;

/// The documents of this project, with their names in its repository.
const BUNDLED: &[(&str, &str)] = &[
    ("README.md", include_str!("../../docs/README.md")),
    ("ARCHITECTURE.md", include_str!("../../docs/ARCHITECTURE.md")),
];

/// The characters that are not encoded in the path or the fragment of a URL.
const URL_TEXT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Markdown documents, split into sections that can be ranked by a question.
#[derive(Debug)]
pub(crate) struct Library {
    sections: Vec<Section>,
    ranking: Ranking,
}

/// A heading of a document and the prose under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The heading.
    pub(crate) title: String,
    /// The headings from the document's title down to this one.
    pub(crate) breadcrumbs: Vec<String>,
    /// The URL.
    pub(crate) url: String,
    /// The sentences of the prose. Never empty.
    pub(crate) sentences: Vec<String>,
}

impl Library {
    /// Returns the documents of this project, which are part of the program.
    pub(crate) fn bundled() -> Self {
        let sections = BUNDLED.iter().flat_map(|(name, text)| sections(name, name, text, Extract::Prose));
        Self::new(sections.collect()).expect("the README has prose, and a test reads it")
    }

    /// Reads all Markdown files (`*.md`) of a folder and its subfolders: the folder's `README.md` first, then by path.
    ///
    /// Hidden files and folders are skipped, and links to folders are not followed. The URL of a section is the path of its
    /// file in the folder, with the anchor of its heading. If no file has prose, labels, tables and code are used instead.
    ///
    /// # Errors
    ///
    /// A file or folder cannot be read, or no file has text (`NotFound`).
    pub(crate) fn from_dir(dir: impl AsRef<Path>) -> io::Result<Self> {
        let dir = dir.as_ref();
        let mut paths = Vec::new();
        walk(dir, Path::new(""), &mut paths)?;
        // `false` sorts before `true`.
        paths.sort_by_cached_key(|path| (!is_readme(path), path.clone()));
        let mut documents = Vec::new();
        for path in paths {
            let text = fs::read(dir.join(&path)).map_err(|error| named(&error, &dir.join(&path)))?;
            let name = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            documents.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
        let build = |extract| {
            let url = |name| utf8_percent_encode(name, URL_TEXT).to_string();
            Self::new(documents.iter().flat_map(|(name, text)| sections(&url(name), name, text, extract)).collect())
        };
        build(Extract::Prose).or_else(|| build(Extract::All)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no Markdown file with text in {}", dir.display()))
        })
    }

    /// Returns the sections in the order of the documents. Never empty.
    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(crate) fn first(&self) -> &Section {
        self.sections.first().expect("a library has at least one section")
    }

    pub(crate) fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    fn new(sections: Vec<Section>) -> Option<Self> {
        // Headings count as much as sentences.
        let texts: Vec<String> = sections
            .iter()
            .map(|section| format!("{} {}", section.breadcrumbs.join(" "), section.sentences.join(" ")))
            .collect();
        (!sections.is_empty()).then(|| Self { sections, ranking: Ranking::new(&texts) })
    }
}

fn sections(url: &str, name: &str, text: &str, extract: Extract) -> Vec<Section> {
    let stem = Path::new(name).file_stem().map_or(Cow::Borrowed(name), |stem| stem.to_string_lossy());
    let section = |passage: Passage| Section {
        title: passage.breadcrumbs.last().cloned().unwrap_or_default(),
        breadcrumbs: passage.breadcrumbs,
        url: match passage.anchor {
            Some(anchor) => format!("{url}#{}", utf8_percent_encode(&anchor, URL_TEXT)),
            None => url.to_owned(),
        },
        sentences: passage.sentences,
    };
    markdown::split(&stem, text, extract).into_iter().map(section).collect()
}

fn is_readme(path: &Path) -> bool {
    path.as_os_str().eq_ignore_ascii_case("README.md")
}

/// Collects the Markdown files under `dir`/`inner`, as paths relative to `dir`.
fn walk(dir: &Path, inner: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let here = dir.join(inner);
    for entry in fs::read_dir(&here).map_err(|error| named(&error, &here))? {
        let entry = entry?;
        let path = inner.join(entry.file_name());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // This is the type of the entry itself, so that links to folders are not followed and cannot form a cycle.
        if entry.file_type()?.is_dir() {
            walk(dir, &path, found)?;
        } else if path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("md")) && dir.join(&path).is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// Returns the error with the path of its file.
fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
