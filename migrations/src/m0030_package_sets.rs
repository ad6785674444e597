//! The set of packages that Python tools import; its bytes are among the blobs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text, timestamp_with_time_zone};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("package_sets")
        .col(script.name("digest").primary_key())
        .col(text("modules"))
        .col(text("distributions"))
        .col(big_integer("size_bytes"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("package_sets");
}
