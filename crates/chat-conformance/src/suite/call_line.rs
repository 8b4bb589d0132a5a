//! The settings of a client, as a line of the protocol.

use std::time::Duration;

use chat_client::{Limits, RetryPolicy, Timeouts};
use serde_json::Value;

use super::harness::{KeyPlace, Setup};
use crate::program::{CallLine, LimitsLine, OperationName, RetryLine, TimeoutsLine};

/// Returns a line with the settings of a client, and without a call.
pub(crate) fn settings(setup: &Setup) -> CallLine {
    let Setup { base_url, config, headers, key, .. } = setup;
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    CallLine {
        id: 0,
        operation: OperationName::Models,
        session: None,
        input: Value::Null,
        cancel_after: None,
        base_url: base_url.clone(),
        api_key: (*key != KeyPlace::Nowhere).then(|| "k".to_owned()),
        api_key_header: match key {
            KeyPlace::Header(name) => Some((*name).to_owned()),
            KeyPlace::Bearer | KeyPlace::Nowhere => None,
        },
        headers: headers.iter().map(header).collect(),
        timeouts: timeouts(config.timeouts),
        retry: retry(config.retry),
        limits: limits(config.limits),
        accept_unfinished: config.accept_unfinished,
    }
}

fn timeouts(timeouts: Timeouts) -> TimeoutsLine {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    TimeoutsLine {
        connect: seconds(timeouts.connect),
        head: seconds(timeouts.head),
        idle: seconds(timeouts.idle),
        content: seconds(timeouts.content),
        total: seconds(timeouts.total),
    }
}

fn retry(retry: RetryPolicy) -> RetryLine {
    RetryLine {
        max_retries: retry.max_retries,
        base: retry.base.as_secs_f64(),
        max_backoff: retry.max_backoff.as_secs_f64(),
        max_total_wait: retry.max_total_wait.as_secs_f64(),
        ambiguous: retry.ambiguous,
    }
}

fn limits(limits: Limits) -> LimitsLine {
    let Limits { event, json_body, error_body, answer, .. } = limits;
    LimitsLine { event, json_body, error_body, answer }
}
