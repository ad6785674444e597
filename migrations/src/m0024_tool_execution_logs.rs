//! The execution log tells sizes, what was cut and the number of the version, and each of its lists
//! has an index in the order in which it is read: newest first.

use sea_orm_migration::schema::{big_integer, integer, text};

use crate::change::Script;

const TABLE: &str = "tool_execution_logs";
const SIZES: [&str; 3] = ["arguments_bytes", "result_bytes", "stdout_bytes"];
/// What a list can be narrowed to, before the order of its rows.
const OWNERS: [&str; 5] = ["tool_id", "server_id", "caller", "outcome", "success"];

pub(crate) fn up(script: &mut Script) {
    script.add_column(TABLE, integer("version_number").default(0));
    for size in SIZES {
        script.add_column(TABLE, big_integer(size).default(0));
    }
    script.add_column(TABLE, text("cut").default("[]"));
    script.drop_index(TABLE, &["tool_id", "id"]);
    script.drop_index(TABLE, &["server_id", "id"]);
    script.drop_index(TABLE, &["started_at"]);
    for owner in OWNERS {
        script.index(TABLE, &[owner, "started_at", "id"]);
    }
    script.index(TABLE, &["started_at", "id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index(TABLE, &["started_at", "id"]);
    for owner in OWNERS {
        script.drop_index(TABLE, &[owner, "started_at", "id"]);
    }
    script.index(TABLE, &["started_at"]);
    script.index(TABLE, &["server_id", "id"]);
    script.index(TABLE, &["tool_id", "id"]);
    script.drop_column(TABLE, "cut");
    for size in SIZES {
        script.drop_column(TABLE, size);
    }
    script.drop_column(TABLE, "version_number");
}
