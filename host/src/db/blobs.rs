//! Blobs: sources and components, once each, by the digest of their bytes.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait as _};

use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx, Whole};
use crate::domain::digest::Digest;

#[expect(unreachable_pub, reason = "sea_orm derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Digest, Utc, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "blobs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Digest,
        pub bytes: Vec<u8>,
        pub size_bytes: Whole,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Keeps the bytes unless they are there already, and gives their digest.
pub async fn put(tx: &Tx, bytes: Vec<u8>, at: DateTime<Utc>) -> Result<Digest, DbError> {
    let digest = Digest::of(&bytes);
    let row = entity::ActiveModel {
        digest: Set(digest),
        size_bytes: Set(Whole(bytes.len() as u64)),
        bytes: Set(bytes),
        created_at: Set(at),
    };
    let absent = OnConflict::column(Column::Digest).do_nothing().to_owned();
    Entity::insert(row).on_conflict(absent).exec_without_returning(tx.inner()).await.doing("keep a blob")?;
    Ok(digest)
}

/// The bytes as they were kept. Whoever runs them compares their digest.
pub async fn get(db: &impl Conn, digest: Digest) -> Result<Option<Vec<u8>>, DbError> {
    Ok(Entity::find_by_id(digest).one(&db.on()).await.doing("read a blob")?.map(|row| row.bytes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    #[tokio::test]
    async fn equal_bytes_are_kept_once_and_come_back_as_they_were() -> Result<(), DbError> {
        let db = fresh().await;
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let tx = db.begin().await?;
        let digest = put(&tx, bytes.clone(), at(0)).await?;
        assert_eq!(put(&tx, bytes.clone(), at(1)).await?, digest);
        assert_ne!(put(&tx, Vec::new(), at(1)).await?, digest);
        tx.commit().await?;
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(get(&*db, digest).await?, Some(bytes));
        assert_eq!(get(&*db, Digest::of(b"")).await?, Some(Vec::new()));
        assert_eq!(get(&*db, Digest::of(b"absent")).await?, None);
        let row = Entity::find_by_id(digest).one(&db.on()).await.doing("read")?.expect("the row");
        assert_eq!((row.size_bytes, row.created_at), (Whole(100_000), at(0)));
        Ok(())
    }

    use super::super::connection::on::On as _;
}
