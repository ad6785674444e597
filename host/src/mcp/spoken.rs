//! What a guest says while it runs, turned into notifications for the client of its call.

use serde::Serialize;
use tokio::sync::mpsc;

use super::dispatch::Context;
use super::jsonrpc::Id;
use super::meta::Threshold;
use super::outbox::Outbox;
use crate::domain::outcome::{GuestEvent, LogLevel, LogLine, Progress};

/// One call's words on their way.
pub(super) struct Spoken {
    events: mpsc::Receiver<GuestEvent>,
    outbox: Outbox,
    token: Option<Id>,
    log_level: Option<Threshold>,
    /// The last progress told: each must be greater than the one before.
    told: Option<f64>,
}

impl Spoken {
    /// Nothing, when nobody listens or what could be said is not wanted.
    pub(super) fn of(context: &Context, capacity: usize) -> (Option<mpsc::Sender<GuestEvent>>, Option<Self>) {
        let (token, log_level) = (context.progress_token.clone(), context.log_level());
        let Some(outbox) = context.outbox.clone().filter(|_| token.is_some() || log_level.is_some()) else {
            return (None, None);
        };
        let (sender, events) = mpsc::channel(capacity);
        (Some(sender), Some(Self { events, outbox, token, log_level, told: None }))
    }

    /// Passes on what is said until `work` is done, all of it.
    pub(super) async fn while_waiting<T>(mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.tell(event),
                done = &mut work => break done,
            }
        };
        while let Ok(event) = self.events.try_recv() {
            self.tell(event);
        }
        done
    }

    fn tell(&mut self, event: GuestEvent) {
        match event {
            GuestEvent::Progress(report) => self.tell_progress(&report),
            GuestEvent::Log(line) => self.tell_log(&line),
            // Told to everybody who listens, not to the caller alone.
            GuestEvent::ListChanged(_) | GuestEvent::ResourceUpdated(_) => {}
        }
    }

    fn tell_progress(&mut self, report: &Progress) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            progress_token: &'a Id,
            progress: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
        }
        let Some(progress_token) = &self.token else { return };
        let grows = report.progress.is_finite() && self.told.is_none_or(|told| report.progress > told);
        if !grows {
            return;
        }
        self.told = Some(report.progress);
        let total = report.total.filter(|total| total.is_finite());
        let params = Params { progress_token, progress: report.progress, total, message: report.message.as_deref() };
        self.outbox.say("notifications/progress", &params);
    }

    fn tell_log(&self, line: &LogLine) {
        #[derive(Serialize)]
        struct Params<'a> {
            level: LogLevel,
            logger: &'static str,
            data: &'a str,
        }
        if self.log_level.is_some_and(|threshold| threshold.lets_through(line.level)) {
            let params = Params { level: line.level, logger: "tool", data: &line.message };
            self.outbox.say("notifications/message", &params);
        }
    }
}
