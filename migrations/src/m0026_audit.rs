//! The audit log is read by who did something and by what was done.

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.index("audit", &["actor", "id"]);
    script.index("audit", &["action", "id"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_index("audit", &["action", "id"]);
    script.drop_index("audit", &["actor", "id"]);
}
