//! Asks the person at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A line typed at the terminal, or read from standard input when that is none.
///
/// # Errors
/// When the input ends.
pub(super) fn line(question: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        eprint!("{question}");
        std::io::stderr().flush()?;
    }
    let mut text = String::new();
    if std::io::stdin().lock().read_line(&mut text)? == 0 {
        bail!("nothing was given for: {}", question.trim_end_matches([':', ' ']));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A password: not shown while it is typed; or a line of standard input when that is no terminal.
///
/// # Errors
/// When the input ends.
pub(super) fn password(question: &str) -> anyhow::Result<Zeroizing<String>> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line(question).map(Zeroizing::new);
    }
    let before = tcgetattr(&stdin).context("reading the terminal's settings")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("silencing the terminal")?;
    let typed = line(question);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    eprintln!();
    restored.context("restoring the terminal")?;
    typed.map(Zeroizing::new)
}

/// Whether a person sits at the terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether the person says yes. Without a terminal nobody can.
///
/// # Errors
/// When the input ends.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    Ok(matches!(line(question)?.trim(), "y" | "Y" | "yes"))
}
