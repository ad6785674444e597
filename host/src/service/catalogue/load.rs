//! The catalogue as it is read from the database: what of it is sound and was approved, and nothing else.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Catalogue, Led, ListedServer, ListedTool, Marks, Quarantined};
use crate::db::servers::{self as server_rows, Server};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::Located;
use crate::db::{Database, DbError, Page as Rows, PageRequest as RowPage, marks as mark_rows};
use crate::domain::digest::Digest;
use crate::service::calls::content;
use crate::service::faces::{Faces, Fitted, Known, Reading};
use crate::service::offered::Offered;
use crate::service::{Error, exports, tools};

/// Tools that are looked at in one query.
const MARKS_PER_QUERY: u64 = 5_000;
/// Tools that are read in one query.
const TOOLS_PER_QUERY: u64 = 500;
/// Servers that are read in one query.
const SERVERS_PER_QUERY: u64 = 500;

/// What a catalogue that is read now would be made of.
pub(super) async fn marks(db: &Database) -> Result<Marks, Error> {
    let of = |number, size| RowPage::new(number, size, size);
    let tools = every(|number| async move { mark_rows::live(db, &of(number, MARKS_PER_QUERY)).await }).await?;
    let running = every(|number| async move { server_rows::running(db, &of(number, SERVERS_PER_QUERY)).await }).await?;
    let listed = |server: Server| {
        let name = server.name.parse().map_err(|error| Error::internal("reading the name of a server", error))?;
        Ok(ListedServer { id: server.id, name, description: server.description })
    };
    Ok(Marks { tools, servers: running.into_iter().map(listed).collect::<Result<_, Error>>()? })
}

/// All rows of a list, of which `page` reads one page, from 1.
async fn every<T, R>(page: impl Fn(u64) -> R) -> Result<Vec<T>, DbError>
where
    R: Future<Output = Result<Rows<T>, DbError>>,
{
    let mut all = Vec::new();
    for number in 1.. {
        let rows = page(number).await?;
        let last = rows.items.is_empty() || number >= rows.pages();
        all.extend(rows.items);
        if last {
            break;
        }
    }
    Ok(all)
}

/// Reads it whole.
pub(super) async fn load(db: &Database, faces: &Faces, servers: &[ListedServer]) -> Result<Catalogue, Error> {
    let of = |number| RowPage::new(number, TOOLS_PER_QUERY, TOOLS_PER_QUERY);
    let located = every(|number| async move { tool_rows::live(db, &of(number)).await }).await?;
    let known = faces.known();
    // Where schemas are new, reading them takes a while.
    let composed = tokio::task::spawn_blocking(move || compose(&located, known)).await;
    let (mut catalogue, known) = composed.map_err(|error| Error::internal("composing the catalogue", error))??;
    faces.keep(known);
    catalogue.servers.extend_from_slice(servers);
    Ok(catalogue)
}

/// The catalogue, and the faces of its tools for the next time.
pub(super) fn compose(located: &[Located], known: Known) -> Result<(Catalogue, Known), Error> {
    let mut catalogue = Catalogue::default();
    let mut faces = Reading::of(known);
    let mut offered = Offered::default();
    for Located { server, tool, version } in located {
        let digest = content(version).digest();
        if tool.live_digest != Some(digest) {
            tracing::error!(tool = %tool.id, version = %version.id, "a version is not what was approved; not listing it");
            continue;
        }
        if !version.kind.has_exports() {
            let (input, output) = (&version.input_schema, version.output_schema.as_deref());
            let listed = listed(server, &tool.name, &version.description, input, output)?;
            catalogue.add(listed, tool, digest, &mut faces);
        }
        for export in version.exports.0.iter().filter(|export| exports::is_enabled(tool, &export.name)) {
            let (input, output) = (&export.input_schema, export.output_schema.as_deref());
            let mut listed = listed(server, &export.name, &export.description, input, output)?;
            listed.title.clone_from(&export.title);
            listed.annotations = export.annotations;
            let icons = version.surface.as_ref().and_then(|surface| surface.offer.tool_icons.get(&export.name));
            listed.icons = icons.cloned().unwrap_or_default();
            catalogue.add(listed, tool, digest, &mut faces);
        }
        offered.add(server, tool, version)?;
    }
    catalogue.offered = offered.finish();
    Ok((catalogue, faces.done()))
}

fn listed(
    server: &Server,
    own_name: &str,
    description: &str,
    input: &str,
    output: Option<&str>,
) -> Result<ListedTool, Error> {
    let schema =
        |text: &str| RawValue::from_string(text.to_owned()).map_err(|error| Error::internal("reading a schema", error));
    Ok(ListedTool {
        name: tools::called(server, own_name)?,
        own_name: own_name.to_owned(),
        server: server.id,
        title: None,
        description: description.to_owned(),
        input_schema: schema(input)?,
        output_schema: output.map(schema).transpose()?,
        fitted: Fitted::default(),
        annotations: None,
        icons: Vec::new(),
    })
}

impl Catalogue {
    fn add(&mut self, mut listed: ListedTool, tool: &Tool, digest: Digest, faces: &mut Reading) {
        let (input, output) = (listed.input_schema.get(), listed.output_schema.as_deref().map(RawValue::get));
        let led = Led { server: tool.server_id, tool: tool.id, name: listed.own_name.clone() };
        match faces.of_tool(digest, &listed.own_name, input, output) {
            Ok(fitted) => listed.fitted = fitted,
            Err(reason) => {
                let quarantined = Quarantined { name: listed.name, led, server: tool.server_id, reason };
                tracing::warn!(tool = %tool.id, name = %quarantined.name, reason = %quarantined.reason, "a tool is in quarantine");
                self.quarantined.push(quarantined);
                return;
            }
        }
        let name = &listed.name;
        // Shortened names can meet, if somebody tries: the first one, in the order of names, has it.
        if self.by_name.contains_key(name) {
            tracing::warn!(tool = %tool.id, %name, "another tool has the same name for clients; not listing this one");
            return;
        }
        self.by_name.insert(name.clone(), led);
        self.identity.push((name.clone(), tool.id, digest));
        self.tools.push(Arc::new(listed));
    }
}
