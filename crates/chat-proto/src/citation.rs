//! Citations: the sources that an answer's text refers to.

use std::ops::Deref;

use crate::serde_ext::{self, object, open_enum};

open_enum! {
    /// The kind of source that a [`Record`] is.
    RecordType {
        /// A page of documentation.
        Documentation = "documentation",
        /// A page of a site.
        Site = "site",
        /// A post on Discourse.
        DiscoursePost = "discourse_post",
        /// An issue on GitHub.
        GithubIssue = "github_issue",
        /// A discussion on GitHub.
        GithubDiscussion = "github_discussion",
        /// A question on Stack Overflow.
        StackoverflowQuestion = "stackoverflow_question",
        /// A forum post on Discord.
        DiscordForumPost = "discord_forum_post",
        /// A message on Discord.
        DiscordMessage = "discord_message",
        /// An answer that a customer of the service wrote.
        CustomQuestionAnswer = "custom_question_answer",
    }
}

/// The citations of an answer, in the server's order. Dereferences to a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Citations(Vec<Citation>);

impl Citations {
    /// Creates a list of citations.
    pub fn new(citations: Vec<Citation>) -> Self {
        Self(citations)
    }

    /// The memory that they use, in bytes, without the spare capacity of the list.
    #[cold]
    pub(crate) fn memory(&self) -> usize {
        self.0.iter().map(Citation::memory).sum()
    }
}

impl Deref for Citations {
    type Target = [Citation];

    fn deref(&self) -> &[Citation] {
        &self.0
    }
}

impl From<Vec<Citation>> for Citations {
    fn from(citations: Vec<Citation>) -> Self {
        Self(citations)
    }
}

object! {
    /// A citation: the source that the text refers to as `[number]`.
    #[derive(Default)]
    #[serde(expecting = "a Citation")]
    pub struct Citation {
        /// The number that the text uses for it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "serde_ext::optional_integer")]
        pub number: Option<i64>,
        /// The label that the text uses for it, if the server sends a label. A label may be a number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub label: Option<String>,
        /// The source.
        pub record: Record,
        /// The URL of the cited passage in the source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub hit_url: Option<String>,
    }
}

impl Citation {
    /// Creates a citation of a record under a number.
    pub fn new(number: i64, record: Record) -> Self {
        Self { number: Some(number), record, ..Self::default() }
    }

    /// The title of the source, unless it is missing or blank.
    pub fn title(&self) -> Option<&str> {
        self.record.title.as_deref().filter(|title| !title.trim().is_empty())
    }

    /// The URL to read it at: that of the passage, or else that of the source. `None` if both are missing or blank.
    pub fn url(&self) -> Option<&str> {
        let given = |url: &Option<String>| url.as_deref().is_some_and(|url| !url.trim().is_empty());
        [&self.hit_url, &self.record.url].into_iter().find(|url| given(url))?.as_deref()
    }

    /// The memory that it uses, in bytes, strings included.
    pub(crate) fn memory(&self) -> usize {
        let Record { record_type, url, title, description, breadcrumbs } = &self.record;
        let strings =
            [&self.hit_url, &self.label, url, title, description].into_iter().flatten().map(String::len).sum::<usize>();
        let other_type = match record_type {
            Some(RecordType::Other(text)) => text.len(),
            _ => 0,
        };
        let breadcrumbs = breadcrumbs.iter().flatten().map(|crumb| size_of::<String>() + crumb.len()).sum::<usize>();
        size_of::<Self>() + strings + other_type + breadcrumbs
    }
}

object! {
    /// A source that the service knows.
    #[derive(Default)]
    #[serde(expecting = "a Record")]
    pub struct Record {
        /// The kind of source. The schema requires it, but some answers do not have it.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        pub record_type: Option<RecordType>,
        /// The URL of the source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub url: Option<String>,
        /// The title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub title: Option<String>,
        /// A short description.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// The path to the source in its site, outermost first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub breadcrumbs: Option<Vec<String>>,
    }
}

impl Record {
    /// Creates a record of a kind, with no other field set.
    pub fn new(record_type: RecordType) -> Self {
        Self { record_type: Some(record_type), ..Self::default() }
    }
}
