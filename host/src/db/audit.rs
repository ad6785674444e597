//! The audit log: who changed what, when and from where. Rows are only ever added.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as AuditEntry;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx};
use crate::domain::ids::AuditId;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{AuditId, DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AuditId,
        pub at: DateTime<Utc>,
        /// As `Caller` prints itself.
        pub actor: String,
        /// For example `tool.approve`.
        pub action: String,
        pub object_kind: String,
        pub object_id: String,
        /// JSON, without secrets.
        pub before: Option<String>,
        /// JSON, without secrets.
        pub after: Option<String>,
        pub from_address: Option<String>,
        pub request_id: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was done, in short: who did what to which thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object_kind: String,
    pub object_id: String,
}

/// Belongs in the transaction of the change that it tells of; whoever hears of acts hears of this one when
/// that is committed.
pub async fn insert(tx: &Tx, entry: AuditEntry) -> Result<(), DbError> {
    let act = Act {
        at: entry.at,
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        object_kind: entry.object_kind.clone(),
        object_id: entry.object_id.clone(),
    };
    let done = Entity::insert(entity::ActiveModel::from(entry)).exec_without_returning(tx.inner()).await;
    done.writing("write to the audit log", "an audit row", "object")?;
    tx.note(act);
    Ok(())
}

/// What a list is narrowed to; what is none, is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Kind and id of the thing whose history it is.
    pub object: Option<(String, String)>,
    pub actor: Option<String>,
    pub action: Option<String>,
    /// Done then or later.
    pub from: Option<DateTime<Utc>>,
    /// Done before.
    pub to: Option<DateTime<Utc>>,
}

/// What happened, newest first.
pub async fn list(db: &impl Conn, filter: &Filter, page: &PageRequest) -> Result<Page<AuditEntry>, DbError> {
    let Filter { object, actor, action, from, to } = filter;
    let object = object.as_ref().map(|(kind, id)| Column::ObjectKind.eq(kind).and(Column::ObjectId.eq(id)));
    let wanted = Condition::all()
        .add_option(object)
        .add_option(actor.as_ref().map(|actor| Column::Actor.eq(actor)))
        .add_option(action.as_ref().map(|action| Column::Action.eq(action)))
        .add_option(from.map(|from| Column::At.gte(from)))
        .add_option(to.map(|to| Column::At.lt(to)));
    load(Entity::find().filter(wanted).order_by_desc(Column::Id), &db.on(), page, "read the audit log").await
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh};
    use super::*;

    fn entry(object_id: &str) -> AuditEntry {
        AuditEntry {
            id: AuditId::new(),
            at: at(0),
            actor: "admin:ada".to_owned(),
            action: "tool.approve".to_owned(),
            object_kind: "tool".to_owned(),
            object_id: object_id.to_owned(),
            before: None,
            after: Some(r#"{"status":"approved"}"#.to_owned()),
            from_address: Some("127.0.0.1".to_owned()),
            request_id: None,
        }
    }

    #[tokio::test]
    async fn what_happened_is_read_newest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let rows = ["a", "b", "a"].map(entry);
        let tx = db.begin().await?;
        for row in rows.clone() {
            insert(&tx, row).await?;
        }
        let [first, second, third] = rows;
        let again = insert(&tx, first.clone()).await;
        assert!(matches!(again, Err(DbError::Conflict { .. })));
        drop(tx);
        let tx = db.begin().await?;
        for row in [&first, &second, &third] {
            insert(&tx, row.clone()).await?;
        }
        tx.commit().await?;
        let any = Filter::default();
        let object = |kind: &str| Filter { object: Some((kind.to_owned(), "a".to_owned())), ..Filter::default() };
        assert_eq!(list(&*db, &object("tool"), &all()).await?.items, [third.clone(), first.clone()]);
        assert_eq!(list(&*db, &object("server"), &all()).await?.total, 0);
        let text = |text: &str| Some(text.to_owned());
        for (filter, total) in [
            (Filter { actor: text("admin:ada"), action: text("tool.approve"), ..any.clone() }, 3),
            (Filter { actor: text("admin:bob"), ..any.clone() }, 0),
            (Filter { action: text("tool.reject"), ..any.clone() }, 0),
            (Filter { from: Some(at(0)), to: Some(at(1)), ..any.clone() }, 3),
            (Filter { from: Some(at(1)), ..any.clone() }, 0),
            (Filter { to: Some(at(0)), ..any.clone() }, 0),
        ] {
            assert_eq!(list(&*db, &filter, &all()).await?.total, total, "{filter:?}");
        }
        assert_eq!(list(&*db, &any, &PageRequest::new(1, 2, 100)).await?.items, [third, second]);
        assert_eq!(list(&*db, &any, &PageRequest::new(2, 2, 100)).await?.items, [first]);
        Ok(())
    }

    #[tokio::test]
    async fn a_change_that_is_undone_leaves_no_trace_of_itself() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        insert(&tx, entry("a")).await?;
        drop(tx);
        assert_eq!(list(&*db, &Filter::default(), &all()).await?.total, 0);
        Ok(())
    }

    #[tokio::test]
    async fn acts_are_heard_of_when_they_are_committed_and_not_before() -> Result<(), DbError> {
        let db = fresh().await;
        let (tells, heard) = std::sync::mpsc::channel();
        db.heard_by(move |acts| tells.send(acts).expect("the test listens"));
        let tx = db.begin().await?;
        insert(&tx, entry("undone")).await?;
        drop(tx);
        let tx = db.begin().await?;
        insert(&tx, entry("a")).await?;
        insert(&tx, entry("b")).await?;
        assert!(heard.try_recv().is_err());
        tx.commit().await?;
        db.begin().await?.commit().await?;
        let told: Vec<Vec<Act>> = heard.try_iter().collect();
        let told: Vec<Vec<&str>> = told.iter().map(|acts| acts.iter().map(|act| &*act.object_id).collect()).collect();
        assert_eq!(told, [["a", "b"]]);
        Ok(())
    }
}
