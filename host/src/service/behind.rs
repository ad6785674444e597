//! Whoever is behind a call, as its guest gets to ask them: with every secret blotted out of the questions.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::domain::client::{Abilities, Asked, Client, Question};
use crate::domain::redact::Redactor;

/// A client that never reads a secret in a question.
#[derive(Debug)]
pub(super) struct Behind {
    client: Arc<dyn Client>,
    redactor: Arc<Redactor>,
}

impl Behind {
    pub(super) fn new(client: Arc<dyn Client>, redactor: Arc<Redactor>) -> Self {
        Self { client, redactor }
    }
}

impl Client for Behind {
    fn abilities(&self) -> Abilities {
        self.client.abilities()
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        let hidden = questions.into_iter().map(|question| {
            let text = self.redactor.apply_json_text(question.params.get());
            // Blotting out what stands in strings leaves an object an object.
            let params = RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned());
            Question { params, ..question }
        });
        self.client.ask(hidden.collect())
    }

    fn become_task(&self) {
        self.client.become_task();
    }
}
