//! Which servers a caller of MCP is shown and may call, and whether it manages tools. Who has no row is shown
//! everything. A server that is gone stays in the lists that name it, and means nothing there.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait as _, QueryOrder as _};

pub use entity::Model as Profile;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Texts, Tx};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Texts, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "profiles")]
    pub struct Model {
        /// `local`, or the id of an API key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller: String,
        /// Their ids; none: every server.
        pub servers: Option<Texts>,
        /// Whether the management tools are there.
        pub management: bool,
        pub updated_at: DateTime<Utc>,
        pub updated_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn of(db: &impl Conn, caller: &str) -> Result<Option<Profile>, DbError> {
    Entity::find_by_id(caller.to_owned()).one(&db.on()).await.doing("read a profile")
}

/// All that were set, by caller.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<Profile>, DbError> {
    load(Entity::find().order_by_asc(Column::Caller), &db.on(), page, "list the profiles").await
}

/// Sets a profile, in place of what it was.
pub async fn set(tx: &Tx, profile: Profile) -> Result<(), DbError> {
    let replace = OnConflict::column(Column::Caller)
        .update_columns([Column::Servers, Column::Management, Column::UpdatedAt, Column::UpdatedBy])
        .to_owned();
    let row = entity::ActiveModel::from(profile);
    let done = Entity::insert(row).on_conflict(replace).exec_without_returning(tx.inner()).await;
    done.map(drop).doing("set a profile")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    #[tokio::test]
    async fn a_profile_is_set_and_set_again() -> Result<(), DbError> {
        let db = fresh().await;
        let first = Profile {
            caller: "local".into(),
            servers: Some(Texts(vec!["a".into()])),
            management: false,
            updated_at: at(1),
            updated_by: "admin:ada".into(),
        };
        let second = Profile { servers: None, management: true, updated_at: at(2), ..first.clone() };
        for profile in [first, second] {
            let tx = db.begin().await?;
            set(&tx, profile.clone()).await?;
            tx.commit().await?;
            assert_eq!(of(&*db, "local").await?, Some(profile.clone()));
            assert_eq!(list(&*db, &PageRequest::new(1, 10, 10)).await?.items, [profile]);
        }
        assert_eq!(of(&*db, "other").await?, None);
        Ok(())
    }
}
