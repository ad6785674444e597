//! Who may do what. Models may build, ask and call; people decide.

use super::Error;
use crate::domain::caller::{Caller, Who};
use crate::domain::tool::ChangeSource;

/// Lets people pass. `deed` completes "only a person may …".
///
/// # Errors
/// [`Error::Forbidden`] for everybody else.
pub(super) fn people_only(caller: &Caller, deed: &str) -> Result<(), Error> {
    if caller.is_person() {
        return Ok(());
    }
    Err(Error::forbidden(format!("only a person may {deed}; ask an administrator of this installation")))
}

/// Where a change by this caller comes from.
pub(super) fn change_source(caller: &Caller) -> ChangeSource {
    match caller.who {
        Who::Admin { .. } | Who::Operator => ChangeSource::Manual,
        Who::ApiKey { .. } | Who::Local => ChangeSource::Llm,
        Who::Source { .. } => ChangeSource::Import,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AdminId, ApiKeyId};

    #[test]
    fn people_decide_and_models_do_not() {
        let admin = Who::Admin { id: AdminId::new(), username: "ada".into() };
        let key = Who::ApiKey { id: ApiKeyId::new(), name: "ci".into() };
        for (who, may, source) in [
            (admin, true, ChangeSource::Manual),
            (Who::Operator, true, ChangeSource::Manual),
            (key, false, ChangeSource::Llm),
            (Who::Local, false, ChangeSource::Llm),
        ] {
            let caller = Caller { who, from: None };
            assert_eq!(people_only(&caller, "approve a tool").is_ok(), may, "{caller}");
            assert_eq!(change_source(&caller), source, "{caller}");
        }
    }
}
