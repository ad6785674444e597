//! Administrators' sessions; of a token only the digest is kept.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

pub use entity::Model as Session;
use entity::{Column, Entity};

use super::admins::{self, Admin};
use super::error::Doing as _;
use super::{Conn, DbError, Tx};
use crate::domain::ids::{AdminId, SessionId};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{AdminId, DateTime, SessionId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "admin_sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SessionId,
        pub admin_id: AdminId,
        /// SHA-256 of the bearer token, in hexadecimal digits.
        pub token_hash: String,
        /// The account's at login.
        pub password_version: i32,
        pub created_at: DateTime<Utc>,
        pub expires_at: DateTime<Utc>,
        pub revoked_at: Option<DateTime<Utc>>,
        pub from_address: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::admins::entity::Entity",
            from = "Column::AdminId",
            to = "super::admins::entity::Column::Id"
        )]
        Admin,
    }

    impl Related<super::admins::entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Admin.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

impl Session {
    /// Whether the session opens anything: not revoked, not expired, of an active account whose
    /// password is still the one of the login.
    pub fn is_valid(&self, admin: &Admin, now: DateTime<Utc>) -> bool {
        self.admin_id == admin.id
            && self.revoked_at.is_none()
            && now < self.expires_at
            && admin.is_active
            && self.password_version == admin.password_version
    }
}

pub async fn insert(tx: &Tx, session: Session) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(session)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a session", "a session with this token", "administrator")
}

/// The session of a token with its account, valid or not: see [`Session::is_valid`].
pub async fn by_token_hash(db: &impl Conn, token_hash: &str) -> Result<Option<(Session, Admin)>, DbError> {
    let query = Entity::find().find_also_related(admins::entity::Entity).filter(Column::TokenHash.eq(token_hash));
    let row = query.one(&db.on()).await.doing("read a session")?;
    Ok(row.and_then(|(session, admin)| Some((session, admin?))))
}

/// Whether the session was open.
pub async fn revoke(tx: &Tx, id: SessionId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(tx.inner())
        .await;
    Ok(done.doing("revoke a session")?.rows_affected == 1)
}

/// Ends all sessions of an account. How many were open.
pub async fn revoke_of_admin(tx: &Tx, admin_id: AdminId, at: DateTime<Utc>) -> Result<u64, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, at.into())
        .filter(Column::AdminId.eq(admin_id))
        .filter(Column::RevokedAt.is_null())
        .exec(tx.inner())
        .await;
    Ok(done.doing("revoke the sessions of an administrator")?.rows_affected)
}

/// Deletes up to `limit` sessions that expired before `before`, and says how many.
pub async fn delete_expired(tx: &Tx, before: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut expired = Query::select();
    expired.column(Column::Id).from(Entity).and_where(Column::ExpiresAt.lt(before)).limit(limit);
    let done = Entity::delete_many().filter(Column::Id.in_subquery(expired)).exec(tx.inner()).await;
    Ok(done.doing("delete expired sessions")?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::super::admins::testing::admin;
    use super::super::testing::{at, fresh};
    use super::*;

    fn session(admin: &Admin, token_hash: &str, expires: i64) -> Session {
        Session {
            id: SessionId::new(),
            admin_id: admin.id,
            token_hash: token_hash.to_owned(),
            password_version: admin.password_version,
            created_at: at(0),
            expires_at: at(expires),
            revoked_at: None,
            from_address: None,
        }
    }

    #[tokio::test]
    async fn a_token_leads_to_its_session_and_account() -> Result<(), DbError> {
        let db = fresh().await;
        let (ada, grace) = (admin("ada"), admin("grace"));
        let row = session(&ada, "t1", 900);
        let tx = db.begin().await?;
        admins::insert(&tx, ada.clone()).await?;
        admins::insert(&tx, grace.clone()).await?;
        insert(&tx, row.clone()).await?;
        insert(&tx, session(&grace, "t2", 900)).await?;
        tx.commit().await?;
        assert_eq!(by_token_hash(&*db, "t1").await?, Some((row.clone(), ada.clone())));
        assert_eq!(by_token_hash(&*db, "T1").await?, None);
        let tx = db.begin().await?;
        assert!(matches!(insert(&tx, session(&ada, "t1", 900)).await, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        let stranger = session(&admin("nobody"), "t3", 900);
        assert!(matches!(insert(&tx, stranger).await, Err(DbError::OwnerGone { .. })));
        Ok(())
    }

    #[test]
    fn a_session_is_void_when_expired_revoked_or_of_another_password() {
        let ada = admin("ada");
        let row = session(&ada, "t", 900);
        assert!(row.is_valid(&ada, at(899)));
        assert!(!row.is_valid(&ada, at(900)));
        assert!(!Session { revoked_at: Some(at(1)), ..row.clone() }.is_valid(&ada, at(2)));
        assert!(!row.is_valid(&Admin { password_version: 2, ..ada.clone() }, at(2)));
        assert!(!row.is_valid(&Admin { is_active: false, ..ada.clone() }, at(2)));
        assert!(!row.is_valid(&admin("grace"), at(2)));
    }

    #[tokio::test]
    async fn a_session_is_revoked_once() -> Result<(), DbError> {
        let db = fresh().await;
        let (ada, grace) = (admin("ada"), admin("grace"));
        let tx = db.begin().await?;
        admins::insert(&tx, ada.clone()).await?;
        admins::insert(&tx, grace.clone()).await?;
        let rows = ["t1", "t2", "t3"].map(|hash| session(&ada, hash, 900));
        for row in rows.clone() {
            insert(&tx, row).await?;
        }
        insert(&tx, session(&grace, "t4", 900)).await?;
        assert!(revoke(&tx, rows[0].id, at(1)).await?);
        assert!(!revoke(&tx, rows[0].id, at(2)).await?);
        assert_eq!(revoke_of_admin(&tx, ada.id, at(3)).await?, 2);
        let mut revoked = Vec::new();
        for hash in ["t1", "t2", "t3", "t4"] {
            revoked.push(by_token_hash(&tx, hash).await?.expect("the session").0.revoked_at);
        }
        assert_eq!(revoked, [Some(at(1)), Some(at(3)), Some(at(3)), None]);
        Ok(())
    }

    #[tokio::test]
    async fn expired_sessions_are_deleted_in_batches() -> Result<(), DbError> {
        let db = fresh().await;
        let ada = admin("ada");
        let tx = db.begin().await?;
        admins::insert(&tx, ada.clone()).await?;
        for expires in 1..=5 {
            insert(&tx, session(&ada, &expires.to_string(), expires)).await?;
        }
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(delete_expired(&tx, at(4), 2).await?);
        }
        assert_eq!(counts, [2, 1, 0]);
        assert!(by_token_hash(&tx, "3").await?.is_none());
        assert!(by_token_hash(&tx, "4").await?.is_some());
        Ok(())
    }
}
