//! The page of settings: every variable that a command reads, made from the command line itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::fresh::hold;

const HEAD: &str = "\
# Settings

Every variable that a command of `mcpbox` reads. Each is a flag of that command too, and the flag counts
more. A file `.env` in the working folder counts where the environment says nothing. The bounds are
variables as well and have [a page of their own](limits.md).

This page is made from the command line: change that, then run
`make docs`.

| variable | flag | default | commands | what it does |
| --- | --- | --- | --- | --- |
";

/// One variable: its argument, and the commands that read it.
type Rows = BTreeMap<String, (Arg, Vec<String>)>;

fn collect(command: &Command, path: &str, rows: &mut Rows) {
    for arg in command.get_arguments() {
        if let Some(variable) = arg.get_env() {
            let variable = variable.to_string_lossy().into_owned();
            let (_, commands) = rows.entry(variable).or_insert_with(|| (arg.clone(), Vec::new()));
            commands.push(path.to_owned());
        }
    }
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        collect(inner, format!("{path} {}", inner.get_name()).trim(), rows);
    }
}

fn page(command: &Command) -> String {
    let mut rows = Rows::new();
    collect(command, "", &mut rows);
    let mut page = HEAD.to_owned();
    for (variable, (arg, commands)) in rows {
        let flag = arg.get_long().map(|long| format!("`--{long}`")).unwrap_or_default();
        let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
        let default = defaults.filter(|value| !value.is_empty()).map(|value| format!("`{value}`")).collect::<String>();
        let commands: Vec<_> = commands.iter().map(|command| format!("`{command}`")).collect();
        let help = arg.get_help().unwrap_or_else(|| panic!("{variable} has no help")).to_string();
        let end = if help.ends_with('.') { "" } else { "." };
        let _ = writeln!(page, "| `{variable}` | {flag} | {default} | {} | {help}{end} |", commands.join(", "));
    }
    page
}

/// Fault: 16.
#[test]
fn the_page_of_settings_is_up_to_date() {
    hold("docs/settings.md", &page(&mcpbox::cli::command()));
}

#[test]
fn no_variable_means_two_things() {
    let mut rows = Rows::new();
    collect(&mcpbox::cli::command(), "", &mut rows);
    let limits: Vec<&str> = mcpbox::limits::TABLE.iter().map(|limit| limit.env).collect();
    assert!(rows.len() > 5, "only {} variables", rows.len());
    for (variable, _) in rows {
        assert!(!limits.contains(&variable.as_str()), "{variable} is a setting and a limit");
    }
}
