//! The client of the call for the prelude: what it can do, and questions to it.

use rquickjs::{Array, Ctx, Function, Object, Result};

use crate::mcpbox::guest::client::{self, Abilities, Answer, AskError, Method, Question};

pub(crate) fn install<'js>(ctx: &Ctx<'js>, to: &Object<'js>) -> Result<()> {
    to.set("clientCan", Function::new(ctx.clone(), || client::can().bits())?)?;
    // The prelude makes flags of known names alone.
    let require = |flags: u8| client::require(Abilities::from_bits_retain(flags));
    to.set("clientRequire", Function::new(ctx.clone(), require)?)?;
    to.set("clientAsk", Function::new(ctx.clone(), ask)?)?;
    to.set("becomeTask", Function::new(ctx.clone(), client::become_task)?)
}

/// Takes questions as `[key, method, params]`. Answers each as `[refused, text]` in an array, or that all have
/// `failed` and why in a `message`.
fn ask(ctx: Ctx<'_>, questions: Vec<Vec<String>>) -> Result<Object<'_>> {
    let questions: Vec<Question> =
        questions.into_iter().filter_map(|parts| parts.try_into().ok().map(question)).collect();
    let (failed, message) = match client::ask(&questions) {
        Ok(answers) => return answered(ctx, answers),
        Err(AskError::Unsupported(message)) => ("unsupported", message),
        Err(AskError::Invalid(message)) => ("invalid", message),
        Err(AskError::Unanswered(message)) => ("unanswered", message),
    };
    let told = Object::new(ctx)?;
    told.set("failed", failed)?;
    told.set("message", message)?;
    Ok(told)
}

fn question([key, method, params]: [String; 3]) -> Question {
    let method = match method.as_str() {
        "sampling" => Method::Sampling,
        "roots" => Method::Roots,
        _ => Method::Elicitation,
    };
    Question { key, method, params }
}

fn answered(ctx: Ctx<'_>, answers: Vec<Answer>) -> Result<Object<'_>> {
    let all = Array::new(ctx.clone())?;
    for (at, answer) in answers.into_iter().enumerate() {
        let (refused, text) = match answer {
            Answer::Result(json) => (false, json),
            Answer::Refused(why) => (true, why),
        };
        let one = Array::new(ctx.clone())?;
        one.set(0, refused)?;
        one.set(1, text)?;
        all.set(at, one)?;
    }
    Ok(all.into_object())
}
