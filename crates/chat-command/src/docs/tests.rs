//! What a library contains, and which answers it gives.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chat_client::sessions::AssistantMessage;
use chat_mock::History;

use super::library::Library;
use super::responder;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/fixtures")
}

fn temporary_folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("chat-command-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary folder");
    dir
}

/// Documents about a garden.
fn garden() -> Library {
    Library::from_dir(fixtures()).expect("the fixtures exist")
}

fn citations(message: &AssistantMessage) -> Vec<(i64, &str)> {
    let records = message.records_cited.as_ref().expect("every answer has citations");
    let cited = records.citations.iter();
    cited.map(|one| (one.number.expect("a number"), one.record.url.as_deref().expect("a URL"))).collect()
}

/// A session with these documents.
struct Session {
    library: Library,
    history: History,
}

impl Session {
    fn new(library: Library) -> Self {
        Self { library, history: History::default() }
    }

    fn ask(&mut self, question: &str) -> AssistantMessage {
        let message = super::answer::answer(&self.library, &self.history, question);
        self.history.record(question, message.content.clone());
        message
    }
}

/// Answers the first question of a session.
fn first_answer(question: &str) -> AssistantMessage {
    responder(garden())(&History::default(), question)
}

#[test]
fn a_folder_is_read_readme_first_and_then_by_path() {
    let library = garden();
    let actual: Vec<_> =
        library.sections().iter().map(|section| (section.url.as_str(), section.breadcrumbs.join(" > "))).collect();
    let expected = [
        ("README.md#garden", "Garden"),
        ("README.md#the-pond", "Garden > The pond"),
        ("README.md#beds", "Garden > Beds"),
        ("Guide/a%20note.md#a-note", "A note"),
        ("Guide/compost.md#what-goes-in", "compost > What goes in"),
    ];
    assert_eq!(actual, expected.map(|(url, breadcrumbs)| (url, breadcrumbs.to_owned())));
    let beds = &library.sections()[2];
    assert_eq!(beds.title, "Beds");
    assert_eq!(beds.sentences, ["Tomatoes grow in the southern bed.", "They are watered every evening."]);
}

#[test]
fn a_folder_without_markdown_is_refused() {
    let dir = temporary_folder("code");
    std::fs::write(dir.join("main.rs"), "fn main() {}").expect("the folder is writable");
    let result = Library::from_dir(&dir);
    std::fs::remove_dir_all(&dir).expect("the folder exists");
    let error = result.expect_err("it has only code");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no Markdown file"), "{error}");
}

#[test]
fn a_sentence_keeps_its_code_and_a_title_does_not() {
    let dir = temporary_folder("inline");
    std::fs::write(dir.join("a.md"), "# The `chat` command\n\nRun `chat demo` *now*.\n")
        .expect("the folder is writable");
    let library = Library::from_dir(&dir);
    std::fs::remove_dir_all(&dir).expect("the folder exists");
    let library = library.expect("the file has text");
    let section = &library.sections()[0];
    assert_eq!(
        (section.title.as_str(), &section.sentences[..]),
        ("The chat command", &["Run `chat demo` now.".to_owned()][..])
    );
}

#[test]
fn tables_and_code_count_if_there_is_no_prose() {
    let dir = temporary_folder("tables");
    let text =
        "# Ports\n\n| name | port |\n| --- | --- |\n| http | 80 |\n\n```sh\nnc -l 80\n```\n\n## Later\n\nTo do.\n";
    std::fs::write(dir.join("ports.md"), text).expect("the folder is writable");
    let library = Library::from_dir(&dir);
    std::fs::remove_dir_all(&dir).expect("the folder exists");
    let library = library.expect("the file has text");
    let actual: Vec<_> = library.sections().iter().map(|section| section.sentences.as_slice()).collect();
    assert_eq!(actual, [&["name port", "http 80", "nc -l 80"][..], &["To do."]]);
}

#[test]
fn a_missing_folder_is_named() {
    let error = Library::from_dir(Path::new("no/such/folder")).expect_err("the folder does not exist");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[test]
fn the_bundled_library_begins_with_the_readme() {
    let library = Library::bundled();
    let first = &library.sections()[0];
    assert!(first.url.starts_with("README.md#"), "{}", first.url);
    assert!(library.sections().len() > 1);
    assert!(library.sections().iter().all(|section| !section.sentences.is_empty()));
}

#[test]
fn an_answer_quotes_and_cites_the_documents() {
    let message = first_answer("Where do the frogs live?");
    let expected = serde_json::json!({
        "content": "Frogs live in the pond from March to October. [1]",
        "records_cited": { "citations": [{
            "number": 1,
            "record": {
                "type": "documentation",
                "url": "README.md#the-pond",
                "title": "The pond",
                "description": "Frogs live in the pond from March to October.",
                "breadcrumbs": ["Garden", "The pond"],
            },
        }] },
    });
    let mut actual = serde_json::to_value(&message).expect("JSON");
    actual.as_object_mut().expect("an object").remove("role");
    assert_eq!(actual, expected);
}

#[test]
fn an_answer_may_cite_several_sections() {
    let message = first_answer("Frogs or tomatoes?");
    assert_eq!(
        message.content,
        "Tomatoes grow in the southern bed. [1] Frogs live in the pond from March to October. [2]"
    );
}

#[test]
fn sections_that_fit_much_worse_than_the_best_are_not_cited() {
    let message = first_answer("tomatoes in the southern bed, watered every evening; frogs");
    assert_eq!(citations(&message), [(1, "README.md#beds")]);
    assert_eq!(message.content, "Tomatoes grow in the southern bed. [1] They are watered every evening. [1]");
}

#[test]
fn a_follow_up_question_continues_the_one_before() {
    let mut session = Session::new(garden());
    session.ask("Where do the frogs live?");
    let second = session.ask("And then?");
    assert_eq!(
        second.content,
        "This is question 2 of this session; before it you asked: “Where do the frogs live?”. \
         The water is changed once in a year. [1]",
        "a question without meaningful words repeats the one before, and no sentence is repeated"
    );
    assert_eq!(citations(&second), [(1, "README.md#the-pond")]);

    let third = session.ask("Who waters the tomatoes?");
    let start = "This is question 3 of this session; before it you asked: “And then?”. Tomatoes grow";
    assert!(third.content.starts_with(start), "{}", third.content);
    assert_eq!(citations(&third)[0], (1, "README.md#beds"));

    // Another session has its own history.
    let other = first_answer("And then?");
    assert!(other.content.starts_with("Nothing in these documents"), "{}", other.content);
}

#[test]
fn a_session_says_when_it_has_no_more_sentences() {
    let mut session = Session::new(garden());
    session.ask("the shed");
    let second = session.ask("more");
    assert!(second.content.contains("Nothing more in these documents fits"), "{}", second.content);
    assert_eq!(citations(&second), [(1, "README.md#garden")]);
}

#[test]
fn the_first_section_is_cited_if_nothing_fits() {
    for question in ["hi", "And then?", "", "Quarks & leptons"] {
        let message = first_answer(question);
        assert_eq!(
            message.content, "Nothing in these documents fits that question; they begin with “Garden”. [1]",
            "{question}"
        );
        assert_eq!(citations(&message), [(1, "README.md#garden")]);
    }
}

#[test]
fn the_bundled_documents_answer() {
    let respond = responder(Library::bundled());
    let message = respond(&History::default(), "How does the core do I/O?");
    let (number, url) = citations(&message)[0];
    assert_eq!(number, 1);
    assert!(url.starts_with("README.md#") || url.starts_with("ARCHITECTURE.md#"), "{url}");
    assert!(message.content.contains("[1]"), "{}", message.content);
    let message = respond(&History::default(), "What is sans-IO?");
    assert!(message.content.contains("I/O") && !message.content.contains("Nothing in these documents"), "{message:?}");
}
