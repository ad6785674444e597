//! Makes a running host out of settings: every part once, wired here and nowhere else.

mod connections;
pub mod lifecycle;
mod talk;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Pace;
use self::lifecycle::Lifecycle;
pub use self::talk::{Talk, TalkError, converse};
use crate::api::{ApiSettings, ApiState, Doors, Straight};
use crate::auth::McpAuth;
use crate::clock::Clock;
use crate::config::{self, ConfigError, Packaging, Place, Settings};
use crate::crypto::key::{KeyError, MasterKey};
use crate::crypto::setup_code::{SetupCode, SetupCodeError};
use crate::crypto::vault::Vault;
use crate::db::migrate::{self, MigrateError};
use crate::db::{Database, DbError, Location, LocationError};
use crate::domain::tool::Language;
use crate::egress::{Egress, EgressSettings, Network, RealNetwork};
use crate::executor::Executor;
use crate::jobs;
use crate::limits::Limits;
use crate::mcp::{self, McpSettings, McpState};
use crate::packages::{Packages, PackagesSettings};
use crate::sandbox::{Sandbox, SandboxError, SandboxSettings};
use crate::service::activity::NewActivity;
use crate::service::{Parts, Service};
use crate::telemetry::{RequestId, Telemetry};
use crate::upstream::Upstream;

/// What is outside the process, handed in so that tests can hand in their own.
#[derive(Clone)]
pub struct World {
    pub clock: Clock,
    pub network: Arc<dyn Network>,
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the data folder {folder} cannot be used: {why}")]
    DataDir { folder: String, why: String },
    #[error(
        "there is no installation here: the database {file} does not exist; start `mcpbox serve` once, or set \
         MCPBOX_DATA_DIR (or --data-dir) to the data folder of the one that you mean"
    )]
    NoInstallation { file: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    SetupCode(#[from] SetupCodeError),
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Schema(#[from] MigrateError),
    #[error(transparent)]
    Service(#[from] crate::service::Error),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("{address} cannot be listened on: {source}{}", port_hint(.source))]
    Listen { address: SocketAddr, source: io::Error },
}

fn port_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; another program has it: stop that, or set MCPBOX_BACKEND_PORT",
        _ => "",
    }
}

/// Why a host does not end well.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error(
        "the database took no more within {seconds} s, and at least {rows} rows of the logs are lost; see what keeps it \
         from being written (a lock, a full disk) before the next start"
    )]
    Unwritten { seconds: u64, rows: usize },
    #[error("the database does not close")]
    Database(#[from] DbError),
}

/// A running host.
pub struct App {
    address: SocketAddr,
    service: Service,
    db: Database,
    sandbox: Sandbox,
    lifecycle: Lifecycle,
    server: tokio::task::JoinHandle<()>,
    setup_code: Option<SetupCode>,
    stopping: Stopping,
}

/// How long the parts of stopping may take.
#[derive(Clone, Copy)]
struct Stopping {
    grace: Duration,
    writing: Duration,
}

impl From<&Limits> for Stopping {
    fn from(limits: &Limits) -> Self {
        let [grace, writing] = [limits.stop_grace_s, limits.stop_write_s].map(Duration::from_secs);
        Self { grace, writing }
    }
}

/// How long open connections may take to close when everything else has ended.
const CLOSING: Duration = Duration::from_secs(2);

impl World {
    /// The machine's clock and network.
    pub fn real() -> Self {
        Self { clock: Clock::system(), network: Arc::new(RealNetwork::new()) }
    }
}

/// Makes the data folder, or checks that it is private.
///
/// # Errors
/// When it cannot be made, is somebody else's, or others may enter it.
pub fn open_data_dir(folder: &Path) -> Result<(), StartError> {
    let fail = |why: String| StartError::DataDir { folder: folder.display().to_string(), why };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| fail(error.to_string()))?;
    let found = std::fs::metadata(folder).map_err(|error| fail(error.to_string()))?;
    if found.mode() & 0o077 != 0 {
        return Err(fail(format!("others may enter it; close it with `chmod 700 {}`", folder.display())));
    }
    Ok(())
}

/// Opens the data folder of an installation that there is, for what looks at one or changes one and must not make
/// another one in the wrong folder. A PostgreSQL database is there in any case: somebody made it.
///
/// # Errors
/// [`StartError::NoInstallation`] without a database file; nothing is made. As [`open_data_dir`].
pub fn open_installation(place: &Place) -> Result<(), StartError> {
    let missing = match location(place)? {
        Location::Sqlite(file) if !file.exists() => Some(file),
        Location::Sqlite(_) | Location::Postgres(_) => None,
    };
    if missing.is_none() || place.data_dir.exists() {
        open_data_dir(&place.data_dir)?;
    }
    match missing {
        Some(file) => Err(StartError::NoInstallation { file: file.display().to_string() }),
        None => Ok(()),
    }
}

/// The database that the settings name, a file by its whole path. Nothing is opened.
///
/// # Errors
/// When the address names none.
pub fn location(place: &Place) -> Result<Location, StartError> {
    let location = match place.database_url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => url.parse()?,
        None => Location::Sqlite(place.database_file()),
    };
    Ok(match location {
        Location::Sqlite(file) => Location::Sqlite(std::path::absolute(&file).unwrap_or(file)),
        Location::Postgres(url) => Location::Postgres(url),
    })
}

/// Opens the database of an installation and sees that its schema is the one we know; an empty
/// database gets it.
///
/// # Errors
/// When it cannot be opened, or its schema is behind or ahead; the text names the command.
pub async fn open_database(place: &Place, limits: &Limits) -> Result<Database, StartError> {
    let db = Database::connect(&location(place)?, limits).await?;
    if migrate::status(&db).await?.is_untouched() {
        migrate::up(&db).await?;
    }
    migrate::ensure_current(&db).await?;
    Ok(db)
}

/// The key that seals secrets: from the settings, or from its file, which is made once.
///
/// # Errors
/// When it is malformed, all zero, or readable by others.
pub fn master_key(place: &Place) -> Result<MasterKey, StartError> {
    match &place.encryption_key {
        Some(text) => Ok(text.parse()?),
        None => Ok(MasterKey::load_or_create(&place.key_file())?),
    }
}

impl App {
    /// Starts everything. When it returns, requests are answered; the Python interpreter may still be
    /// compiling, and the first calls wait for it.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing keeps running.
    pub async fn start(settings: &Settings, world: World) -> Result<Self, StartError> {
        let Settings { place, serving, packaging, limits, program } = settings;
        let telemetry = Telemetry::install();
        open_data_dir(&place.data_dir)?;
        let address = SocketAddr::new(serving.host, serving.port);
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let lifecycle = Lifecycle::default();
        let Made { service, db, sandbox } =
            make(place, &serving.folder_roots, Some(packaging), limits, program.clone(), world, &lifecycle).await?;
        let setup_code = service.setup_code_open().await?;
        let doors = Arc::new(doors(settings, &service, telemetry, &lifecycle));
        jobs::start(&service, &lifecycle.tasks, &lifecycle.stopping);
        service.activity_add(NewActivity::system(concat!("MCPbox ", env!("CARGO_PKG_VERSION"), " starts"))).await;
        let stopping = lifecycle.stopping.clone();
        let answer = move |peer, request| doors.answer(peer, request);
        let server = lifecycle.servers.spawn(connections::serve(listener, answer, Pace::from(limits), stopping));
        Ok(Self { address, service, db, sandbox, lifecycle, server, setup_code, stopping: Stopping::from(limits) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The code with which the first administrator is made, while there is none.
    pub fn setup_code(&self) -> Option<&SetupCode> {
        self.setup_code.as_ref()
    }

    /// What is being compiled, as it changes.
    pub fn compilations(&self) -> tokio::sync::watch::Receiver<Vec<crate::sandbox::Compilation>> {
        self.sandbox.compilations()
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The open database.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Opens the interpreters, compiling them when this machine has not done so before.
    ///
    /// # Errors
    /// When it cannot be compiled here.
    pub async fn prepare(&self) -> Result<(), SandboxError> {
        for language in Language::ALL {
            self.sandbox.prepare(language).await?;
        }
        Ok(())
    }

    /// Makes the next part of stopping hard: running calls are ended now.
    pub fn end_calls(&self) -> CancellationToken {
        self.lifecycle.ending.clone()
    }

    /// Stops: see [`lifecycle`]. Everything that was answered is in the database when this returns without an error.
    ///
    /// # Errors
    /// When the database does not take what is left in time, or does not close.
    pub async fn stop(self) -> Result<(), StopError> {
        let Self { service, db, lifecycle, mut server, stopping, .. } = self;
        lifecycle.drain(stopping.grace).await;
        let last = async {
            lifecycle.settle().await;
            if tokio::time::timeout(CLOSING, &mut server).await.is_err() {
                server.abort();
            }
            service.activity_add(NewActivity::system("MCPbox stops")).await;
        };
        write_out(&service, &db, stopping.writing, last).await
    }
}

/// Does what is `last`, writes the logs out and closes the database, all within `bound`.
async fn write_out(
    service: &Service,
    db: &Database,
    bound: Duration,
    last: impl Future<Output = ()>,
) -> Result<(), StopError> {
    let written = async {
        last.await;
        service.finish().await;
        db.close().await
    };
    match tokio::time::timeout(bound, written).await {
        Ok(closed) => Ok(closed?),
        Err(_) => Err(StopError::Unwritten { seconds: bound.as_secs(), rows: service.rows_on_the_way() }),
    }
}

/// The parts of a host that listen to nobody yet.
struct Made {
    service: Service,
    db: Database,
    sandbox: Sandbox,
}

async fn make(
    place: &Place,
    folder_roots: &[String],
    packaging: Option<&Packaging>,
    limits: &Limits,
    program: PathBuf,
    world: World,
    lifecycle: &Lifecycle,
) -> Result<Made, StartError> {
    let key = master_key(place)?;
    let db = open_database(place, limits).await?;
    let egress = Egress::new(EgressSettings::from(limits), world.network);
    let settings = SandboxSettings { limits: limits.clone(), cache_dir: place.cache()?, program };
    let upstream = Upstream::new(egress.clone(), limits, world.clock.clone(), lifecycle.calls.clone());
    let sandbox = Sandbox::start(settings, egress.clone())?;
    let packages = packages(packaging, place.cache()?);
    let service = Service::new(Parts {
        db: db.clone(),
        vault: Vault::new(&key, &[]),
        executor: Executor::new(sandbox.clone(), limits),
        packages: Packages::new(packages, limits.clone(), egress, world.clock.clone()),
        upstream,
        clock: world.clock,
        limits: limits.clone(),
        calls: lifecycle.calls.clone(),
        stopping: lifecycle.stopping.clone(),
        ending: lifecycle.ending.clone(),
        setup_code_file: place.setup_code_file(),
        folder_roots: folder_roots.iter().filter(|root| !root.is_empty()).map(PathBuf::from).collect(),
    });
    Ok(Made { service, db, sandbox })
}

/// Where packages come from; without settings, for work that is not serving, nowhere.
fn packages(packaging: Option<&Packaging>, cache_dir: PathBuf) -> PackagesSettings {
    let from = |read: fn(&Packaging) -> &String| packaging.map(read).cloned().unwrap_or_default();
    PackagesSettings {
        uv: packaging.and_then(|packaging| packaging.uv.clone()).filter(|uv| !uv.as_os_str().is_empty()),
        search_path: packaging.and_then(|_| config::search_path()),
        index: from(|packaging| &packaging.package_index),
        pypi: from(|packaging| &packaging.pypi_url),
        osv: from(|packaging| &packaging.osv_url),
        deps_dev: from(|packaging| &packaging.deps_dev_url),
        cache_dir,
    }
}

/// Does work on an installation without serving it; a host may serve it at the same time.
///
/// # Errors
/// When there is no installation or it cannot be opened, and what the work itself fails on.
pub async fn offline<T, E: From<StartError>>(
    place: &Place,
    limits: &Limits,
    program: PathBuf,
    work: impl AsyncFnOnce(&Service) -> Result<T, E>,
) -> Result<T, E> {
    open_installation(place)?;
    let made = make(place, &[], None, limits, program, World::real(), &Lifecycle::default()).await?;
    let result = work(&made.service).await;
    made.service.finish().await;
    made.db.close().await.map_err(StartError::from)?;
    result
}

/// What is asked most: MCP for everything.
#[derive(Clone)]
struct Everything(McpState);

impl Straight for Everything {
    const PATH: &'static str = mcp::ADDRESS;

    async fn answer(self, peer: SocketAddr, id: RequestId, request: Request) -> Response {
        self.0.post(peer, id, request).await
    }
}

/// The doors behind the local listener, and their background work.
fn doors(settings: &Settings, service: &Service, telemetry: Telemetry, lifecycle: &Lifecycle) -> Doors<Everything> {
    let Settings { serving, .. } = settings;
    let local = serving.host.is_loopback();
    let listed = |texts: &[String]| -> Vec<String> {
        texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    };
    let (names, origins) = (listed(&serving.allowed_hosts), listed(&serving.mcp_origins));
    let mcp = McpState::new(
        service.clone(),
        McpAuth::new(service.clone()),
        McpSettings { local, allowed_origins: origins, allowed_hosts: names.clone(), legacy_sse: serving.legacy_sse },
        lifecycle.calls.clone(),
        lifecycle.stopping.clone(),
    );
    lifecycle.tasks.spawn(mcp.clone().sweep_sessions());
    lifecycle.tasks.spawn(keep_up(telemetry.clone(), lifecycle.stopping.clone()));
    let settings = ApiSettings {
        local,
        allowed_hosts: names,
        metrics: serving.metrics,
        trusted_proxies: serving.trusted_proxies.clone(),
        secure_cookies: serving.secure_cookies,
    };
    let api = ApiState::new(service.clone(), telemetry, settings, lifecycle.tasks.clone());
    Doors::new(api, mcp::router(mcp.clone()), Everything(mcp))
}

/// Folds the samples of histograms together, which otherwise pile up until somebody reads them.
async fn keep_up(telemetry: Telemetry, stopping: CancellationToken) {
    const PAUSE: Duration = Duration::from_secs(5);
    while tokio::time::timeout(PAUSE, stopping.cancelled()).await.is_err() {
        telemetry.upkeep();
    }
}
