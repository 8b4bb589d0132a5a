//! The documents that answers are made from.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::markdown::{self, Kept, Passage};
use crate::rank::Ranking;

/// This project's own documents, and the names under which its repository has them.
const BUNDLED: &[(&str, &str)] =
    &[("README.md", include_str!("../docs/README.md")), ("ARCHITECTURE.md", include_str!("../docs/ARCHITECTURE.md"))];

/// What stands for itself in the path or the fragment of a URL.
const URL_TEXT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Markdown documents, split into sections that can be found by a question.
#[derive(Debug)]
pub struct Library {
    sections: Vec<Section>,
    ranking: Ranking,
}

/// A heading of a document and the prose under it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// The way to it, from the document's title down to its own heading.
    pub breadcrumbs: Vec<String>,
    /// Where it is to be read.
    pub url: String,
    /// Its prose, sentence by sentence; never empty.
    pub sentences: Vec<String>,
}

impl Library {
    /// The documents of this project, which the crate carries with it.
    pub fn bundled() -> Self {
        let sections = BUNDLED.iter().flat_map(|(name, text)| sections(name, name, text, Kept::Prose));
        Self::new(sections.collect()).expect("the README has prose, and a test reads it")
    }

    /// All Markdown files (`*.md`) of a folder and of the folders in it: a `README.md` at its top first, then by path.
    /// Hidden files and folders are left out, and links to folders are not followed. A section's URL is its file's path
    /// in the folder, with the heading's anchor. Where no file has any prose, labels, tables and code count as such.
    ///
    /// # Errors
    ///
    /// A file or a folder that can't be read, or no text in any of them (`NotFound`).
    pub fn from_dir(dir: impl AsRef<Path>) -> io::Result<Self> {
        let dir = dir.as_ref();
        let mut paths = Vec::new();
        walk(dir, Path::new(""), &mut paths)?;
        // `false` is less than `true`.
        paths.sort_by_cached_key(|path| (!is_readme(path), path.clone()));
        let mut documents = Vec::new();
        for path in paths {
            let text = fs::read(dir.join(&path)).map_err(|error| named(&error, &dir.join(&path)))?;
            let name = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            documents.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
        let of = |kept| {
            let url = |name| utf8_percent_encode(name, URL_TEXT).to_string();
            Self::new(documents.iter().flat_map(|(name, text)| sections(&url(name), name, text, kept)).collect())
        };
        of(Kept::Prose).or_else(|| of(Kept::All)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no Markdown file with text in {}", dir.display()))
        })
    }

    /// The sections, in the order of the documents; never none.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(crate) fn first(&self) -> &Section {
        self.sections.first().expect("a library without sections is not made")
    }

    pub(crate) fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    fn new(sections: Vec<Section>) -> Option<Self> {
        // The headings count as much as a sentence does.
        let texts: Vec<String> = sections
            .iter()
            .map(|section| format!("{} {}", section.breadcrumbs.join(" "), section.sentences.join(" ")))
            .collect();
        (!sections.is_empty()).then(|| Self { sections, ranking: Ranking::new(&texts) })
    }
}

fn sections(url: &str, name: &str, text: &str, kept: Kept) -> Vec<Section> {
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
    markdown::split(&stem, text, kept).into_iter().map(section).collect()
}

fn is_readme(path: &Path) -> bool {
    path.as_os_str().eq_ignore_ascii_case("README.md")
}

/// Collects the Markdown files under `dir`/`inner`, as paths from `dir`.
fn walk(dir: &Path, inner: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let here = dir.join(inner);
    for entry in fs::read_dir(&here).map_err(|error| named(&error, &here))? {
        let entry = entry?;
        let path = inner.join(entry.file_name());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // The type of the entry itself: a link to a folder is none, so no ring of links is walked for ever.
        if entry.file_type()?.is_dir() {
            walk(dir, &path, found)?;
        } else if path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("md")) && dir.join(&path).is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// An error that says which file it is about.
fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
