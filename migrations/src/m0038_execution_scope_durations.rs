//! Calls of each tool and of each server counted for each class of duration: what their percentiles are made
//! of.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, uuid};

use crate::change::Script;

const TABLE: &str = "execution_scope_durations";

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table(TABLE)
            // 300, 3,600 or 86,400.
            .col(integer("grain_s"))
            .col(uuid("scope_id"))
            .col(big_integer("start_s"))
            .col(integer("duration_class"))
            .col(big_integer("calls"))
            .primary_key(Index::create().col("grain_s").col("scope_id").col("start_s").col("duration_class")),
    );
    // Old ones are deleted by their time.
    script.index(TABLE, &["grain_s", "start_s"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table(TABLE);
}
