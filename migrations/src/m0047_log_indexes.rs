//! The logs have fewer indexes: each is one more place that every row enters. What nearly all rows have in
//! common (a call that returned, a message of a client, the level `info`) is not sorted by; the index by time
//! tells it. What is rare has an index of its own, in which the others do not stand.

use crate::change::Script;

const CALLS: &str = "tool_execution_logs";
const ACTIVITY: &str = "activity_logs";
/// Columns by which a list is narrowed to what is rare, the name of its index, and what is rare. The conditions
/// stand word for word in the queries: SQLite uses such an index for nothing else.
const RARE: [(&str, &str, &str, &str, &str); 4] = [
    (CALLS, "outcome", "started_at", "rare_outcome", r#""outcome" <> 'returned'"#),
    (CALLS, "success", "started_at", "failed", r#"NOT "success""#),
    (ACTIVITY, "level", "at", "rare_level", r#""level" <> 'info'"#),
    (ACTIVITY, "log_type", "at", "rare_type", r#""log_type" NOT IN ('mcp_request', 'mcp_response')"#),
];

pub(crate) fn up(script: &mut Script) {
    for (table, column, time, name, rare) in RARE {
        script.drop_index(table, &[column, time, "id"]);
        script.index_where(table, name, &[column, time, "id"], rare);
    }
    // What is counted by outcome is in it, so that counting reads no rows.
    script.drop_index(CALLS, &["started_at", "id"]);
    script.index(CALLS, &["started_at", "id", "success", "outcome"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index(CALLS, &["started_at", "id", "success", "outcome"]);
    script.index(CALLS, &["started_at", "id"]);
    for (table, column, time, name, _) in RARE {
        script.drop_index(table, &[name]);
        script.index(table, &[column, time, "id"]);
    }
}
