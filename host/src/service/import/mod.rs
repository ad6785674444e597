//! A file of another installation becomes servers and tools of this one: all of it, or nothing. For people.
//!
//! Nothing is approved by being imported. Tools come as drafts or wait for review, requests for hosts and
//! modules wait for a decision, secrets come without values, and hosts that were open to a whole server are
//! asked for, external sources are asked nothing. Schemas and what a component offers are derived anew; nothing that the file says of them counts.
//!
//! A file is read only if its signature holds. One that was signed elsewhere, or by nobody (those of the first
//! MCPbox), is taken only when the person names its fingerprint.

mod check;
mod plan;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use self::plan::Plan;
use super::error::Problem;
use super::permission::people_only;
use super::{Error, Service, export};
use crate::crypto::signature::Signed;
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::export::{self as file, Export};
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::policy::PolicyChange;
use crate::domain::tool::{ApprovalStatus, ToolKind};

/// How a file is to be read.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub struct ImportWish {
    /// Only say what would happen.
    pub dry_run: bool,
    #[param(inline)]
    pub clashes: Clashes,
    #[param(inline)]
    pub broken: Broken,
    /// Whether the policies of the file are taken over, too.
    pub settings: bool,
    /// The fingerprint of a key that this person trusts, or of an unsigned file.
    #[param(value_type = Option<Digest>)]
    pub trust: Option<String>,
}

/// What becomes of a server whose name is taken here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportClashes)]
pub enum Clashes {
    /// Nothing is imported.
    #[default]
    Refuse,
    /// It gets a number behind its name.
    Rename,
    /// It is left out.
    Skip,
}

/// What becomes of a part that cannot be: a source that does not compile, a host that is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportBroken)]
pub enum Broken {
    /// Nothing is imported.
    #[default]
    Refuse,
    /// It is left out, and said.
    Skip,
}

/// Who vouches for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportOrigin)]
pub enum Origin {
    /// This installation signed it.
    Own,
    /// An installation whose key was not named as trusted.
    Unknown,
    /// An installation whose key the person named.
    Trusted,
    /// Nobody: a file of the first MCPbox.
    Unsigned,
}

/// What was done, or would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportReport {
    pub dry_run: bool,
    pub origin: Origin,
    /// Of the key that signed it, or of the file itself when nobody did.
    pub fingerprint: Digest,
    pub servers: Vec<ImportedServer>,
    /// The policies that changed, or would be taken over.
    pub settings: Vec<String>,
    /// What has no place here, in words.
    pub left_out: Vec<String>,
    /// Why it would be refused; empty when it is not.
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedServer {
    /// None: nothing was written.
    pub id: Option<ServerId>,
    pub name: String,
    /// As the file has it.
    pub original_name: String,
    /// Places for secrets, which wait for their values.
    pub secrets: Vec<String>,
    /// External sources, which are asked nothing before a person allows them.
    pub sources: Vec<String>,
    /// Hosts that are asked for the whole server.
    pub hosts: Vec<String>,
    pub tools: Vec<ImportedTool>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedTool {
    /// None: nothing was written.
    pub id: Option<ToolId>,
    pub name: String,
    pub kind: ToolKind,
    pub approval_status: ApprovalStatus,
    pub versions: usize,
}

impl Service {
    /// Reads a file; answers what became of it, or would.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no export, was changed after it was signed, or holds what cannot be, with
    /// every place; [`Error::Forbidden`] when nobody vouches for it; [`Error::TooLarge`]; [`Error::Conflict`]
    /// when somebody else took a name meanwhile. Nothing is kept then.
    pub async fn import_run(&self, caller: &Caller, bytes: &[u8], wish: ImportWish) -> Result<ImportReport, Error> {
        people_only(caller, "import servers")?;
        let max = self.limits().export_bytes;
        if bytes.len() as u64 > max {
            return Err(Error::TooLarge {
                message: format!("the file has more than {max} bytes (MCPBOX_EXPORT_BYTES)"),
            });
        }
        let (file, signature) = export::opened(bytes)?;
        let (origin, fingerprint) = self.origin(&file, signature, wish.trust.as_deref()).await?;
        if !wish.dry_run {
            accepted(origin, fingerprint)?;
        }
        let export = file::read(file).map_err(|error| Error::invalid(error.pointer, error.message))?;
        let max = self.limits().export_items;
        if export.items() as u64 > max {
            return Err(Error::TooLarge {
                message: format!("the file holds more than {max} things (MCPBOX_EXPORT_ITEMS)"),
            });
        }
        let change = wish.settings.then(|| settings(&export)).transpose()?;
        let mut settings: Vec<String> =
            if change.is_some() { export.settings.keys().cloned().collect() } else { Vec::new() };
        let Plan { servers, problems, left_out } = self.import_planned(caller, export, &wish).await?;
        let servers = if wish.dry_run {
            servers.iter().map(|server| server.told(None)).collect()
        } else if problems.is_empty() {
            let (written, changed) = self.import_written(caller, servers, change, origin, fingerprint).await?;
            settings = changed;
            written
        } else {
            return Err(Error::Invalid { problems });
        };
        Ok(ImportReport { dry_run: wish.dry_run, origin, fingerprint, servers, settings, left_out, problems })
    }

    /// Who vouches for a file.
    async fn origin(
        &self,
        file: &Map<String, Value>,
        signature: Option<Value>,
        trust: Option<&str>,
    ) -> Result<(Origin, Digest), Error> {
        let canonical = file::canonical(&Value::Object(file.clone()));
        let signed_here = file.contains_key("format");
        let (origin, fingerprint) = match signature {
            Some(signature) if signed_here => {
                let signed: Signed = serde_json::from_value(signature)
                    .map_err(|error| Error::invalid("/signature", format!("the signature cannot be read: {error}")))?;
                let fingerprint = signed
                    .verify(canonical.as_bytes())
                    .map_err(|error| Error::invalid("/signature", error.to_string()))?;
                let is_own = self.signer_known().await?.is_some_and(|own| own.fingerprint() == fingerprint);
                (if is_own { Origin::Own } else { Origin::Unknown }, fingerprint)
            }
            None if signed_here => return Err(Error::invalid("/signature", "the file lacks its signature")),
            _ => (Origin::Unsigned, Digest::of(canonical.as_bytes())),
        };
        let Some(trust) = trust else { return Ok((origin, fingerprint)) };
        let trusted: Digest = trust.trim().to_ascii_lowercase().parse().map_err(|error| {
            Error::invalid("", format!("trust: give the fingerprint as the other installation shows it: {error}"))
        })?;
        match origin {
            _ if trusted != fingerprint => Err(Error::forbidden(format!(
                "the file has the fingerprint {fingerprint}, not the one that you trust; get it again from where it \
                 was exported"
            ))),
            Origin::Own => Ok((Origin::Own, fingerprint)),
            _ => Ok((Origin::Trusted, fingerprint)),
        }
    }
}

/// Lets a file pass that somebody vouches for.
///
/// # Errors
/// [`Error::Forbidden`], with what to compare and to say.
fn accepted(origin: Origin, fingerprint: Digest) -> Result<(), Error> {
    match origin {
        Origin::Own | Origin::Trusted => Ok(()),
        Origin::Unknown => Err(Error::forbidden(format!(
            "the file was signed by an installation that is not known here; compare its fingerprint {fingerprint} with \
             the one that the other installation shows, and repeat with trust={fingerprint}"
        ))),
        Origin::Unsigned => Err(Error::forbidden(format!(
            "nobody whose signature can be verified here signed the file; if you know where it comes from, repeat with \
             trust={fingerprint}, which stands for exactly this file"
        ))),
    }
}

/// The policies of a file.
fn settings(export: &Export) -> Result<PolicyChange, Error> {
    serde_json::from_value(Value::Object(export.settings.clone()))
        .map_err(|error| Error::invalid("/settings", error.to_string()))
}
