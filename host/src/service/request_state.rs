//! What a modern client carries from one round of a call to the next: the answers that it gave before, sealed.
//!
//! A state opens only for the same caller, for the same call (method, name, arguments) of the same approved
//! version, and only for a while. Whatever else a client sends is refused, and nothing in it is believed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Error, Service};
use crate::crypto::vault::{Context, Vault};
use crate::domain::caller::Caller;
use crate::domain::client::Said;
use crate::domain::component::Entry;
use crate::domain::digest::Digest;
use crate::domain::export::canonical;

/// Answers by the keys of their questions.
pub type Answers = BTreeMap<String, Said>;

/// The call that a state belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    pub caller: &'a Caller,
    /// By the names that clients of everything know.
    pub entry: &'a Entry,
    /// Of a tool.
    pub arguments: Option<&'a RawValue>,
    /// The version that asked.
    pub version: Digest,
}

/// What a state brings along.
#[derive(Debug)]
pub struct Brought {
    pub answers: Answers,
    /// The version that asked, which must be the one that runs.
    pub version: Digest,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct State {
    /// Seconds since 1970.
    until: i64,
    answers: Answers,
}

impl Service {
    /// The state with which a call may go on in a later round.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the answers are larger than a state may be.
    pub fn request_state_seal(&self, of: Bound<'_>, answers: Answers) -> Result<String, Error> {
        let limits = self.limits();
        let life = i64::try_from(limits.request_state_s).unwrap_or(i64::MAX);
        let until = self.clock().now().timestamp().saturating_add(life);
        let sealed = seal(self.vault(), of, &State { until, answers })?;
        if sealed.len() as u64 > limits.request_state_bytes {
            let message = format!(
                "the answers to the questions of this call are together larger than a state of {} bytes can hold \
                 (MCPBOX_REQUEST_STATE_BYTES); answer shorter",
                limits.request_state_bytes
            );
            return Err(Error::TooLarge { message });
        }
        Ok(sealed)
    }

    /// What a client brings along from an earlier round of this call.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not a state of this call, or no longer; [`Error::NotFound`] when there is
    /// nothing to call.
    pub async fn request_state_open(
        &self,
        caller: &Caller,
        entry: &Entry,
        arguments: Option<&RawValue>,
        state: &str,
    ) -> Result<Brought, Error> {
        let version = self.ready(caller, entry).await?.version.digest;
        let of = Bound { caller, entry, arguments, version };
        let is_short = state.len() as u64 <= self.limits().request_state_bytes;
        let answers = is_short.then(|| open(self.vault(), of, state, self.clock().now())).flatten();
        let answers = answers.ok_or_else(|| Error::Conflict {
            message: "`requestState` is not one of this call, was changed or is too old; call again without it"
                .to_owned(),
        })?;
        Ok(Brought { answers, version })
    }
}

fn seal(vault: &Vault, of: Bound<'_>, state: &State) -> Result<String, Error> {
    let text = serde_json::to_vec(state).map_err(|error| Error::internal("writing a request state", error))?;
    Ok(URL_SAFE_NO_PAD.encode(vault.seal(&context(&of.row()), &text)))
}

fn open(vault: &Vault, of: Bound<'_>, state: &str, now: DateTime<Utc>) -> Option<Answers> {
    let sealed = URL_SAFE_NO_PAD.decode(state).ok()?;
    let text = vault.open(&context(&of.row()), &sealed).ok()?;
    let State { until, answers } = serde_json::from_slice(&text).ok()?;
    (now < DateTime::from_timestamp(until, 0)?).then_some(answers)
}

fn context(row: &str) -> Context<'_> {
    Context { table: "mcp request state", row, column: "answers" }
}

impl Bound<'_> {
    /// All that a state is bound to, as the name of the place that it was sealed for.
    fn row(&self) -> String {
        let Self { caller, entry, arguments, version } = self;
        let who = caller.principal();
        let entry = serde_json::to_string(entry).unwrap_or_default();
        // A client may write the same arguments in another order.
        let given = arguments.map_or("{}", RawValue::get);
        let arguments =
            serde_json::from_str::<Value>(given).map_or_else(|_| given.to_owned(), |value| canonical(&value));
        Digest::of_parts([who.as_bytes(), entry.as_bytes(), arguments.as_bytes(), version.as_bytes()]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::crypto::key::MasterKey;
    use crate::domain::caller::Who;
    use crate::domain::ids::ApiKeyId;

    const UNTIL: i64 = 1_000_000;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn state() -> State {
        let answers = [("a".to_owned(), Said::Result(raw(&json!({"action": "accept"}))))];
        State { until: UNTIL, answers: answers.into() }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    fn key(name: &str) -> Caller {
        Caller { who: Who::ApiKey { id: ApiKeyId::new(), name: name.to_owned() }, from: None }
    }

    /// Holds: request_state_s.
    #[test]
    fn a_state_opens_for_its_call_until_it_is_too_old() {
        let vault = Vault::new(&MasterKey::generate(), &[]);
        let (caller, entry) = (key("a"), Entry::Tool("s__t".to_owned()));
        let (one, same) = (raw(&json!({"x": 1, "y": 2})), RawValue::from_string(r#"{ "y":2, "x":1 }"#.to_owned()));
        let version = Digest::of(b"version");
        let of = |arguments| Bound { caller: &caller, entry: &entry, arguments: Some(arguments), version };
        let sealed = seal(&vault, of(&one), &state()).expect("a state");
        let same = same.expect("JSON");
        assert!(open(&vault, of(&same), &sealed, at(UNTIL - 1)).is_some_and(|answers| answers.contains_key("a")));
        assert!(open(&vault, of(&one), &sealed, at(UNTIL)).is_none());
        let from = Some(std::net::Ipv4Addr::LOCALHOST.into());
        let moved = Caller { from, ..caller.clone() };
        assert!(open(&vault, Bound { caller: &moved, ..of(&one) }, &sealed, at(0)).is_some(), "from elsewhere");
    }

    #[test]
    fn a_state_is_of_one_caller_one_call_and_one_version() {
        let vault = Vault::new(&MasterKey::generate(), &[]);
        let (caller, entry, arguments) = (key("a"), Entry::Tool("s__t".to_owned()), raw(&json!({"x": 1})));
        let of = Bound { caller: &caller, entry: &entry, arguments: Some(&arguments), version: Digest::of(b"version") };
        let sealed = seal(&vault, of, &state()).expect("a state");
        let opens = |of: Bound<'_>| open(&vault, of, &sealed, at(0)).is_some();
        assert!(opens(of));
        let (again, local) = (key("a"), Caller { who: Who::Local, from: None });
        assert!(!opens(Bound { caller: &again, ..of }), "another key of the same name");
        assert!(!opens(Bound { caller: &local, ..of }));
        assert!(!opens(Bound { entry: &Entry::Tool("s__u".to_owned()), ..of }));
        let prompt = Entry::Prompt { name: "s__t".to_owned(), arguments: BTreeMap::new() };
        assert!(!opens(Bound { entry: &prompt, ..of }));
        assert!(!opens(Bound { arguments: Some(&raw(&json!({"x": 2}))), ..of }));
        assert!(!opens(Bound { arguments: None, ..of }));
        assert!(!opens(Bound { version: Digest::of(b"another"), ..of }));
        let other = Vault::new(&MasterKey::generate(), &[]);
        assert!(open(&other, of, &sealed, at(0)).is_none());
    }

    proptest! {
        #[test]
        fn any_change_of_a_state_makes_it_invalid(at_byte: prop::sample::Index, flip in 1u8..=255, cut: prop::sample::Index) {
            let vault = Vault::new(&MasterKey::generate(), &[]);
            let (caller, entry) = (key("a"), Entry::Tool("s__t".to_owned()));
            let of = Bound { caller: &caller, entry: &entry, arguments: None, version: Digest::of(b"version") };
            let sealed = seal(&vault, of, &state()).expect("a state");
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64");
            let place = at_byte.index(bytes.len());
            bytes[place] ^= flip;
            prop_assert!(open(&vault, of, &URL_SAFE_NO_PAD.encode(&bytes), at(0)).is_none());
            let shorter = &sealed[..cut.index(sealed.len())];
            prop_assert!(open(&vault, of, shorter, at(0)).is_none());
        }

        #[test]
        fn any_text_is_no_state(text: String, name: String, arguments: String) {
            let vault = Vault::new(&MasterKey::generate(), &[]);
            let (caller, entry) = (key("a"), Entry::Tool(name));
            let arguments = RawValue::from_string(arguments).ok();
            let of = Bound { caller: &caller, entry: &entry, arguments: arguments.as_deref(), version: Digest::of(b"v") };
            prop_assert!(open(&vault, of, &text, at(0)).is_none());
        }

        #[test]
        fn any_other_time_after_the_end_is_too_late(late in 0i64..1_000_000_000) {
            let vault = Vault::new(&MasterKey::generate(), &[]);
            let (caller, entry) = (key("a"), Entry::Tool("s__t".to_owned()));
            let of = Bound { caller: &caller, entry: &entry, arguments: None, version: Digest::of(b"version") };
            let sealed = seal(&vault, of, &state()).expect("a state");
            prop_assert!(open(&vault, of, &sealed, at(UNTIL) + TimeDelta::seconds(late)).is_none());
        }
    }
}
