//! What the service's own tools carry out. (contract-v1.md, section 3)

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Tool;
use super::links::{read, to_record};
use crate::serde_ext::open_enum;
use crate::{Answer, Record};

open_enum! {
    /// How sure the service is of its answer.
    AnswerConfidence {
        /// Very confident.
        VeryConfident = "very_confident",
        /// Somewhat confident.
        SomewhatConfident = "somewhat_confident",
        /// Not confident.
        NotConfident = "not_confident",
        /// There were no sources.
        NoSources = "no_sources",
    }
}

/// The service's assessment of its answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AiAnnotations {
    /// How sure the service is.
    pub answer_confidence: AnswerConfidence,
    /// Why, if the schema of the tool asks for it.
    #[serde(default)]
    pub explanation: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Answer {
    /// The records that the service considered, if the request had
    /// [`Tool::provide_records_considered`]. Not all of them are in the answer.
    pub fn records_considered(&self) -> Vec<Record> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Arguments {
            records_considered: Option<Vec<Value>>,
        }
        let records = self.provided::<Arguments>(Tool::PROVIDE_RECORDS_CONSIDERED);
        records
            .filter_map(|arguments| arguments.records_considered)
            .flatten()
            .map(|record| to_record(&record))
            .collect()
    }

    /// The service's assessment of its answer, if the request had [`Tool::provide_ai_annotations`].
    pub fn ai_annotations(&self) -> Option<AiAnnotations> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Arguments {
            ai_annotations: AiAnnotations,
        }
        self.provided::<Arguments>(Tool::PROVIDE_AI_ANNOTATIONS).last().map(|arguments| arguments.ai_annotations)
    }

    /// The arguments of the calls of a tool that can be read.
    fn provided<'a, T: serde::de::DeserializeOwned>(&'a self, name: &'a str) -> impl Iterator<Item = T> + 'a {
        self.tool_calls.iter().filter(move |call| call.name == name).filter_map(|call| read(&call.arguments))
    }
}
