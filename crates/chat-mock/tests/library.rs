//! What a library holds, and in which order.

use std::io::ErrorKind;
use std::path::Path;

use chat_mock::Library;

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/docs"))
}

#[test]
fn a_folder_is_read_readme_first_and_then_by_path() {
    let library = Library::from_dir(fixtures()).expect("the fixtures are there");
    let seen: Vec<_> =
        library.sections().iter().map(|section| (section.url.as_str(), section.breadcrumbs.join(" > "))).collect();
    let expected = [
        ("README.md#garden", "Garden"),
        ("README.md#the-pond", "Garden > The pond"),
        ("README.md#beds", "Garden > Beds"),
        ("Guide/a%20note.md#a-note", "A note"),
        ("Guide/compost.md#what-goes-in", "compost > What goes in"),
    ];
    assert_eq!(seen, expected.map(|(url, breadcrumbs)| (url, breadcrumbs.to_owned())));
    let beds = &library.sections()[2];
    assert_eq!(beds.title, "Beds");
    assert_eq!(beds.sentences, ["Tomatoes grow in the southern bed.", "They are watered every evening."]);
}

#[test]
fn a_folder_without_markdown_is_refused() {
    let error = Library::from_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect_err("only code is there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no Markdown file"), "{error}");
}

#[test]
fn tables_and_code_count_where_there_is_nothing_else() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tables");
    std::fs::create_dir_all(&dir).expect("a folder for tests");
    let text =
        "# Ports\n\n| name | port |\n| --- | --- |\n| http | 80 |\n\n```sh\nnc -l 80\n```\n\n## Later\n\nTo do.\n";
    std::fs::write(dir.join("ports.md"), text).expect("it can be written");
    let library = Library::from_dir(&dir).expect("there is text");
    let seen: Vec<_> = library.sections().iter().map(|section| section.sentences.as_slice()).collect();
    assert_eq!(seen, [&["name port", "http 80", "nc -l 80"][..], &["To do."]]);
}

#[test]
fn a_missing_folder_is_named() {
    let error = Library::from_dir(Path::new("no/such/folder")).expect_err("there is none");
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
