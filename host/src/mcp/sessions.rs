//! All sessions: those that this process has at hand, and those that the database knows, which were opened by
//! another process on it or before a restart.
//!
//! A session is asked for in the database when it is not at hand, and once a minute while it is used, so that
//! the end of one reaches every process. What an end, a wish or an opening says is written before it is
//! answered.

use std::sync::Arc;
use std::time::Duration;

use super::scope::Scope;
use super::session::{Agreed, Here, Session};
use super::versions::Version;
use crate::domain::caller::Caller;
use crate::service::mcp_sessions::{McpSession, McpWish};
use crate::service::{Error, Service};

/// Every session that there is; clones are the same.
#[derive(Clone)]
pub struct Sessions {
    here: Here,
    service: Service,
}

impl Sessions {
    pub fn new(service: &Service) -> Self {
        Self { here: Here::new(service.limits(), service.clock().clone()), service: service.clone() }
    }

    /// Opens a session; one that rests may have to make room for it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn open(&self, caller: &Caller, agreed: Agreed) -> Result<Arc<Session>, Error> {
        let session = self.here.make(caller, agreed);
        self.service.mcp_session_keep(caller, session.id(), written(&session)).await?;
        self.take(session).await
    }

    /// The session of this id, if it is this caller's and still lives. Counts as a use.
    ///
    /// # Errors
    /// When the database has to be asked and cannot be.
    pub async fn find(&self, id: &str, caller: &Caller) -> Result<Option<Arc<Session>>, Error> {
        let here = self.here.find(id, caller);
        match here {
            Some(session) if !self.here.is_due(&session) => return Ok(Some(session)),
            _ => {}
        }
        // Boxed: every request would carry the place for this along.
        Box::pin(self.asked_for(id, caller, here)).await
    }

    /// A session that may be known to the database alone, or not any more.
    async fn asked_for(
        &self,
        id: &str,
        caller: &Caller,
        here: Option<Arc<Session>>,
    ) -> Result<Option<Arc<Session>>, Error> {
        let known = here.clone();
        let _turn = match &known {
            Some(session) => Some(session.wishes.turn().await),
            None => None,
        };
        if let Some(session) = known.as_ref().filter(|session| !self.here.is_due(session)) {
            // Somebody else asked while this one waited.
            return Ok(Some(Arc::clone(session)));
        }
        match self.service.mcp_session_use(caller, id).await? {
            Some(row) => Ok(self.known(id, caller, here, row).await?),
            None => {
                self.here.end(id, caller);
                Ok(None)
            }
        }
    }

    /// A session of which the database knows. None when another release wrote it. Whoever calls this for one that is
    /// `here` has the turn to change what it wishes.
    async fn known(
        &self,
        id: &str,
        caller: &Caller,
        here: Option<Arc<Session>>,
        row: McpSession,
    ) -> Result<Option<Arc<Session>>, Error> {
        let McpSession { scope, version, capabilities, client, is_initialized, wishes } = row;
        let session = match here {
            Some(session) => {
                session.wishes.set(wishes);
                session
            }
            None => {
                let scope = scope.map_or(Ok(Scope::Everything), |name| name.parse().map(Scope::Server));
                let (Some(version), Ok(scope)) = (Version::parse(&version), scope) else { return Ok(None) };
                let agreed = Agreed { version, scope, capabilities, client };
                let session = self.here.known(id.to_owned(), caller, agreed);
                session.wishes.set(wishes);
                self.take(session).await?
            }
        };
        self.here.noted(&session);
        if is_initialized {
            session.set_initialized();
        }
        Ok(Some(session))
    }

    /// Takes a session in; the one that makes room for it ends everywhere.
    async fn take(&self, session: Session) -> Result<Arc<Session>, Error> {
        let (session, gone) = self.here.take(session);
        if let Some(gone) = gone {
            self.service.mcp_session_end(&gone.caller(), gone.id()).await?;
        }
        Ok(session)
    }

    /// Ends a session of this caller. False when there was none.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn end(&self, id: &str, caller: &Caller) -> Result<bool, Error> {
        let here = self.here.end(id, caller);
        Ok(self.service.mcp_session_end(caller, id).await? || here)
    }

    /// Ends what this process has at hand and nobody used for its time, or whose caller's key was revoked, and notes
    /// what is at work; answers how many ended.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let mut ended = self.here.sweep();
        for who in self.here.keys() {
            let caller = Caller { who, from: None };
            if !self.service.caller_goes_on(&caller, None).await? {
                ended += self.here.end_all(&caller);
            }
        }
        for session in self.here.unnoted() {
            match self.service.mcp_session_use(&session.caller(), session.id()).await? {
                Some(_) => self.here.noted(&session),
                None => drop(self.here.end(session.id(), &session.caller())),
            }
        }
        Ok(ended)
    }

    /// How often to sweep, so that no session that is at work is taken for one that nobody uses.
    pub fn swept_every(&self) -> Duration {
        self.here.noted_every()
    }

    /// How many this process has at hand.
    pub fn count(&self) -> usize {
        self.here.count()
    }

    /// Marks a session as used now: when a call ends, not only when it begins.
    pub fn touch(&self, session: &Session) {
        self.here.touch(session);
    }
}

/// Notes one thing more that the client of a session wants to hear of, for every process.
///
/// # Errors
/// When it wants to hear of too much, or the database does not take it.
pub async fn wish(service: &Service, session: &Session, wish: McpWish) -> Result<(), Error> {
    let _turn = session.wishes.turn().await;
    let wishes = match session.is_kept() {
        true => service.mcp_session_wish(&session.caller(), session.id(), wish).await?,
        false => Some(session.wishes.all().and(wish, service.limits().session_subscriptions)?),
    };
    // What is wished of a session that has ended is nothing to anybody.
    if let Some(wishes) = wishes {
        session.wishes.set(wishes);
    }
    Ok(())
}

/// Takes note, for every process, that the client of a session is ready to be asked.
///
/// # Errors
/// When the database does not take it.
pub async fn initialize(service: &Service, session: &Session) -> Result<(), Error> {
    if session.is_kept() && !session.is_initialized() {
        service.mcp_session_initialize(&session.caller(), session.id()).await?;
    }
    session.set_initialized();
    Ok(())
}

/// Learns whether the client said so to another process.
///
/// # Errors
/// When the database has to be asked and cannot be.
pub async fn learn_initialized(service: &Service, session: &Session) -> Result<(), Error> {
    let may_be = session.is_kept() && !session.is_initialized();
    if may_be && service.mcp_session_is_initialized(&session.caller(), session.id()).await? {
        session.set_initialized();
    }
    Ok(())
}

fn written(session: &Session) -> McpSession {
    let Agreed { version, scope, capabilities, client } = session.agreed.clone();
    McpSession {
        scope: match scope {
            Scope::Everything => None,
            Scope::Server(name) => Some(name.to_string()),
        },
        version: version.as_str().to_owned(),
        capabilities,
        client,
        is_initialized: session.is_initialized(),
        wishes: session.wishes.all(),
    }
}
