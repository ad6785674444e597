//! Blobs: sources and components, once each, by the digest of their bytes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, blob, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("blobs")
        .col(script.name("digest").primary_key())
        .col(blob("bytes"))
        .col(big_integer("size_bytes"))
        .col(timestamp_with_time_zone("created_at"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("blobs");
}
