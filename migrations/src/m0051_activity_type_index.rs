//! A request has one row, which is an `mcp_response` as soon as it is answered: an `mcp_request` is rare, and is found
//! as the other rare types are. The condition stands word for word in the queries.

use crate::change::Script;

const TABLE: &str = "activity_logs";
const COLUMNS: [&str; 3] = ["log_type", "at", "id"];
/// Without `mcp_request`.
const BEFORE: &str = "rare_type";
/// Not the name of the one before: a connection to SQLite that has not heard of its end would find it taken.
const NOW: &str = "other_type";

pub(crate) fn up(script: &mut Script) {
    script.drop_index(TABLE, &[BEFORE]);
    script.index_where(TABLE, NOW, &COLUMNS, r#""log_type" <> 'mcp_response'"#);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index(TABLE, &[NOW]);
    script.index_where(TABLE, BEFORE, &COLUMNS, r#""log_type" NOT IN ('mcp_request', 'mcp_response')"#);
}
