//! `mcpbox serve`: starts the host, says where it is and what to do next, and stops in order.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::lifecycle::order_to_stop;
use crate::app::{App, World};
use crate::config::{self, Packaging, Place, Serving, Settings, Telling};
use crate::telemetry;

pub(super) async fn run(
    place: Place,
    serving: Serving,
    packaging: Packaging,
    telling: &Telling,
) -> anyhow::Result<ExitCode> {
    let settings = Settings {
        place,
        serving,
        packaging,
        limits: config::limits()?,
        program: std::env::current_exe().context("finding this executable")?,
    };
    telemetry::init_logs(telling.debug, &telling.log_level).context("LOG_LEVEL")?;
    // Before anybody can know that the host is there to be stopped.
    let stopping = listen()?;
    tokio::pin!(stopping);
    let app = tokio::select! {
        started = App::start(&settings, World::real()) => started?,
        () = &mut stopping => return Ok(ExitCode::SUCCESS),
    };
    say(&welcome(&app, &settings));
    tokio::select! {
        prepared = prepare(&app) => {
            prepared?;
            stopping.as_mut().await;
        }
        () = &mut stopping => {}
    }
    let again = listen()?;
    tracing::info!("stopping; running calls may finish, a second signal ends them");
    let ending = app.end_calls();
    let stopped = app.stop();
    tokio::pin!(stopped);
    let result = tokio::select! {
        result = &mut stopped => result,
        () = again => {
            let last = listen()?;
            tracing::info!("running calls are ended and the logs written out; a third signal ends the process at once");
            ending.cancel();
            tokio::select! {
                result = &mut stopped => result,
                () = last => anyhow::bail!("a third signal ended the process; rows of its logs may be lost"),
            }
        }
    };
    result?;
    Ok(ExitCode::SUCCESS)
}

fn listen() -> anyhow::Result<impl Future<Output = ()>> {
    order_to_stop().context("listening to signals")
}

/// Opens the interpreters and says so, when it takes long enough to wonder.
async fn prepare(app: &App) -> anyhow::Result<()> {
    let mut compiling = app.compilations();
    let preparing = app.prepare();
    tokio::pin!(preparing);
    let mut said = false;
    loop {
        tokio::select! {
            result = &mut preparing => {
                result.context("preparing the interpreters")?;
                if said {
                    say("The interpreters are ready.\n");
                }
                return Ok(());
            }
            Ok(()) = compiling.changed(), if !said => {
                if compiling.borrow().iter().any(|compilation| compilation.running) {
                    said = true;
                    say("Compiling the interpreters for this processor (once, half a minute to a minute) ...\n");
                }
            }
        }
    }
}

fn say(text: &str) {
    // A closed standard output is no reason to stop serving.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

/// Where the command line looks for a host when nobody says where.
const USUAL: &str = "http://127.0.0.1:8000";

/// What a newcomer needs, with commands that work from any folder; the first line is the address alone, for
/// scripts.
fn welcome(app: &App, settings: &Settings) -> String {
    let base = format!("http://{}", app.address());
    let data_dir = &settings.place.data_dir;
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone()).display().to_string();
    let mut text = format!(
        "{base}\n\nMCPbox {} is running.\n  API   {base}/api\n  MCP   {base}/mcp\n  Data  {data_dir}\n\n",
        env!("CARGO_PKG_VERSION"),
    );
    if let Some(code) = app.setup_code() {
        let elsewhere = settings.place.database_url.as_deref().is_some_and(|url| !url.is_empty());
        text.push_str(&format!(
            "No administrator yet. Make one on this machine:\n  mcpbox admin create NAME --data-dir {}{}\nor over the network with this code:\n  {}\n  POST {base}/auth/setup {{\"username\", \"password\", \"setup_code\"}}\n\n",
            quoted(&data_dir),
            if elsewhere { "   (with the same DATABASE_URL)" } else { "" },
            code.reveal()
        ));
    }
    let url = if base == USUAL { String::new() } else { format!(" --url {base}") };
    text.push_str(&format!(
        "Connect an MCP client on this machine:\n  {{\"mcpServers\": {{\"mcpbox\": {{\"type\": \"http\", \"url\": \"{base}/mcp\"}}}}}}\n  claude mcp add --transport http mcpbox {base}/mcp\n\nDecide what a model asks for, tools and the hosts and modules that they need:\n  mcpbox tool pending{url}\n  mcpbox tool approve SERVER__TOOL{url}\n\n"
    ));
    text
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_folder_is_one_word_of_a_shell() {
        for (folder, typed) in [
            ("/home/ada/data", "/home/ada/data"),
            ("/home/ada/my data", "'/home/ada/my data'"),
            ("/it's $here", r"'/it'\''s $here'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(folder), typed);
        }
    }
}
