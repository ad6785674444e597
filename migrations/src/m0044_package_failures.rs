//! Why the package of a module could not be installed the last time.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("package_failures")
        .col(script.name("module_name").primary_key())
        .col(text("reason"))
        .col(timestamp_with_time_zone("failed_at"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("package_failures");
}
