//! Settings: each is an environment variable and a flag of `mcpbox serve`, with one sentence of help.
//!
//! They are read once, here. The limits are settings too; they have a table of their own.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::auth::proxies::Proxies;
use crate::limits::{LimitError, Limits};

/// What every command needs to find this installation.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Folder for the database, the encryption key and the setup code; made with private permissions.
    #[arg(long, env = "MCPBOX_DATA_DIR", default_value = "./data", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// PostgreSQL or SQLite address of the database; by default a SQLite file in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Folder for what can be made again, such as compiled code; by default ~/.cache/mcpbox.
    #[arg(long, env = "MCPBOX_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// Key that seals secrets, 64 hexadecimal digits; by default made once into the data folder.
    #[arg(long, env = "MCPBOX_ENCRYPTION_KEY", hide_env_values = true, value_name = "HEX")]
    pub encryption_key: Option<String>,
}

/// What `mcpbox serve` needs beside that.
#[derive(Args, Clone, Debug)]
pub struct Serving {
    /// Address to listen on. Anything but loopback needs API keys for MCP.
    #[arg(long, env = "MCPBOX_HOST", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: IpAddr,
    /// Port of the API and of MCP for local clients; 0 picks a free one.
    #[arg(long, env = "MCPBOX_BACKEND_PORT", default_value_t = 8000, value_name = "PORT")]
    pub port: u16,
    /// Origins, beside loopback ones, whose pages may speak MCP; separated by commas.
    #[arg(
        long,
        env = "MCP_CORS_ORIGINS",
        default_value = "https://mcp.claude.ai,https://claude.ai,https://chatgpt.com,https://chat.openai.com,https://platform.openai.com",
        value_delimiter = ',',
        value_name = "ORIGINS"
    )]
    pub mcp_origins: Vec<String>,
    /// Host names, beside loopback ones, under which this host answers; separated by commas. On a host that
    /// is opened to other machines addresses count too, and without a list every name does.
    #[arg(long, env = "MCPBOX_ALLOWED_HOSTS", default_value = "", value_delimiter = ',', value_name = "NAMES")]
    pub allowed_hosts: Vec<String>,
    /// Folders below which an administrator may give folders to tools; separated by commas. Without any, none.
    #[arg(long, env = "MCPBOX_FOLDER_ROOTS", default_value = "", value_delimiter = ',', value_name = "FOLDERS")]
    pub folder_roots: Vec<String>,
    /// Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; separated by commas.
    #[arg(long, env = "TRUSTED_PROXY_IPS", default_value = "", value_name = "ADDRESSES")]
    pub trusted_proxies: Proxies,
    /// Whether browsers send session cookies over TLS only; they do in any case when a trusted proxy says it speaks TLS.
    #[arg(
        long,
        env = "MCPBOX_SECURE_COOKIES",
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub secure_cookies: bool,
    /// Whether the deprecated HTTP+SSE transport of MCP (GET /sse, POST /messages) is served, for clients that know no other.
    #[arg(
        long,
        env = "MCPBOX_LEGACY_SSE",
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub legacy_sse: bool,
    /// Whether GET /metrics answers.
    #[arg(
        long,
        env = "ENABLE_METRICS",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub metrics: bool,
}

/// Where packages of Python tools, and what is known of them, come from.
#[derive(Args, Clone, Debug)]
pub struct Packaging {
    /// The program uv, which installs packages; by default the one on the PATH.
    #[arg(long, env = "MCPBOX_UV", value_name = "FILE")]
    pub uv: Option<PathBuf>,
    /// Address of the package index that uv asks.
    #[arg(long, env = "MCPBOX_PACKAGE_INDEX", default_value = "https://pypi.org/simple", value_name = "URL")]
    pub package_index: String,
    /// Base address of PyPI's JSON API, which tells about packages.
    #[arg(long, env = "MCPBOX_PYPI_URL", default_value = "https://pypi.org", value_name = "URL")]
    pub pypi_url: String,
    /// Base address of OSV, which tells the vulnerabilities of packages.
    #[arg(long, env = "MCPBOX_OSV_URL", default_value = "https://api.osv.dev", value_name = "URL")]
    pub osv_url: String,
    /// Base address of deps.dev, which tells what packages depend on.
    #[arg(long, env = "MCPBOX_DEPS_DEV_URL", default_value = "https://api.deps.dev", value_name = "URL")]
    pub deps_dev_url: String,
}

/// How this process tells what it does.
#[derive(Args, Clone, Debug)]
pub struct Telling {
    /// Logs for people in place of JSON lines.
    #[arg(
        long,
        env = "DEBUG",
        default_value_t = false,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub debug: bool,
    /// Which logs: error, warn, info, debug, trace, or a filter such as mcpbox=debug,info.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
}

/// All settings of a running host.
#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,
    pub serving: Serving,
    pub packaging: Packaging,
    pub limits: Limits,
    /// The executable that compiles components: this one.
    pub program: PathBuf,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("there is no home folder to keep the cache in; set MCPBOX_CACHE_DIR")]
    NoCacheDir,
}

impl Place {
    /// The folder for what can be made again.
    ///
    /// # Errors
    /// When it is not set and there is no home folder.
    pub fn cache(&self) -> Result<PathBuf, ConfigError> {
        if let Some(folder) = &self.cache_dir {
            return Ok(folder.clone());
        }
        let base = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
        base.map(|base| base.join("mcpbox")).ok_or(ConfigError::NoCacheDir)
    }

    pub fn key_file(&self) -> PathBuf {
        self.data_dir.join("encryption-key")
    }

    pub fn setup_code_file(&self) -> PathBuf {
        self.data_dir.join("setup-code")
    }

    pub fn database_file(&self) -> PathBuf {
        self.data_dir.join("mcpbox.db")
    }
}

/// The limits that the environment sets.
///
/// # Errors
/// The first that is out of its range.
pub fn limits() -> Result<Limits, ConfigError> {
    Ok(Limits::read(variable)?)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where programs are looked for.
pub fn search_path() -> Option<String> {
    variable("PATH")
}

/// The value of a variable that an author names as a secret of a tool.
pub fn secret_variable(name: &str) -> Option<String> {
    variable(name)
}
