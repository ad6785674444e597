//! Administrators' accounts.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

pub use entity::Model as Admin;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};
use crate::domain::ids::AdminId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{AdminId, DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "admin_users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AdminId,
        pub username: String,
        /// A PHC string.
        pub password_hash: String,
        pub is_active: bool,
        /// Grows with each change of the password; sessions of an older one are void.
        pub password_version: i32,
        pub last_login_at: Option<DateTime<Utc>>,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the name is taken.
pub async fn insert(tx: &Tx, admin: Admin) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(admin)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert an administrator", "an administrator with this name", "administrator")
}

pub async fn by_id(db: &impl Conn, id: AdminId) -> Result<Option<Admin>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read an administrator")
}

pub async fn by_username(db: &impl Conn, username: &str) -> Result<Option<Admin>, DbError> {
    let query = Entity::find().filter(Column::Username.eq(username));
    query.one(&db.on()).await.doing("read an administrator")
}

/// How many there are. Whoever makes the first one counts under
/// [`Lock::FirstAdmin`](super::Lock::FirstAdmin).
pub async fn count(db: &impl Conn) -> Result<u64, DbError> {
    Entity::find().count(&db.on()).await.doing("count the administrators")
}

/// Sets the password and voids the sessions of the one before. Whether there was such an account,
/// with the password of that version.
pub async fn set_password(tx: &Tx, id: AdminId, version: i32, password_hash: String) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::PasswordHash, password_hash.into())
        .col_expr(Column::PasswordVersion, Expr::col(Column::PasswordVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::PasswordVersion.eq(version))
        .exec(tx.inner())
        .await;
    Ok(done.doing("set a password")?.rows_affected == 1)
}

/// Whether there was such an account.
pub async fn touch_login(tx: &Tx, id: AdminId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done =
        Entity::update_many().col_expr(Column::LastLoginAt, at.into()).filter(Column::Id.eq(id)).exec(tx.inner()).await;
    Ok(done.doing("note a login")?.rows_affected == 1)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::testing::at;
    use super::{Admin, AdminId};

    pub(crate) fn admin(username: &str) -> Admin {
        Admin {
            id: AdminId::new(),
            username: username.to_owned(),
            password_hash: "first".to_owned(),
            is_active: true,
            password_version: 1,
            last_login_at: None,
            created_at: at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::testing::admin;
    use super::*;

    #[tokio::test]
    async fn an_account_is_found_by_its_name_which_is_given_once() -> Result<(), DbError> {
        let db = fresh().await;
        assert_eq!(count(&*db).await?, 0);
        let row = admin("ada");
        let tx = db.begin().await?;
        insert(&tx, row.clone()).await?;
        tx.commit().await?;
        assert_eq!(count(&*db).await?, 1);
        assert_eq!(by_id(&*db, row.id).await?.as_ref(), Some(&row));
        assert_eq!(by_username(&*db, "ada").await?, Some(row));
        assert_eq!(by_username(&*db, "Ada").await?, None);
        let tx = db.begin().await?;
        let error = insert(&tx, admin("ada")).await.expect_err("the name is taken");
        assert_eq!(error.to_string(), "an administrator with this name exists already");
        Ok(())
    }

    #[tokio::test]
    async fn each_new_password_has_a_new_version() -> Result<(), DbError> {
        let db = fresh().await;
        let row = admin("ada");
        let tx = db.begin().await?;
        insert(&tx, row.clone()).await?;
        insert(&tx, admin("grace")).await?;
        assert!(set_password(&tx, row.id, 1, "second".to_owned()).await?);
        assert!(set_password(&tx, row.id, 2, "third".to_owned()).await?);
        assert!(!set_password(&tx, row.id, 2, "of someone who came second".to_owned()).await?);
        assert!(touch_login(&tx, row.id, at(9)).await?);
        assert!(!set_password(&tx, AdminId::new(), 1, "x".to_owned()).await?);
        assert!(!touch_login(&tx, AdminId::new(), at(9)).await?);
        tx.commit().await?;
        let expected =
            Admin { password_hash: "third".to_owned(), password_version: 3, last_login_at: Some(at(9)), ..row.clone() };
        assert_eq!(by_id(&*db, row.id).await?, Some(expected));
        assert_eq!(by_username(&*db, "grace").await?.map(|row| row.password_version), Some(1));
        Ok(())
    }
}
