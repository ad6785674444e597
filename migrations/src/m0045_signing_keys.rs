//! The key with which this installation signs what it exports, sealed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{blob, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("signing_keys")
        .col(script.name("purpose").primary_key())
        .col(blob("sealed"))
        .col(timestamp_with_time_zone("created_at"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("signing_keys");
}
