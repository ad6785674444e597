//! A call of a tool that an external source has: passed on there, if it is still what was approved.
//!
//! The definition that the source gives now is compared with the one that the approved version pins, and
//! is asked for again when what is known of it is too old.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::external_mcp_sources as sources;
use super::{Error, Service, answer};
use crate::db::external_mcp_sources::ExternalSource;
use crate::db::external_mcp_tools;
use crate::db::versions::Version;
use crate::domain::budget::Budget;
use crate::domain::outcome::{Bound, GuestEvent, Outcome, Report};
use crate::domain::redact::Redactor;
use crate::domain::source::PassThrough;
use crate::upstream::{Access, Listener, ToolCall, UpstreamError};

/// A call on its way to a source.
pub(super) struct PassedOn<'a> {
    pub(super) to: &'a PassThrough,
    pub(super) version: &'a Version,
    pub(super) arguments: &'a str,
    pub(super) budget: &'a Budget,
}

impl Service {
    /// Passes a call on, until its caller cancels or the host ends its calls. A source that fails is an outcome.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the source has no longer what was approved; [`Error::Conflict`] when it is
    /// switched off; [`Error::Busy`] when it is not asked now.
    pub(super) async fn pass_on(
        &self,
        call: PassedOn<'_>,
        cancel: &CancellationToken,
        listener: Option<Listener>,
    ) -> Result<Report, Error> {
        let ending = self.0.parts.ending.child_token();
        let passed = self.passed(call, &ending, listener);
        tokio::pin!(passed);
        tokio::select! {
            report = &mut passed => report,
            () = cancel.cancelled() => {
                ending.cancel();
                passed.await
            }
        }
    }

    async fn passed(
        &self,
        call: PassedOn<'_>,
        ending: &CancellationToken,
        listener: Option<Listener>,
    ) -> Result<Report, Error> {
        let begun = Instant::now();
        let ready = tokio::select! {
            ready = tokio::time::timeout(call.budget.time, self.still_approved(&call)) => ready,
            () = ending.cancelled() => return Ok(ended(Outcome::Cancelled, begun)),
        };
        let (source, mut access) = match ready {
            Err(_) => return Ok(ended(Outcome::Stopped(Bound::Time), begun)),
            Ok(Err(Error::SourceFailed { message })) => {
                return Ok(ended(Outcome::SourceFailed { message }, begun));
            }
            Ok(ready) => ready?,
        };
        for again in [true, false] {
            // What lets us in is told to nobody, not even by a source that says it back.
            let hidden = Arc::new(hidden(&access));
            let budget = Budget { time: call.budget.time.saturating_sub(begun.elapsed()), ..call.budget.clone() };
            let passed = ToolCall {
                tool: call.to.tool.clone(),
                arguments: call.arguments.to_owned(),
                budget,
                mirrors_headers: call.version.input_schema.contains("\"x-mcp-header\""),
            };
            let heard = listener.clone().map(|listener| hiding(listener, Arc::clone(&hidden)));
            match self.upstream().call(&access, &passed, ending, heard).await {
                Ok(mut report) => {
                    report.usage.duration = begun.elapsed();
                    return Ok(without(report, &hidden));
                }
                // Nothing was done there: a token that was taken back may be asked again with the next one.
                Err(UpstreamError::Unauthorized { .. }) if again => {
                    match self.source_access_renewed(&source, &access).await {
                        Ok(renewed) => access = renewed,
                        Err(Error::SourceFailed { message }) => {
                            self.source_noted(source.id, Some(message.clone())).await?;
                            return Ok(ended(Outcome::SourceFailed { message }, begun));
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error @ UpstreamError::Busy { .. }) => return Err(error.into()),
                Err(error) => {
                    self.source_noted(source.id, Some(error.to_string())).await?;
                    return Ok(ended(Outcome::SourceFailed { message: error.to_string() }, begun));
                }
            }
        }
        Ok(ended(Outcome::SourceFailed { message: "the source refuses every credential".to_owned() }, begun))
    }

    /// Sees to it that the source still has what was approved.
    async fn still_approved(&self, call: &PassedOn<'_>) -> Result<(ExternalSource, Access), Error> {
        let PassThrough { source: id, tool } = call.to;
        let source = sources::found(self.db(), *id).await?;
        let access = self.source_access(&source).await?;
        self.source_fresh(&source).await?;
        let line = external_mcp_tools::by_name(self.db(), *id, tool).await?;
        let Some(line) = line.filter(|line| line.offered) else {
            return Err(Error::forbidden(format!(
                "the source `{}` offers `{tool}` no longer; look at what it offers, and delete this tool",
                access.name
            )));
        };
        if line.digest != Some(call.version.source_digest) {
            return Err(Error::forbidden(format!(
                "the source `{}` says something else of `{tool}` than what was approved; it is called again when a \
                 person has approved its new version",
                access.name
            )));
        }
        Ok((source, access))
    }
}

fn hidden(access: &Access) -> Redactor {
    let value = access.credential.as_ref().map(|(_, value)| value.reveal());
    let token = value.map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    Redactor::new(token)
}

fn hiding(listener: Listener, hidden: Arc<Redactor>) -> Listener {
    Arc::new(move |mut event| {
        match &mut event {
            GuestEvent::Log(line) => line.message = hidden.apply(&line.message).into_owned(),
            GuestEvent::Progress(progress) => {
                progress.message = progress.message.as_deref().map(|text| hidden.apply(text).into_owned());
            }
            GuestEvent::ListChanged(_) => {}
            GuestEvent::ResourceUpdated(uri) => *uri = hidden.apply(uri).into_owned(),
        }
        listener(event);
    })
}

fn without(mut report: Report, hidden: &Redactor) -> Report {
    report.outcome = match report.outcome {
        Outcome::Returned(result) => Outcome::Returned(answer::redact(result, hidden)),
        Outcome::ReturnedError(result) => Outcome::ReturnedError(answer::redact(result, hidden)),
        Outcome::SourceFailed { message } => Outcome::SourceFailed { message: hidden.apply(&message).into_owned() },
        other => other,
    };
    for line in &mut report.log {
        line.message = hidden.apply(&line.message).into_owned();
    }
    report
}

fn ended(outcome: Outcome, begun: Instant) -> Report {
    Report::unbegun(outcome, begun.elapsed())
}
