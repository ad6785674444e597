//! The host functions of the contract. Each is counted, bounded, and answers only from what the call
//! was given.

use std::time::Duration;

use rand::TryRng as _;
use rand::rngs::SysRng;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::system::mcpbox::guest::system;
use super::bindings::tool::mcpbox::guest::{client, http, log, notify, progress, secrets, types};
use super::guest::PANIC;
use super::state::State;
use super::{files, pace};
use crate::clock::Clock;
use crate::domain::outcome::{GuestEvent, LogLevel, LogLine, Progress};
use crate::egress::{OutboundRequest, SendError};

/// Everything that a guest can import: the contract and WASI 0.2 over an empty context. `offered.rs`
/// lists the same by name.
///
/// # Errors
/// When an interface is defined twice.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    pace::take_turns(&mut linker)?;
    files::keep_within_bounds(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    super::http::bound_methods(&mut linker)?;
    http::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    secrets::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    log::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    progress::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    client::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    notify::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    system::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for State {}

impl http::Host for State {
    async fn start(&mut self, request: http::Request) -> wasmtime::Result<Result<u32, http::Error>> {
        self.host_call(request.url.len() + request.body.as_ref().map_or(0, Vec::len)).await?;
        let request = OutboundRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.map(Into::into),
            timeout: request.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        };
        Ok(self.network.fetches(&self.budget).start(request).map_err(told))
    }

    async fn wait(&mut self, ids: Vec<u32>, timeout_ms: Option<u64>) -> wasmtime::Result<Vec<u32>> {
        self.host_call(ids.len()).await?;
        Ok(self.network.fetches(&self.budget).wait(&ids, timeout_ms.map(Duration::from_millis)).await)
    }

    async fn take(&mut self, id: u32) -> wasmtime::Result<Result<http::Response, http::Error>> {
        self.host_call(0).await?;
        let answer = self.network.fetches(&self.budget).take(id).await;
        Ok(answer
            .map(|response| http::Response { status: response.status, headers: response.headers, body: response.body })
            .map_err(told))
    }

    async fn cancel(&mut self, id: u32) -> wasmtime::Result<()> {
        self.host_call(0).await?;
        self.network.fetches(&self.budget).cancel(id);
        Ok(())
    }
}

fn told(error: SendError) -> http::Error {
    match error {
        SendError::Denied(text) => http::Error::Denied(text),
        SendError::Invalid(text) => http::Error::Invalid(text),
        SendError::Unreachable(text) => http::Error::Unreachable(text),
        SendError::TimedOut(text) => http::Error::TimedOut(text),
        SendError::TooLarge(text) => http::Error::TooLarge(text),
    }
}

impl secrets::Host for State {
    async fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        self.host_call(0).await?;
        Ok(self.reach.as_ref().map(|reach| reach.secrets.keys().cloned().collect()).unwrap_or_default())
    }

    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.host_call(name.len()).await?;
        let value = self.reach.as_ref().and_then(|reach| reach.secrets.get(&name));
        Ok(value.map(|value| value.reveal().to_owned()))
    }
}

impl log::Host for State {
    async fn emit(&mut self, level: types::LogLevel, mut message: String) -> wasmtime::Result<()> {
        self.host_call(message.len()).await?;
        cut(&mut message, self.budget.log_line_bytes);
        if level == types::LogLevel::Error && message.starts_with(PANIC) {
            self.panic = Some(message.clone());
        }
        if self.log.len() >= self.budget.log_lines {
            self.dropped_lines += 1;
            return Ok(());
        }
        let level = match level {
            types::LogLevel::Debug => LogLevel::Debug,
            types::LogLevel::Info => LogLevel::Info,
            types::LogLevel::Warning => LogLevel::Warning,
            types::LogLevel::Error => LogLevel::Error,
        };
        let line = LogLine { level, message };
        self.tell(GuestEvent::Log(line.clone()));
        self.log.push(line);
        Ok(())
    }
}

impl progress::Host for State {
    async fn report(&mut self, progress: f64, total: Option<f64>, mut message: Option<String>) -> wasmtime::Result<()> {
        self.host_call(message.as_ref().map_or(0, String::len)).await?;
        if self.reports >= self.budget.log_lines {
            self.dropped_lines += 1;
            return Ok(());
        }
        self.reports += 1;
        if let Some(message) = &mut message {
            cut(message, self.budget.log_line_bytes);
        }
        // JSON has no infinities; a report that cannot be told is not told.
        if progress.is_finite() && total.is_none_or(f64::is_finite) {
            self.tell(GuestEvent::Progress(Progress { progress, total, message }));
        }
        Ok(())
    }
}

/// Random bytes in one go.
const RANDOM_BYTES: u32 = 65_536;

impl system::Host for State {
    async fn now_ms(&mut self) -> wasmtime::Result<f64> {
        self.host_call(0).await?;
        // To the microsecond; a double is exact enough for 285 years.
        Ok(Clock::system().now().timestamp_micros() as f64 / 1e3)
    }

    async fn monotonic_ms(&mut self) -> wasmtime::Result<f64> {
        self.host_call(0).await?;
        Ok(self.born.elapsed().as_secs_f64() * 1e3)
    }

    async fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let count = usize::try_from(count.min(RANDOM_BYTES))?;
        self.host_call(count).await?;
        let mut bytes = vec![0; count];
        SysRng.try_fill_bytes(&mut bytes)?;
        Ok(bytes)
    }

    async fn print(&mut self, to: system::Output, text: String) -> wasmtime::Result<()> {
        self.host_call(text.len()).await?;
        match to {
            system::Output::Stdout => self.stdout.push(text.as_bytes()),
            system::Output::Stderr => self.stderr.push(text.as_bytes()),
        }
        Ok(())
    }
}

/// Shortens text to at most `bytes`, at a character, and gives back what it took beyond that: a guest may hand over
/// megabytes a thousand times.
fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_cut_keeps_no_more_memory_than_it_needs() {
        let mut text = "é".repeat(1 << 20);
        cut(&mut text, 4_097);
        assert_eq!(text.len(), 4_096);
        assert!(text.capacity() < 8_192, "{} bytes", text.capacity());
        let mut short = "as it is".to_owned();
        cut(&mut short, 4_097);
        assert_eq!(short, "as it is");
    }
}
