//! Citations from calls of `provideLinks` and from `url_citation` annotations. (contract-v1.md, section 3)

use serde_json::Value;
use serde_json::value::RawValue;

use super::chunk::{Arguments, each, parse};
use crate::surrogates::replace_lone;
use crate::{Citation, Record, RecordType};

/// The citations in the arguments of a call. Arguments that are not JSON have none, and a bad link does not affect the
/// others.
pub(super) fn of_arguments(arguments: &str) -> Vec<Citation> {
    let mut citations = Vec::new();
    if let Ok(Arguments { links: Some(links), .. }) = parse::<Arguments<'_>>(arguments) {
        // The error of a value that is not a list is ignored.
        let _ = each(links, |link| {
            citations.extend(read(link.get()).as_ref().and_then(of_link));
            Ok::<(), serde_json::Error>(())
        });
    }
    citations
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

/// Reads the citations in a message's annotations. They have no number. A value that is not a list is ignored.
pub(super) fn each_annotation(annotations: &RawValue, mut cite: impl FnMut(Citation)) -> Result<(), serde_json::Error> {
    if !annotations.get().starts_with('[') {
        return Ok(());
    }
    each(annotations, |annotation| {
        read(annotation.get()).as_ref().and_then(of_annotation).into_iter().for_each(&mut cite);
        Ok(())
    })
}

fn of_annotation(annotation: &Value) -> Option<Citation> {
    let cited = Some(&annotation["url_citation"]).filter(|_| annotation["type"] == "url_citation")?;
    let url = cited["url"].as_str().filter(|url| !url.is_empty())?;
    let mut citation = Citation::default();
    citation.record.url = Some(url.to_owned());
    citation.record.title = cited["title"].as_str().map(str::to_owned);
    Some(citation)
}

/// Reads JSON. A lone half of a surrogate pair is read as U+FFFD.
pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &str) -> Option<T> {
    parse(json).ok().or_else(|| parse(&replace_lone(json)?).ok())
}
