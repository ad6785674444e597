//! Why the package of a module could not be installed the last time; gone when it was.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

pub use entity::Model as PackageFailure;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::{Conn, DbError, Tx};

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "package_failures")]
    pub struct Model {
        /// The first part of its name.
        #[sea_orm(primary_key, auto_increment = false)]
        pub module_name: String,
        /// A sentence for a person.
        pub reason: String,
        pub failed_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The reasons for those of some modules that failed.
pub async fn of(db: &impl Conn, modules: &[&str]) -> Result<HashMap<String, String>, DbError> {
    if modules.is_empty() {
        return Ok(HashMap::new());
    }
    let query = Entity::find().filter(Column::ModuleName.is_in(modules.iter().copied()));
    let rows = query.all(&db.on()).await.doing("read why packages are not installed")?;
    Ok(rows.into_iter().map(|row| (row.module_name, row.reason)).collect())
}

/// Takes note of a failure, in place of the one before.
pub async fn note(tx: &Tx, failure: PackageFailure) -> Result<(), DbError> {
    let replace = OnConflict::column(Column::ModuleName).update_columns([Column::Reason, Column::FailedAt]).to_owned();
    let row = entity::ActiveModel::from(failure);
    let done = Entity::insert(row).on_conflict(replace).exec_without_returning(tx.inner()).await;
    done.map(drop).doing("note why a package is not installed")
}

/// Forgets all but those of some modules.
pub async fn forget_but(tx: &Tx, modules: &[&str]) -> Result<(), DbError> {
    let others = Entity::delete_many().filter(Column::ModuleName.is_not_in(modules.iter().copied()));
    others.exec(tx.inner()).await.map(drop).doing("forget why packages were not installed")
}

/// Forgets those of some modules.
pub async fn forget(tx: &Tx, modules: &[&str]) -> Result<(), DbError> {
    let these = Entity::delete_many().filter(Column::ModuleName.is_in(modules.iter().copied()));
    these.exec(tx.inner()).await.map(drop).doing("forget why packages were not installed")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, fresh};
    use super::*;

    fn failure(module: &str, reason: &str) -> PackageFailure {
        PackageFailure { module_name: module.to_owned(), reason: reason.to_owned(), failed_at: at(0) }
    }

    #[tokio::test]
    async fn the_last_failure_of_a_module_is_kept_until_it_is_forgotten() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        for (module, reason) in
            [("yaml", "no index"), ("yaml", "native code"), ("numpy", "native code"), ("old", "gone")]
        {
            note(&tx, failure(module, reason)).await?;
        }
        tx.commit().await?;
        let reasons = of(&*db, &["yaml", "absent"]).await?;
        assert_eq!(reasons, HashMap::from([("yaml".to_owned(), "native code".to_owned())]));
        assert_eq!(of(&*db, &[]).await?, HashMap::new());
        let tx = db.begin().await?;
        forget_but(&tx, &["yaml", "numpy"]).await?;
        forget(&tx, &["numpy"]).await?;
        tx.commit().await?;
        assert_eq!(of(&*db, &["yaml", "numpy", "old"]).await?, reasons);
        Ok(())
    }
}
