//! The set of packages that Python tools import: one row, what it is made of, and the blob with its bytes.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as PackageSetRow;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Distributions, Texts, Tx, Whole, blobs};
use crate::domain::digest::Digest;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Digest, Distributions, Texts, Utc, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "package_sets")]
    pub struct Model {
        /// Of its bytes, which are a blob.
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Digest,
        /// The modules for whose sake it was made.
        pub modules: Texts,
        pub distributions: Distributions,
        pub size_bytes: Whole,
        pub created_by: String,
        pub created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The set that holds now.
pub async fn current(db: &impl Conn) -> Result<Option<PackageSetRow>, DbError> {
    let query = Entity::find().order_by_desc(Column::CreatedAt).order_by_desc(Column::Digest);
    query.one(&db.on()).await.doing("read the set of packages")
}

/// Puts a set, whose bytes are a blob already, in the place of what was there.
pub async fn replace(tx: &Tx, set: PackageSetRow) -> Result<(), DbError> {
    let doing = "keep a set of packages";
    clear(tx, Some(set.digest)).await?;
    Entity::delete_by_id(set.digest).exec(tx.inner()).await.doing(doing)?;
    Entity::insert(entity::ActiveModel::from(set)).exec_without_returning(tx.inner()).await.map(drop).doing(doing)
}

/// Removes every set but one, with its bytes.
pub async fn clear(tx: &Tx, but: Option<Digest>) -> Result<(), DbError> {
    let doing = "remove a set of packages";
    let rows = Entity::find().all(tx.inner()).await.doing(doing)?;
    let gone: Vec<Digest> = rows.into_iter().map(|row| row.digest).filter(|digest| but != Some(*digest)).collect();
    Entity::delete_many().filter(Column::Digest.is_in(gone.iter().copied())).exec(tx.inner()).await.doing(doing)?;
    blobs::remove_unnamed(tx, &gone).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;
    use crate::domain::package::Distribution;

    fn row(digest: Digest, seconds: i64) -> PackageSetRow {
        let yaml = Distribution { name: "pyyaml".into(), version: "6.0".into(), modules: vec!["yaml".into()] };
        PackageSetRow {
            digest,
            modules: Texts(vec!["yaml".into()]),
            distributions: Distributions(vec![yaml]),
            size_bytes: Whole(5),
            created_by: "admin:ada".into(),
            created_at: at(seconds),
        }
    }

    #[tokio::test]
    async fn one_set_holds_and_the_bytes_of_the_one_before_go() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        let first = blobs::put(&tx, b"first".to_vec(), at(0)).await?;
        replace(&tx, row(first, 0)).await?;
        replace(&tx, row(first, 1)).await?;
        tx.commit().await?;
        assert_eq!(current(&*db).await?, Some(row(first, 1)));
        let tx = db.begin().await?;
        assert_eq!(blobs::remove_unnamed(&tx, &[first]).await?, 0, "a set names its blob");
        let second = blobs::put(&tx, b"second".to_vec(), at(2)).await?;
        replace(&tx, row(second, 2)).await?;
        assert_eq!(blobs::get(&tx, first).await?, None);
        clear(&tx, None).await?;
        tx.commit().await?;
        assert_eq!((current(&*db).await?, blobs::get(&*db, second).await?), (None, None));
        Ok(())
    }
}
