//! Most rows of the activity log are of no server (a list, a session, a refusal), and stand no longer in the index
//! by server. Whoever looks for a server's rows names the server, which is not null: the index is found by that.

use crate::change::Script;

const TABLE: &str = "activity_logs";
const COLUMNS: [&str; 3] = ["server_id", "at", "id"];
const NAME: &str = "of_server";

pub(crate) fn up(script: &mut Script) {
    script.drop_index(TABLE, &COLUMNS);
    script.index_where(TABLE, NAME, &COLUMNS, r#""server_id" IS NOT NULL"#);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index(TABLE, &[NAME]);
    script.index(TABLE, &COLUMNS);
}
