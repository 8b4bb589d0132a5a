//! The public names of the crates that a program may depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The source of a crate's root.
fn root(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name).join("src/lib.rs");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in `pub use path::{…};` and `pub use path::Name;` for which `filter` accepts the path.
fn exports(source: &str, filter: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let statements = source.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';')).map(|(use_, _)| use_);
    let lists = statements.filter_map(|statement| statement.rsplit_once("::"));
    lists
        .filter(|(path, _)| filter(path))
        .flat_map(|(_, list)| list.trim_matches(['{', '}']).split(',').map(|name| name.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn transports_export_the_names_of_the_client() {
    let mut names = exports(&root("chat-client"), |_| true);
    names.extend(["driver".to_owned(), "proto".to_owned()]);
    let with_transport = ["Chat", "Client", "Reply", "Session"];
    let blocking = ["Chat", "Client", "LocalKey", "Reply", "Session", "Text", "Transport"];
    for (name, path, own) in [
        ("transport-hyper", "chat_client", &with_transport[..]),
        ("transport-smol", "chat_client", &with_transport),
        ("transport-async-std", "chat_client", &with_transport),
        ("transport-web", "chat_client", &with_transport),
        ("chat-blocking", "transport_smol::chat_client", &blocking),
    ] {
        let expected: BTreeSet<_> = names.iter().filter(|name| !own.contains(&name.as_str())).cloned().collect();
        assert_eq!(exports(&root(name), |of| of == path), expected, "{name}");
    }
}

#[test]
fn no_crate_exports_all_names_of_another() {
    for name in [
        "chat-client",
        "chat-http1",
        "chat-blocking",
        "transport-hyper",
        "transport-smol",
        "transport-async-std",
        "transport-web",
    ] {
        assert!(!root(name).contains("::*"), "{name}");
    }
}
