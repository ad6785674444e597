//! External MCP sources: other MCP servers whose tools a server can offer. What lets us in there is sealed;
//! only the vault opens it.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

pub use entity::Model as ExternalSource;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::ids::{ServerId, SourceId};
use crate::domain::source::{SourceAuth, SourceStatus, SourceTransport};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::super::Whole;
    use super::{DateTime, ServerId, SourceAuth, SourceId, SourceStatus, SourceTransport, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "external_mcp_sources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SourceId,
        pub server_id: ServerId,
        pub name: String,
        pub url: String,
        pub transport_type: SourceTransport,
        pub auth_type: SourceAuth,
        /// The secret of the server that lets us in.
        pub auth_secret_name: Option<String>,
        /// The header that it goes into.
        pub auth_header_name: Option<String>,
        /// Whether a person said that the host of the URL is on this machine or in its networks.
        pub private_network: bool,
        pub status: SourceStatus,
        /// What went wrong the last time; none when nothing did.
        pub problem: Option<String>,
        /// None: no person has allowed it yet.
        pub approved_at: Option<DateTime<Utc>>,
        pub approved_by: Option<String>,
        pub oauth_issuer: Option<String>,
        pub oauth_client_id: Option<String>,
        pub oauth_tokens: Option<Vec<u8>>,
        /// A login that was begun.
        pub oauth_flow: Option<Vec<u8>>,
        /// The digest of what it comes back with.
        pub oauth_state: Option<String>,
        pub oauth_begun_at: Option<DateTime<Utc>>,
        /// Tools of the last good list.
        pub tool_count: Whole,
        pub last_discovered_at: Option<DateTime<Utc>>,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
        pub updated_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// # Errors
/// [`DbError::Conflict`] when the server has a source of this name.
pub async fn insert(tx: &Tx, source: ExternalSource) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(source)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert an external source", "an external source with this name", "server")
}

pub async fn by_id(db: &impl Conn, id: SourceId) -> Result<Option<ExternalSource>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read an external source")
}

/// As [`by_id`]; nobody else changes it before `tx` ends.
pub async fn lock(tx: &Tx, id: SourceId) -> Result<Option<ExternalSource>, DbError> {
    Entity::find_by_id(id).lock_exclusive().one(tx.inner()).await.doing("lock an external source")
}

/// The source whose login comes back with this state.
pub async fn by_state(db: &impl Conn, state: &str) -> Result<Option<ExternalSource>, DbError> {
    Entity::find().filter(Column::OauthState.eq(state)).one(&db.on()).await.doing("read an external source")
}

/// The sources of a server by name.
pub async fn of_server(
    db: &impl Conn,
    server_id: ServerId,
    page: &PageRequest,
) -> Result<Page<ExternalSource>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).order_by_asc(Column::Name);
    load(query, &db.on(), page, "list the external sources of a server").await
}

/// The sources that are asked, by id.
pub async fn enabled(db: &impl Conn, page: &PageRequest) -> Result<Page<ExternalSource>, DbError> {
    let query = Entity::find().filter(Column::Status.ne(SourceStatus::Disabled)).order_by_asc(Column::Id);
    load(query, &db.on(), page, "list the external sources").await
}

/// The sources that no person has allowed yet, the oldest first.
pub async fn awaiting(db: &impl Conn, page: &PageRequest) -> Result<Page<ExternalSource>, DbError> {
    let query = Entity::find().filter(Column::ApprovedAt.is_null()).order_by_asc(Column::Id);
    load(query, &db.on(), page, "list the external sources that wait for a person").await
}

/// Writes all of a row that was read in this transaction; whether it is there.
///
/// # Errors
/// [`DbError::Conflict`] when the server has another source of this name.
pub async fn update(tx: &Tx, source: ExternalSource) -> Result<bool, DbError> {
    let row = entity::ActiveModel::from(source).reset_all();
    match row.update(tx.inner()).await {
        Ok(_) => Ok(true),
        Err(sea_orm::DbErr::RecordNotUpdated) => Ok(false),
        failed => {
            failed.map(|_| true).writing("update an external source", "an external source with this name", "server")
        }
    }
}

/// Whether there was such a source.
pub async fn delete(tx: &Tx, id: SourceId) -> Result<bool, DbError> {
    Ok(Entity::delete_by_id(id).exec(tx.inner()).await.doing("delete an external source")?.rows_affected == 1)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::Whole;
    use super::super::testing::at;
    use super::{ExternalSource, ServerId, SourceAuth, SourceId, SourceStatus, SourceTransport};

    pub(crate) fn source(server_id: ServerId, name: &str) -> ExternalSource {
        ExternalSource {
            id: SourceId::new(),
            server_id,
            name: name.to_owned(),
            url: "https://mcp.example.com/mcp".to_owned(),
            transport_type: SourceTransport::StreamableHttp,
            auth_type: SourceAuth::None,
            auth_secret_name: None,
            auth_header_name: None,
            private_network: false,
            status: SourceStatus::Active,
            problem: None,
            approved_at: Some(at(0)),
            approved_by: Some("admin:ada".to_owned()),
            oauth_issuer: None,
            oauth_client_id: None,
            oauth_tokens: None,
            oauth_flow: None,
            oauth_state: None,
            oauth_begun_at: None,
            tool_count: Whole(0),
            last_discovered_at: None,
            created_by: "admin:ada".to_owned(),
            created_at: at(0),
            updated_at: at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::servers;
    use super::super::testing::{all, at, fresh, server};
    use super::*;

    #[tokio::test]
    async fn a_source_belongs_to_its_server_and_goes_with_it() -> Result<(), DbError> {
        let db = fresh().await;
        let (one, two) = (server("one"), server("two"));
        let tx = db.begin().await?;
        servers::insert(&tx, one.clone()).await?;
        servers::insert(&tx, two.clone()).await?;
        let (github, other) = (testing::source(one.id, "github"), testing::source(two.id, "github"));
        insert(&tx, github.clone()).await?;
        insert(&tx, other.clone()).await?;
        tx.commit().await?;
        assert_eq!(of_server(&*db, one.id, &all()).await?.items, std::slice::from_ref(&github));
        let tx = db.begin().await?;
        let error = insert(&tx, testing::source(one.id, "github")).await.expect_err("it is there");
        assert_eq!(error.to_string(), "an external source with this name exists already");
        drop(tx);
        let tx = db.begin().await?;
        servers::delete(&tx, one.id).await?;
        tx.commit().await?;
        assert_eq!(by_id(&*db, github.id).await?, None);
        let tx = db.begin().await?;
        assert!(delete(&tx, other.id).await? && !delete(&tx, other.id).await?);
        Ok(())
    }

    #[tokio::test]
    async fn a_login_is_found_by_its_state_and_what_is_switched_off_is_not_asked() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let owner = server("one");
        servers::insert(&tx, owner.clone()).await?;
        let mut source = testing::source(owner.id, "github");
        insert(&tx, source.clone()).await?;
        insert(&tx, testing::source(owner.id, "other")).await?;
        source.oauth_state = Some("digest".to_owned());
        source.oauth_flow = Some(vec![0, 255]);
        source.status = SourceStatus::Disabled;
        (source.approved_at, source.approved_by) = (None, None);
        source.updated_at = at(5);
        assert!(update(&tx, source.clone()).await?);
        assert!(!update(&tx, testing::source(owner.id, "gone")).await?);
        tx.commit().await?;
        assert_eq!(by_state(&*db, "digest").await?, Some(source.clone()));
        assert_eq!(by_state(&*db, "another").await?, None);
        let asked: Vec<String> = enabled(&*db, &all()).await?.items.into_iter().map(|source| source.name).collect();
        assert_eq!(asked, ["other"]);
        assert_eq!(awaiting(&*db, &all()).await?.items, [source.clone()]);
        let tx = db.begin().await?;
        source.name = "other".to_owned();
        assert!(matches!(update(&tx, source).await, Err(DbError::Conflict { .. })));
        Ok(())
    }
}
