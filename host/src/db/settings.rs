//! Settings that people change while the host runs. What a key means and which values it takes is
//! not known here.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait as _, QueryOrder as _};

pub use entity::Model as Setting;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "settings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub value: String,
        pub updated_at: DateTime<Utc>,
        pub updated_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn get(db: &impl Conn, key: &str) -> Result<Option<Setting>, DbError> {
    Entity::find_by_id(key.to_owned()).one(&db.on()).await.doing("read a setting")
}

/// All that were ever set, by key; as many as there are keys.
pub async fn all(db: &impl Conn) -> Result<Vec<Setting>, DbError> {
    Entity::find().order_by_asc(Column::Key).all(&db.on()).await.doing("read the settings")
}

/// Sets a key, in place of what it was.
pub async fn set(tx: &Tx, setting: Setting) -> Result<(), DbError> {
    let replace = OnConflict::column(Column::Key)
        .update_columns([Column::Value, Column::UpdatedAt, Column::UpdatedBy])
        .to_owned();
    let row = entity::ActiveModel::from(setting);
    let done = Entity::insert(row).on_conflict(replace).exec_without_returning(tx.inner()).await;
    done.map(drop).doing("set a setting")
}

/// Forgets what a key was set to.
pub async fn remove(tx: &Tx, key: &str) -> Result<(), DbError> {
    Entity::delete_by_id(key.to_owned()).exec(tx.inner()).await.map(drop).doing("remove a setting")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    fn setting(key: &str, value: &str, seconds: i64) -> Setting {
        Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            updated_at: at(seconds),
            updated_by: format!("admin:{seconds}"),
        }
    }

    #[tokio::test]
    async fn a_setting_is_what_was_set_last() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        set(&tx, setting("four_eyes", "off", 0)).await?;
        set(&tx, setting("draft_tests", "blocked", 0)).await?;
        set(&tx, setting("four_eyes", "on", 1)).await?;
        tx.commit().await?;
        assert_eq!(get(&*db, "four_eyes").await?, Some(setting("four_eyes", "on", 1)));
        assert_eq!(get(&*db, "absent").await?, None);
        assert_eq!(all(&*db).await?, [setting("draft_tests", "blocked", 0), setting("four_eyes", "on", 1)]);
        let tx = db.begin().await?;
        remove(&tx, "four_eyes").await?;
        remove(&tx, "absent").await?;
        tx.commit().await?;
        assert_eq!(all(&*db).await?, [setting("draft_tests", "blocked", 0)]);
        Ok(())
    }
}
