//! Administrators' sessions; of their tokens only digests are kept.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as Session;
use entity::{Column, Entity};

use super::admins::{self, Admin};
use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::ids::{AdminId, SessionId};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{AdminId, DateTime, SessionId, Utc};

    /// Each hash is SHA-256 of a token, in hexadecimal digits.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "admin_sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SessionId,
        pub admin_id: AdminId,
        pub access_hash: String,
        pub access_expires_at: DateTime<Utc>,
        /// Of what all refresh tokens of this session have in common.
        pub refresh_family_hash: String,
        /// Of the one that was not used yet.
        pub refresh_hash: String,
        /// A browser's session has one.
        pub csrf_hash: Option<String>,
        /// The account's at login.
        pub password_version: i32,
        pub created_at: DateTime<Utc>,
        pub refreshed_at: DateTime<Utc>,
        /// When the refresh token does.
        pub expires_at: DateTime<Utc>,
        pub revoked_at: Option<DateTime<Utc>>,
        pub from_address: Option<String>,
        pub user_agent: Option<String>,
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

/// What a session has after its tokens were exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub access_hash: String,
    pub access_expires_at: DateTime<Utc>,
    pub refresh_hash: String,
    pub refreshed_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// Whether the session goes on: not revoked, not expired, of an active account whose password is
    /// still the one of the login.
    pub fn is_open(&self, admin: &Admin, now: DateTime<Utc>) -> bool {
        self.admin_id == admin.id
            && self.revoked_at.is_none()
            && now < self.expires_at
            && admin.is_active
            && self.password_version == admin.password_version
    }

    /// Whether its access token opens anything.
    pub fn is_valid(&self, admin: &Admin, now: DateTime<Utc>) -> bool {
        self.is_open(admin, now) && now < self.access_expires_at
    }
}

pub async fn insert(tx: &Tx, session: Session) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(session)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a session", "a session with this token", "administrator")
}

/// The session with its account, valid or not: see [`Session::is_valid`].
pub async fn by_id(db: &impl Conn, id: SessionId) -> Result<Option<(Session, Admin)>, DbError> {
    let query = Entity::find_by_id(id).find_also_related(admins::entity::Entity);
    let row = query.one(&db.on()).await.doing("read a session")?;
    Ok(row.and_then(|(session, admin)| Some((session, admin?))))
}

/// The session of an access token with its account, valid or not: see [`Session::is_valid`].
pub async fn by_access_hash(db: &impl Conn, access_hash: &str) -> Result<Option<(Session, Admin)>, DbError> {
    found(db, Column::AccessHash, access_hash).await
}

/// The session that a refresh token is or was of, with its account, open or not: see
/// [`Session::is_open`].
pub async fn by_refresh_family(db: &impl Conn, family_hash: &str) -> Result<Option<(Session, Admin)>, DbError> {
    found(db, Column::RefreshFamilyHash, family_hash).await
}

async fn found(db: &impl Conn, column: Column, hash: &str) -> Result<Option<(Session, Admin)>, DbError> {
    let query = Entity::find().find_also_related(admins::entity::Entity).filter(column.eq(hash));
    let row = query.one(&db.on()).await.doing("read a session")?;
    Ok(row.and_then(|(session, admin)| Some((session, admin?))))
}

/// The sessions of an account that are neither revoked nor expired, newest first.
pub async fn open_of_admin(
    db: &impl Conn,
    admin_id: AdminId,
    now: DateTime<Utc>,
    page: &PageRequest,
) -> Result<Page<Session>, DbError> {
    let query = Entity::find()
        .filter(Column::AdminId.eq(admin_id))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::Id);
    load(query, &db.on(), page, "list the sessions of an administrator").await
}

/// Exchanges the tokens. Whether the refresh token was still the one with `refresh_hash`, and the
/// session not revoked: of two at the same time one is first.
pub async fn rotate(tx: &Tx, id: SessionId, refresh_hash: &str, to: Rotation) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::AccessHash, to.access_hash.into())
        .col_expr(Column::AccessExpiresAt, to.access_expires_at.into())
        .col_expr(Column::RefreshHash, to.refresh_hash.into())
        .col_expr(Column::RefreshedAt, to.refreshed_at.into())
        .col_expr(Column::ExpiresAt, to.expires_at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::RefreshHash.eq(refresh_hash))
        .filter(Column::RevokedAt.is_null())
        .exec(tx.inner())
        .await;
    Ok(done.doing("exchange the tokens of a session")?.rows_affected == 1)
}

/// Whether the account had this session, and it was open.
pub async fn revoke(tx: &Tx, admin_id: AdminId, id: SessionId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, at.into())
        .filter(Column::Id.eq(id))
        .filter(Column::AdminId.eq(admin_id))
        .filter(Column::ExpiresAt.gt(at))
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
    use super::super::testing::{all, at, fresh};
    use super::*;

    fn session(admin: &Admin, access_hash: &str, expires: i64) -> Session {
        Session {
            id: SessionId::new(),
            admin_id: admin.id,
            access_hash: access_hash.to_owned(),
            access_expires_at: at(expires.min(900)),
            refresh_family_hash: format!("family of {access_hash}"),
            refresh_hash: format!("refresh of {access_hash}"),
            csrf_hash: None,
            password_version: admin.password_version,
            created_at: at(0),
            refreshed_at: at(0),
            expires_at: at(expires),
            revoked_at: None,
            from_address: None,
            user_agent: None,
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
        assert_eq!(by_access_hash(&*db, "t1").await?, Some((row.clone(), ada.clone())));
        assert_eq!(by_access_hash(&*db, "T1").await?, None);
        assert_eq!(by_id(&*db, row.id).await?, Some((row.clone(), ada.clone())));
        assert_eq!(by_refresh_family(&*db, "family of t1").await?, Some((row.clone(), ada.clone())));
        assert_eq!(by_refresh_family(&*db, "refresh of t1").await?, None);
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
        let row = session(&ada, "t", 7_000);
        assert!(row.is_valid(&ada, at(899)));
        assert!(!row.is_valid(&ada, at(900)));
        assert!(row.is_open(&ada, at(6_999)), "it can still be refreshed");
        assert!(!row.is_open(&ada, at(7_000)));
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
        assert!(!revoke(&tx, grace.id, rows[0].id, at(1)).await?, "it is somebody else's");
        assert!(revoke(&tx, ada.id, rows[0].id, at(1)).await?);
        assert!(!revoke(&tx, ada.id, rows[0].id, at(2)).await?);
        assert!(!revoke(&tx, ada.id, rows[1].id, at(900)).await?, "it has expired");
        assert_eq!(revoke_of_admin(&tx, ada.id, at(3)).await?, 2);
        let mut revoked = Vec::new();
        for hash in ["t1", "t2", "t3", "t4"] {
            revoked.push(by_access_hash(&tx, hash).await?.expect("the session").0.revoked_at);
        }
        assert_eq!(revoked, [Some(at(1)), Some(at(3)), Some(at(3)), None]);
        Ok(())
    }

    #[tokio::test]
    async fn the_tokens_of_an_open_session_are_exchanged_once() -> Result<(), DbError> {
        let db = fresh().await;
        let ada = admin("ada");
        let row = session(&ada, "t1", 900);
        let to = |name: &str| Rotation {
            access_hash: name.to_owned(),
            access_expires_at: at(1_000),
            refresh_hash: format!("refresh of {name}"),
            refreshed_at: at(100),
            expires_at: at(2_000),
        };
        let tx = db.begin().await?;
        admins::insert(&tx, ada.clone()).await?;
        insert(&tx, row.clone()).await?;
        assert!(rotate(&tx, row.id, "refresh of t1", to("t2")).await?);
        assert!(!rotate(&tx, row.id, "refresh of t1", to("t3")).await?, "it was used");
        assert!(by_access_hash(&tx, "t1").await?.is_none() && by_access_hash(&tx, "t3").await?.is_none());
        let (found, _) = by_refresh_family(&tx, "family of t1").await?.expect("the session");
        let expected = Session {
            access_hash: "t2".to_owned(),
            access_expires_at: at(1_000),
            refresh_hash: "refresh of t2".to_owned(),
            refreshed_at: at(100),
            expires_at: at(2_000),
            ..row.clone()
        };
        assert_eq!(found, expected);
        assert!(revoke(&tx, ada.id, row.id, at(5)).await?);
        assert!(!rotate(&tx, row.id, "refresh of t2", to("t4")).await?, "it is revoked");
        Ok(())
    }

    #[tokio::test]
    async fn an_account_has_its_own_open_sessions() -> Result<(), DbError> {
        let db = fresh().await;
        let (ada, grace) = (admin("ada"), admin("grace"));
        let tx = db.begin().await?;
        admins::insert(&tx, ada.clone()).await?;
        admins::insert(&tx, grace.clone()).await?;
        let rows = [("t1", 10), ("t2", 900), ("t3", 900), ("t4", 900)].map(|(hash, end)| session(&ada, hash, end));
        for row in rows.clone() {
            insert(&tx, row).await?;
        }
        insert(&tx, session(&grace, "t5", 900)).await?;
        revoke(&tx, ada.id, rows[2].id, at(1)).await?;
        tx.commit().await?;
        let open = open_of_admin(&*db, ada.id, at(10), &all()).await?;
        let hashes: Vec<_> = open.items.into_iter().map(|row| row.access_hash).collect();
        assert_eq!((hashes, open.total), (vec!["t4".to_owned(), "t2".to_owned()], 2));
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
        assert!(by_access_hash(&tx, "3").await?.is_none());
        assert!(by_access_hash(&tx, "4").await?.is_some());
        Ok(())
    }
}
