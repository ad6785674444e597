//! Settings that people change while the host runs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("settings")
        .col(script.name("key").primary_key())
        .col(text("value"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(text("updated_by"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("settings");
}
