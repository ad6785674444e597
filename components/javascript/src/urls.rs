//! URLs for the prelude, by the crate `url`, which is the standard's parser.

use rquickjs::{Ctx, Function, IntoJs as _, Object, Result, Value};
use url::{Url, quirks};

pub(crate) fn install<'js>(ctx: &Ctx<'js>, to: &Object<'js>) -> Result<()> {
    to.set("urlParse", Function::new(ctx.clone(), parse)?)?;
    to.set("urlSet", Function::new(ctx.clone(), set)?)
}

/// The parts in the order of `PARTS` in `prelude/url.js`.
fn parts(url: &Url) -> Vec<String> {
    vec![
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ]
}

/// Null for no parts; an `Option` would become undefined.
fn answer<'js>(ctx: Ctx<'js>, parts: Option<Vec<String>>) -> Result<Value<'js>> {
    match parts {
        Some(parts) => parts.into_js(&ctx),
        None => Ok(Value::new_null(ctx)),
    }
}

fn parse<'js>(ctx: Ctx<'js>, text: String, base: Option<String>) -> Result<Value<'js>> {
    let parsed = match base {
        None => Url::parse(&text),
        Some(base) => Url::parse(&base).and_then(|base| base.join(&text)),
    };
    answer(ctx, parsed.ok().map(|url| parts(&url)))
}

/// Sets one part; null when that is not possible, and then the URL stays what it was.
fn set<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Value<'js>> {
    let changed = Url::parse(&href).map_err(|_| ()).and_then(|mut url| {
        match part.as_str() {
            "href" => quirks::set_href(&mut url, &value).map_err(|_| ())?,
            "protocol" => quirks::set_protocol(&mut url, &value)?,
            "username" => quirks::set_username(&mut url, &value)?,
            "password" => quirks::set_password(&mut url, &value)?,
            "host" => quirks::set_host(&mut url, &value)?,
            "hostname" => quirks::set_hostname(&mut url, &value)?,
            "port" => quirks::set_port(&mut url, &value)?,
            "pathname" => quirks::set_pathname(&mut url, &value),
            "search" => quirks::set_search(&mut url, &value),
            "hash" => quirks::set_hash(&mut url, &value),
            _ => return Err(()),
        }
        Ok(parts(&url))
    });
    answer(ctx, changed.ok())
}
