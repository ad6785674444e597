//! The last good list of each external source: its tools, each with the digest of its definition, and the
//! tool of ours that was imported from it. A call compares that digest with the approved one.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as ExternalTool;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::digest::Digest;
use crate::domain::ids::{SourceId, ToolId};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Digest, SourceId, ToolId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "external_mcp_tools")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub source_id: SourceId,
        /// As the source calls it.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// In the list, from 0.
        pub position: i32,
        /// Whether the source still lists it.
        pub offered: bool,
        /// Of the definition; none when it cannot be imported.
        pub digest: Option<Digest>,
        /// JSON in the spelling that the digest is of; empty when there is none.
        pub definition: String,
        /// Why it cannot be imported.
        pub problem: Option<String>,
        /// What was imported from it.
        pub tool_id: Option<ToolId>,
        pub description: String,
        /// When the definition last became another one.
        pub changed_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The list of a source in its order.
pub async fn of_source(db: &impl Conn, source_id: SourceId, page: &PageRequest) -> Result<Page<ExternalTool>, DbError> {
    let query = Entity::find()
        .filter(Column::SourceId.eq(source_id))
        .filter(Column::Offered.eq(true))
        .order_by_asc(Column::Position);
    load(query, &db.on(), page, "list the tools of an external source").await
}

/// Everything that is known of a source's tools, those that it lists no longer too; as many as a source may
/// offer, and as were imported.
pub async fn all_of_source(db: &impl Conn, source_id: SourceId) -> Result<Vec<ExternalTool>, DbError> {
    let query = Entity::find().filter(Column::SourceId.eq(source_id)).order_by_asc(Column::Name);
    query.all(&db.on()).await.doing("read the tools of an external source")
}

pub async fn by_name(db: &impl Conn, source_id: SourceId, name: &str) -> Result<Option<ExternalTool>, DbError> {
    let found = Entity::find_by_id((source_id, name.to_owned())).one(&db.on()).await;
    found.doing("read a tool of an external source")
}

/// Writes a line of the list, in place of the one of the same name.
pub async fn put(tx: &Tx, row: ExternalTool) -> Result<(), DbError> {
    remove(tx, row.source_id, &row.name).await?;
    let done = Entity::insert(entity::ActiveModel::from(row)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("keep a tool of an external source", "a tool that was imported from it", "external source")
}

/// Notes what was imported from a line; whether it is there.
pub async fn imported(tx: &Tx, source_id: SourceId, name: &str, tool_id: ToolId) -> Result<bool, DbError> {
    let Some(row) = by_name(tx, source_id, name).await? else { return Ok(false) };
    let mut row = entity::ActiveModel::from(row);
    row.tool_id = sea_orm::Set(Some(tool_id));
    let done = row.update(tx.inner()).await;
    done.map(|_| true).writing("note what was imported", "a tool that was imported from it", "tool")
}

pub async fn remove(tx: &Tx, source_id: SourceId, name: &str) -> Result<(), DbError> {
    let done = Entity::delete_by_id((source_id, name.to_owned())).exec(tx.inner()).await;
    done.map(drop).doing("remove a tool of an external source")
}

#[cfg(test)]
mod tests {
    use super::super::external_mcp_sources::{self, testing};
    use super::super::testing::{all, at, fresh, furnish};
    use super::super::tools;
    use super::*;

    fn line(source_id: SourceId, name: &str, position: i32) -> ExternalTool {
        ExternalTool {
            source_id,
            name: name.to_owned(),
            position,
            offered: true,
            digest: Some(Digest::of(name.as_bytes())),
            definition: "{}".to_owned(),
            problem: None,
            tool_id: None,
            description: "Tells the weather".to_owned(),
            changed_at: at(0),
        }
    }

    #[tokio::test]
    async fn a_line_remembers_what_was_imported_until_that_is_deleted() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (server, tool, _) = furnish(&tx, "weather", "forecast").await;
        let source = testing::source(server.id, "github");
        external_mcp_sources::insert(&tx, source.clone()).await?;
        for (position, name) in ["b", "a", "c"].into_iter().enumerate() {
            put(&tx, line(source.id, name, i32::try_from(position).expect("small"))).await?;
        }
        assert!(imported(&tx, source.id, "a", tool.id).await?);
        assert!(!imported(&tx, source.id, "z", tool.id).await?);
        put(&tx, ExternalTool { offered: false, ..line(source.id, "c", 2) }).await?;
        tx.commit().await?;
        let names = |rows: &[ExternalTool]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&of_source(&*db, source.id, &all()).await?.items), ["b", "a"]);
        assert_eq!(names(&all_of_source(&*db, source.id).await?), ["a", "b", "c"]);
        assert_eq!(by_name(&*db, source.id, "a").await?.and_then(|row| row.tool_id), Some(tool.id));
        let tx = db.begin().await?;
        assert!(matches!(imported(&tx, source.id, "b", tool.id).await, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        tools::delete(&tx, tool.id).await?;
        tx.commit().await?;
        assert_eq!(by_name(&*db, source.id, "a").await?.and_then(|row| row.tool_id), None);
        Ok(())
    }
}
