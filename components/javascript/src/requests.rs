//! HTTP requests for the prelude: ids, answers, and errors as `[code, message]`.

use rquickjs::{Array, ArrayBuffer, Ctx, Function, IntoJs as _, Object, Result, Value};

use crate::host;
use crate::mcpbox::guest::http;

pub(crate) fn install<'js>(ctx: &Ctx<'js>, to: &Object<'js>) -> Result<()> {
    to.set("httpStart", Function::new(ctx.clone(), start)?)?;
    to.set("httpTake", Function::new(ctx.clone(), take)?)?;
    to.set("cancel", Function::new(ctx.clone(), http::cancel)?)?;
    to.set("wait", Function::new(ctx.clone(), wait)?)
}

fn start<'js>(
    ctx: Ctx<'js>,
    method: String,
    url: String,
    headers: Vec<Vec<String>>,
    body: Option<ArrayBuffer<'js>>,
) -> Result<Value<'js>> {
    let headers = headers.into_iter().filter_map(|pair| <[String; 2]>::try_from(pair).ok().map(Into::into)).collect();
    let body = body.map(|buffer| host::part(&buffer, 0, buffer.len()));
    match http::start(&http::Request { method, url, headers, body, timeout_ms: None }) {
        Ok(id) => id.into_js(&ctx),
        Err(error) => told(&ctx, error),
    }
}

fn wait(ids: Vec<u32>, timeout_ms: Option<f64>) -> Vec<u32> {
    // `as` keeps within the range of u64.
    http::wait(&ids, timeout_ms.map(|ms| ms as u64))
}

fn take(ctx: Ctx<'_>, id: u32) -> Result<Value<'_>> {
    let response = match http::take(id) {
        Ok(response) => response,
        Err(error) => return told(&ctx, error),
    };
    let headers: Vec<Vec<String>> = response.headers.into_iter().map(|(name, value)| vec![name, value]).collect();
    let answer = Object::new(ctx.clone())?;
    answer.set("status", response.status)?;
    answer.set("headers", headers)?;
    answer.set("body", ArrayBuffer::new(ctx, response.body)?)?;
    Ok(answer.into_value())
}

fn told<'js>(ctx: &Ctx<'js>, error: http::Error) -> Result<Value<'js>> {
    let (code, message) = match error {
        http::Error::Denied(message) => ("denied", message),
        http::Error::Invalid(message) => ("invalid", message),
        http::Error::Unreachable(message) => ("unreachable", message),
        http::Error::TimedOut(message) => ("timed-out", message),
        http::Error::TooLarge(message) => ("too-large", message),
    };
    let both = Array::new(ctx.clone())?;
    both.set(0, code)?;
    both.set(1, message)?;
    Ok(both.into_value())
}
