//! Citations from calls of `provideLinks` and from `url_citation` annotations. (contract-v1.md, section 3)

use serde::Deserialize;
use serde_json::Value;

use super::chunk::parse;
use crate::surrogates::replace_lone;
use crate::{Citation, Record, RecordType};

/// The citations in the arguments of a call. Arguments that are not JSON have none, and a bad link does not affect the
/// others.
pub(super) fn of_arguments(arguments: &str) -> Vec<Citation> {
    #[derive(Deserialize)]
    struct Arguments {
        links: Option<Vec<Value>>,
    }
    let arguments = read::<Arguments>(arguments);
    arguments.and_then(|arguments| arguments.links).unwrap_or_default().iter().filter_map(of_link).collect()
}

fn of_link(link: &Value) -> Option<Citation> {
    let label = match &link["label"] {
        Value::String(label) => Some(label.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let number = label.as_deref().and_then(|label| label.trim().parse().ok());
    let record = to_record(link);
    record.url.as_deref().filter(|url| !url.is_empty())?;
    Some(Citation { number, label, record, ..Citation::default() })
}

/// Reads a record of the service leniently: members of the wrong type count as missing.
pub(super) fn to_record(record: &Value) -> Record {
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let breadcrumbs = record["breadcrumbs"].as_array();
    Record {
        record_type: record["type"].as_str().map(RecordType::from),
        url: text("url"),
        title: text("title"),
        description: text("description"),
        breadcrumbs: breadcrumbs.map(|crumbs| crumbs.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}

/// The citations in a message's annotations. They have no number.
pub(super) fn of_annotations(annotations: &str) -> Vec<Citation> {
    let annotations: Vec<Value> = read(annotations).unwrap_or_default();
    let cited = annotations.iter().filter(|annotation| annotation["type"] == "url_citation").filter_map(|annotation| {
        let cited = &annotation["url_citation"];
        let url = cited["url"].as_str().filter(|url| !url.is_empty())?;
        let mut citation = Citation::default();
        citation.record.url = Some(url.to_owned());
        citation.record.title = cited["title"].as_str().map(str::to_owned);
        Some(citation)
    });
    cited.collect()
}

/// Reads JSON. A lone half of a surrogate pair is read as U+FFFD.
pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &str) -> Option<T> {
    parse(json).ok().or_else(|| parse(&replace_lone(json)?).ok())
}
