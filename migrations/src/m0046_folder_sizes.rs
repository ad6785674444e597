//! A person may say how large a folder may become by what a tool writes into it.

use sea_orm_migration::schema::big_integer_null;

use crate::change::Script;

pub(crate) fn up(script: &mut Script) {
    script.add_column("tool_folders", big_integer_null("max_bytes"));
}

pub(crate) fn down(script: &mut Script) {
    script.drop_column("tool_folders", "max_bytes");
}
