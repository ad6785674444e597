//! Who submitted a version, who may then not be the one who approves it.

use sea_orm_migration::schema::text_null;

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.add_column("tool_versions", text_null("submitted_by"));
}

pub(crate) fn down(script: &mut Script) {
    script.drop_column("tool_versions", "submitted_by");
}
