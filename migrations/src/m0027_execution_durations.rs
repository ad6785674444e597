//! Calls of all tools together counted for each class of duration, over the same stretches of time: what
//! percentiles and the chart over time are made of.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer};

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table("execution_durations")
            .col(integer("grain_s"))
            .col(big_integer("start_s"))
            .col(integer("duration_class"))
            .col(big_integer("calls"))
            .col(big_integer("errors"))
            .col(big_integer("duration_us"))
            .primary_key(Index::create().col("grain_s").col("start_s").col("duration_class")),
    );
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("execution_durations");
}
