//! What can be called on each server, every name once: the database itself sees to it that no two
//! tools share one, and a call finds its tool by it.
//!
//! A tool holds the names of its live version and those of its newest, so that what waits for approval
//! cannot lose its name to another.

use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};
use crate::domain::ids::{ServerId, ToolId};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{ServerId, ToolId};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tool_names")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub server_id: ServerId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub tool_id: ToolId,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::super::tools::entity::Entity",
            from = "Column::ToolId",
            to = "super::super::tools::entity::Column::Id"
        )]
        Tool,
    }

    impl Related<super::super::tools::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Tool.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Makes these the names that a tool holds, each once; what it held else is free.
///
/// # Errors
/// [`DbError::Conflict`] when another tool of the server holds one of them.
pub async fn hold(tx: &Tx, server_id: ServerId, tool_id: ToolId, names: &[String]) -> Result<(), DbError> {
    let old = Entity::delete_many().filter(Column::ToolId.eq(tool_id));
    old.exec(tx.inner()).await.doing("free the names of a tool")?;
    if names.is_empty() {
        return Ok(());
    }
    let rows = names.iter().map(|name| entity::ActiveModel {
        server_id: Set(server_id),
        name: Set(name.clone()),
        tool_id: Set(tool_id),
    });
    let done = Entity::insert_many(rows).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("hold the names of a tool", "a tool with this name", "server or tool")
}

/// The first of these names, in their order, that another tool of the server holds, and whose it is.
pub async fn held_by_others(
    db: &impl Conn,
    server_id: ServerId,
    tool_id: Option<ToolId>,
    names: &[String],
) -> Result<Option<(String, ToolId)>, DbError> {
    let mut query = Entity::find()
        .filter(Column::ServerId.eq(server_id))
        .filter(Column::Name.is_in(names.iter().map(String::as_str)))
        .order_by_asc(Column::Name);
    if let Some(own) = tool_id {
        query = query.filter(Column::ToolId.ne(own));
    }
    Ok(query.one(&db.on()).await.doing("look for the holder of a name")?.map(|row| (row.name, row.tool_id)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, furnish};
    use super::super::tools;
    use super::*;

    #[tokio::test]
    async fn a_name_has_one_holder_on_a_server() -> Result<(), DbError> {
        let db = fresh().await;
        let names = |list: &[&str]| -> Vec<String> { list.iter().map(|name| (*name).to_owned()).collect() };
        let tx = db.begin().await?;
        let (server, first, _) = furnish(&tx, "data", "parse").await;
        let (_, second, _) = furnish(&tx, "data", "csv").await;
        let (other, namesake, _) = furnish(&tx, "more", "parse").await;
        hold(&tx, server.id, first.id, &names(&["parse", "print", "Sum-up"])).await?;
        tx.commit().await?;
        let found = held_by_others(&*db, server.id, Some(second.id), &names(&["x", "print", "parse"])).await?;
        assert_eq!(found, Some(("parse".to_owned(), first.id)));
        assert_eq!(held_by_others(&*db, server.id, Some(first.id), &names(&["parse"])).await?, None);
        assert_eq!(
            held_by_others(&*db, other.id, None, &names(&["parse"])).await?.map(|held| held.1),
            Some(namesake.id)
        );
        let tx = db.begin().await?;
        let taken = hold(&tx, server.id, second.id, &names(&["csv", "print"])).await;
        assert!(matches!(taken, Err(DbError::Conflict { .. })));
        drop(tx);
        // Names that are no longer held, and those of a tool that is gone, are free.
        let tx = db.begin().await?;
        hold(&tx, server.id, first.id, &names(&["parse"])).await?;
        hold(&tx, server.id, second.id, &names(&["csv", "print"])).await?;
        tools::delete(&tx, second.id).await?;
        hold(&tx, server.id, first.id, &names(&["print", "csv"])).await?;
        tx.commit().await?;
        for (name, holder) in [("csv", Some(first.id)), ("print", Some(first.id)), ("parse", None)] {
            let found = tools::callable(&*db, "data", name).await?;
            assert_eq!(found.map(|found| found.tool.id), holder, "{name}");
        }
        Ok(())
    }
}
