//! Folders of this machine that a person gave to a tool.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as ToolFolder;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx, Whole};
use crate::domain::grant::FolderAccess;
use crate::domain::ids::ToolId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, FolderAccess, ToolId, Utc, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tool_folders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tool_id: ToolId,
        /// Under which the tool sees it.
        #[sea_orm(primary_key, auto_increment = false)]
        pub guest_path: String,
        /// Absolute, without links.
        pub host_path: String,
        pub access: FolderAccess,
        /// How large it may become by what the tool writes; none: as the file system has room.
        pub max_bytes: Option<Whole>,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the tool has a folder of this guest path.
pub async fn insert(tx: &Tx, folder: ToolFolder) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(folder)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("give a folder to a tool", "a folder with this guest path", "tool")
}

/// The folders of a tool by guest path; a person gives few.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId) -> Result<Vec<ToolFolder>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_asc(Column::GuestPath);
    query.all(&db.on()).await.doing("read the folders of a tool")
}

/// Whether the tool had that folder.
pub async fn delete(tx: &Tx, tool_id: ToolId, guest_path: &str) -> Result<bool, DbError> {
    let query = Entity::delete_many().filter(Column::ToolId.eq(tool_id)).filter(Column::GuestPath.eq(guest_path));
    Ok(query.exec(tx.inner()).await.doing("take a folder from a tool")?.rows_affected == 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh, furnish};
    use super::super::tools;
    use super::*;

    #[tokio::test]
    async fn a_tool_sees_one_folder_under_each_path_and_they_go_with_it() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, tool, _) = furnish(&tx, "data", "csv").await;
        let folder = |guest: &str, access| ToolFolder {
            tool_id: tool.id,
            guest_path: guest.to_owned(),
            host_path: "/srv/tables".to_owned(),
            access,
            max_bytes: (access == FolderAccess::ReadWrite).then_some(Whole(5)),
            created_by: "admin:ada".to_owned(),
            created_at: at(1),
        };
        let (read, write) = (folder("/in", FolderAccess::ReadOnly), folder("/out", FolderAccess::ReadWrite));
        insert(&tx, write.clone()).await?;
        insert(&tx, read.clone()).await?;
        tx.commit().await?;
        assert_eq!(of_tool(&*db, tool.id).await?, [read.clone(), write.clone()]);
        let tx = db.begin().await?;
        assert!(matches!(insert(&tx, read.clone()).await, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        assert!(delete(&tx, tool.id, "/in").await? && !delete(&tx, tool.id, "/in").await?);
        tx.commit().await?;
        assert_eq!(of_tool(&*db, tool.id).await?, [write]);
        let tx = db.begin().await?;
        tools::delete(&tx, tool.id).await?;
        assert_eq!(of_tool(&tx, tool.id).await?, []);
        Ok(())
    }
}
