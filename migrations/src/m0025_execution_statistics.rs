//! Calls counted for each tool, by the minute, by five minutes and by the hour. Written together with the
//! rows of the execution log that they count, so that a chart of a week reads thousands of rows and
//! not millions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, text, uuid};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("execution_statistics")
            // 60, 300 or 3,600.
            .col(integer("grain_s"))
            // Seconds since 1970, a multiple of the grain.
            .col(big_integer("start_s"))
            .col(uuid("tool_id"))
            .col(text("tool_name"))
            .col(uuid("server_id"))
            .col(big_integer("calls"))
            .col(big_integer("errors"))
            .col(big_integer("duration_us"))
 .primary_key(Index::create().col("grain_s").col("start_s").col("tool_id").col("tool_name")),
    );
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("execution_statistics");
}
