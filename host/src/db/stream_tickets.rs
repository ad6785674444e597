//! Tickets with which a session of an administrator opens one live stream: each opens one, within seconds.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

pub use entity::Model as StreamTicket;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{DbError, Tx};
use crate::domain::ids::SessionId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, SessionId, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stream_tickets")]
    pub struct Model {
        /// SHA-256 of the ticket, in hexadecimal digits.
        #[sea_orm(primary_key, auto_increment = false)]
        pub ticket_hash: String,
        pub session_id: SessionId,
        pub expires_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tickets that are deleted in one statement; more than ever are too many.
const AT_ONCE: u64 = 100;

pub async fn insert(tx: &Tx, ticket: StreamTicket) -> Result<(), DbError> {
    let done = Entity::insert(entity::ActiveModel::from(ticket)).exec_without_returning(tx.inner()).await;
    done.map(drop).writing("insert a ticket", "a ticket of this digest", "session")
}

/// Deletes the tickets of a session but for so many that were made last.
pub async fn keep_newest(tx: &Tx, session_id: SessionId, keep: u64) -> Result<(), DbError> {
    let doing = "make room for a ticket";
    let of_session = Entity::find().filter(Column::SessionId.eq(session_id));
    let newest_first = of_session.order_by_desc(Column::ExpiresAt).order_by_desc(Column::TicketHash);
    let old = newest_first.select_only().column(Column::TicketHash).offset(keep).limit(AT_ONCE);
    let old: Vec<String> = old.into_tuple().all(tx.inner()).await.doing(doing)?;
    if !old.is_empty() {
        Entity::delete_many().filter(Column::TicketHash.is_in(old)).exec(tx.inner()).await.doing(doing)?;
    }
    Ok(())
}

/// The session that a ticket is of; the ticket is gone then. Of two who show it at the same time one gets
/// it.
pub async fn take(tx: &Tx, ticket_hash: &str, now: DateTime<Utc>) -> Result<Option<SessionId>, DbError> {
    let doing = "use a ticket";
    let found = Entity::find_by_id(ticket_hash).one(tx.inner()).await.doing(doing)?;
    let Some(ticket) = found else { return Ok(None) };
    let gone = Entity::delete_by_id(ticket_hash).exec(tx.inner()).await.doing(doing)?.rows_affected == 1;
    Ok((gone && now < ticket.expires_at).then_some(ticket.session_id))
}

/// Deletes the tickets that have expired.
pub async fn delete_expired(tx: &Tx, now: DateTime<Utc>) -> Result<u64, DbError> {
    let done = Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(tx.inner()).await;
    Ok(done.doing("delete expired tickets")?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    #[tokio::test]
    async fn a_ticket_is_for_a_session_that_is_there() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let ticket = StreamTicket { ticket_hash: "t".to_owned(), session_id: SessionId::new(), expires_at: at(30) };
        assert!(matches!(insert(&tx, ticket).await, Err(DbError::OwnerGone { .. })));
        drop(tx);
        let tx = db.begin().await?;
        assert_eq!(take(&tx, "t", at(0)).await?, None);
        assert_eq!(delete_expired(&tx, at(99)).await?, 0);
        Ok(())
    }
}
