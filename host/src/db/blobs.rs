//! Blobs: sources, components and the set of packages, once each, by the digest of their bytes.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx, Whole, package_sets, versions};
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

/// Keeps the bytes unless they are there already, and gives their digest. What is there is not sent
/// again, and stays until this transaction ends.
pub async fn put(tx: &Tx, bytes: Vec<u8>, at: DateTime<Utc>) -> Result<Digest, DbError> {
    let digest = Digest::of(&bytes);
    if !is_kept(tx, digest).await? {
        insert(tx, digest, bytes, at).await?;
    }
    Ok(digest)
}

/// As [`put`], for bytes whose digest is known; they are copied only when they are new.
pub async fn put_known(tx: &Tx, digest: Digest, bytes: &[u8], at: DateTime<Utc>) -> Result<(), DbError> {
    if is_kept(tx, digest).await? { Ok(()) } else { insert(tx, digest, bytes.to_vec(), at).await }
}

/// Whether a blob is there; if so, it stays until this transaction ends.
async fn is_kept(tx: &Tx, digest: Digest) -> Result<bool, DbError> {
    let kept = Entity::find_by_id(digest).select_only().column(Column::Digest).lock_shared().into_tuple::<Digest>();
    Ok(kept.one(tx.inner()).await.doing("look for a blob")?.is_some())
}

async fn insert(tx: &Tx, digest: Digest, bytes: Vec<u8>, at: DateTime<Utc>) -> Result<(), DbError> {
    let row = entity::ActiveModel {
        digest: Set(digest),
        size_bytes: Set(Whole(bytes.len() as u64)),
        bytes: Set(bytes),
        created_at: Set(at),
    };
    let absent = OnConflict::column(Column::Digest).do_nothing().to_owned();
    Entity::insert(row).on_conflict(absent).exec_without_returning(tx.inner()).await.doing("keep a blob")?;
    Ok(())
}

/// The bytes as they were kept. Whoever runs them compares their digest.
pub async fn get(db: &impl Conn, digest: Digest) -> Result<Option<Vec<u8>>, DbError> {
    Ok(Entity::find_by_id(digest).one(&db.on()).await.doing("read a blob")?.map(|row| row.bytes))
}

/// How many bytes a blob has.
pub async fn size_bytes(db: &impl Conn, digest: Digest) -> Result<Option<u64>, DbError> {
    let query = Entity::find_by_id(digest).select_only().column(Column::SizeBytes).into_tuple::<Whole>();
    Ok(query.one(&db.on()).await.doing("look for a blob")?.map(|size| size.0))
}

/// How many blobs are looked at in one statement.
const AT_ONCE: usize = 500;

/// Removes those of these blobs that no version and no set of packages names. How many.
pub async fn remove_unnamed(tx: &Tx, digests: &[Digest]) -> Result<u64, DbError> {
    let doing = "remove blobs that nothing names";
    let mut removed = 0;
    for some in digests.chunks(AT_ONCE) {
        // First waits for those who are about to name one of them (see `put`), then looks again.
        let query = Entity::find().select_only().column(Column::Digest);
        let query = query.filter(Column::Digest.is_in(some.iter().copied())).order_by_asc(Column::Digest);
        query.lock_exclusive().into_tuple::<Digest>().all(tx.inner()).await.doing(doing)?;
        let named = Query::select()
            .column(versions::entity::Column::SourceDigest)
            .from(versions::entity::Entity)
            .and_where(versions::entity::Column::SourceDigest.is_in(some.iter().copied()))
            .to_owned();
        let of_sets =
            Query::select().column(package_sets::entity::Column::Digest).from(package_sets::entity::Entity).to_owned();
        let delete = Entity::delete_many()
            .filter(Column::Digest.is_in(some.iter().copied()))
            .filter(Column::Digest.not_in_subquery(named))
            .filter(Column::Digest.not_in_subquery(of_sets));
        removed += delete.exec(tx.inner()).await.doing(doing)?.rows_affected;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh, furnish};
    use super::super::tools;
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

    #[tokio::test]
    async fn a_blob_goes_with_the_last_version_that_names_it() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let (_, first, version) = furnish(&tx, "weather", "forecast").await;
        let (_, second, _) = furnish(&tx, "weather", "history").await;
        let named = version.source_digest;
        assert_eq!(versions::source_digests(&tx, &[first.id, second.id]).await?, [named]);
        assert_eq!(remove_unnamed(&tx, &[named]).await?, 0);
        tools::delete(&tx, first.id).await?;
        assert_eq!(remove_unnamed(&tx, &[named]).await?, 0);
        tools::delete(&tx, second.id).await?;
        assert_eq!(remove_unnamed(&tx, &[named, Digest::of(b"absent")]).await?, 1);
        assert_eq!(get(&tx, named).await?, None);
        tx.commit().await
    }

    /// The largest component that the limits take by default.
    #[tokio::test]
    async fn sixty_four_mebibytes_come_back_as_they_were() -> Result<(), DbError> {
        let db = fresh().await;
        let bytes = vec![0x5a; 64 << 20];
        let tx = db.begin().await?;
        let digest = put(&tx, bytes, at(0)).await?;
        tx.commit().await?;
        let found = get(&*db, digest).await?.expect("the blob");
        assert!(found.len() == 64 << 20 && Digest::of(&found) == digest);
        Ok(())
    }

    use super::super::connection::on::On as _;
}
