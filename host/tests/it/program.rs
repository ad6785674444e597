//! The executable itself, started as a person or a supervisor starts it, with an environment that
//! holds nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::harness::{Door, postgres_database, statement_run};
use crate::sandbox::cache_dir;

/// A folder and, on PostgreSQL, a database: what a host leaves behind when it stops.
pub struct Installation {
    folder: tempfile::TempDir,
    database_url: Option<String>,
}

impl Installation {
    pub async fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), database_url: postgres_database().await }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Whether the database is a file of the data folder.
    pub fn is_sqlite(&self) -> bool {
        self.database_url.is_none()
    }

    /// What a statement reads, in a connection of its own.
    pub fn read(&self, statement: &str) -> String {
        statement_run(self.database_url.as_deref(), &self.data_dir(), statement)
    }

    /// Keeps everybody else from writing rows of logs until it is dropped.
    pub async fn hold_writes(&self) -> Child {
        let (mut command, script) = match &self.database_url {
            Some(url) => {
                let mut command = Command::new("psql");
                command.args([url, "-qAt"]);
                (command, "BEGIN; LOCK TABLE tool_execution_logs, activity_logs IN EXCLUSIVE MODE; SELECT 'held';\n")
            }
            None => {
                let script = "import sqlite3, sys\n\
                              at = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n\
                              at.execute('BEGIN IMMEDIATE')\n\
                              print('held', flush=True)\n\
                              sys.stdin.read()";
                let mut command = Command::new("python3");
                command.args(["-c", script]).arg(self.data_dir().join("mcpbox.db"));
                (command, "")
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the database's own client runs");
        child.stdin.as_mut().expect("its input").write_all(script.as_bytes()).await.expect("it is read");
        let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
        assert_eq!(said.next_line().await.expect("a text").as_deref(), Some("held"));
        child
    }

    /// The executable on this installation; `line` is what stands behind its name.
    pub fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpbox"));
        command
            .args(line)
            .current_dir(self.folder())
            .env_clear()
            .env("MCPBOX_DATA_DIR", self.data_dir())
            .env("MCPBOX_CACHE_DIR", cache_dir())
            .env("MCPBOX_BACKEND_PORT", "0")
            .env("RATE_LIMIT_REQUESTS_PER_MINUTE", "100000")
            .kill_on_drop(true);
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// Runs a command to its end; answers what it said.
    pub async fn run(&self, line: &[&str]) -> Said {
        said(self.command(line), "").await
    }

    /// Starts a host; answers when it says where it listens.
    pub async fn serve(&self, variables: &[(&str, &str)]) -> Serving {
        let mut command = self.command(&["serve"]);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the executable starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output")).lines();
        let stderr = BufReader::new(child.stderr.take().expect("its logs")).lines();
        let Ok(Some(first)) = stdout.next_line().await else {
            let output = child.wait_with_output().await;
            let mut stderr = stderr;
            let mut logs = String::new();
            while let Ok(Some(line)) = stderr.next_line().await {
                logs.push_str(&line);
            }
            panic!("it does not serve: {output:?} {logs}");
        };
        let door = Door::at(first.clone());
        Serving { door, first, child, stdout, stderr }
    }
}

/// Runs a command to its end, with `input` on its standard input.
pub async fn said(mut command: Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the executable starts");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that asks for nothing may be gone by now.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().await.expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("a text");
    Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Starts a command at a terminal, answers each question when it is asked, and prints all that the command says.
const TERMINAL: &str = r#"
import json, os, pty, sys
told = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.chdir(told["folder"])
    os.execve(told["line"][0], told["line"], told["environment"])
heard, seen, answers = b"", 0, list(told["answers"])
while True:
    if answers and answers[0][0].encode() in heard[seen:]:
        seen = len(heard)
        os.write(terminal, answers.pop(0)[1].encode() + b"\n")
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    heard += piece
sys.stdout.write(heard.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// Runs a command as a person at a terminal does, who gives the second of each pair when the first is asked.
/// Everything that the terminal shows is the output.
pub async fn at_a_terminal(command: &Command, answers: &[(&str, &str)]) -> Said {
    let command = command.as_std();
    let text = |text: &std::ffi::OsStr| text.to_str().expect("a text").to_owned();
    let line: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(text).collect();
    let environment: BTreeMap<String, String> =
        command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect();
    let folder = command.get_current_dir().expect("a folder").display().to_string();
    let told = json!({"line": line, "environment": environment, "folder": folder, "answers": answers});
    let mut python = Command::new("python3");
    python.args(["-c", TERMINAL]).arg(told.to_string()).kill_on_drop(true);
    said(python, "").await
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// The output of a command that has to succeed.
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The one line of a command that has to fail with it and nothing else.
    pub fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one line: {self:?}");
        assert!(lines[0].starts_with("mcpbox: "), "{self:?}");
        assert_eq!(self.stdout, "");
        lines[0].to_owned()
    }
}

/// A running host.
pub struct Serving {
    pub door: Door,
    /// The first line of its output.
    pub first: String,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    /// The next lines of its output, up to the one that has `words`.
    pub async fn hear(&mut self, words: &str) -> String {
        let mut heard = String::new();
        while let Ok(Some(line)) = self.stdout.next_line().await {
            heard.push_str(&line);
            heard.push('\n');
            if line.contains(words) {
                return heard;
            }
        }
        panic!("it never said `{words}`: {heard}");
    }

    /// Orders it to stop.
    pub fn terminate(&self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        kill_process(id, Signal::TERM).expect("a signal is sent");
    }

    /// Waits until its logs have `words`; answers the line.
    pub async fn logs(&mut self, words: &str) -> String {
        let mut heard = String::new();
        while let Ok(Some(line)) = self.stderr.next_line().await {
            if line.contains(words) {
                return line;
            }
            heard.push_str(&line);
        }
        panic!("its logs never had `{words}`: {heard}");
    }

    /// Orders it to stop and waits; it has to end well.
    pub async fn stop(self) {
        self.terminate();
        self.ended().await;
    }

    /// Waits for its end, which has to be a good one.
    pub async fn ended(mut self) {
        // Nobody reads what it still says, so it must not wait for that.
        drop((self.stdout, self.stderr));
        let status = self.child.wait().await.expect("it ends");
        assert_eq!(status.code(), Some(0));
    }

    /// Waits for its end, which has to be a bad one; answers what its logs had.
    pub async fn failed(mut self) -> String {
        let mut heard = String::new();
        while let Ok(Some(line)) = self.stderr.next_line().await {
            heard.push_str(&line);
            heard.push('\n');
        }
        let status = self.child.wait().await.expect("it ends");
        assert_eq!(status.code(), Some(1), "{heard}");
        heard
    }

    /// Ends it as a failing machine would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}
