//! Who may listen to a live stream, and for how long: an administrator whose session is in force, no longer
//! than it is; over MCP also who has an API key, until that is revoked.
//!
//! Where a program can send no header, it shows a ticket, which it got with its session: good for one stream,
//! within seconds. What stands in an address is written down by too many to be worth more.

use std::net::IpAddr;

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::sessions::{self, Session};
use super::{Error, Service};
use crate::crypto::token::{Token, TokenKind};
use crate::db::stream_tickets::{self as rows, StreamTicket};
use crate::db::{admin_sessions, api_keys};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::SessionId;

/// Life of a ticket.
const TICKET_S: u32 = 30;
/// Tickets of one session that can be used at the same time.
const TICKETS: u64 = 20;

/// A ticket, to be shown once.
#[derive(Serialize, ToSchema)]
pub struct TicketView {
    pub ticket: String,
    /// Seconds.
    pub expires_in: u32,
}

impl Service {
    /// Makes a ticket for one stream. When the session has as many as it may, the oldest makes room.
    pub async fn stream_ticket_create(&self, session: &Session) -> Result<TicketView, Error> {
        let ticket = Token::new(TokenKind::Ticket);
        let now = self.clock().now();
        let expires_at = now + TimeDelta::seconds(TICKET_S.into());
        let tx = self.db().begin().await?;
        rows::delete_expired(&tx, now).await?;
        rows::insert(&tx, StreamTicket { ticket_hash: ticket.hash(), session_id: session.id, expires_at }).await?;
        rows::keep_newest(&tx, session.id, TICKETS).await?;
        tx.commit().await?;
        Ok(TicketView { ticket: ticket.reveal().to_owned(), expires_in: TICKET_S })
    }

    /// The session that a ticket was made for; the ticket is used up. `from` is where it is shown.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is no such ticket any more, or its session has ended.
    pub async fn stream_ticket_use(&self, ticket: &str, from: Option<IpAddr>) -> Result<Session, Error> {
        let message = "the ticket is unknown, expired or used; make another one with POST /api/activity/ticket";
        let refused = || Error::Unauthenticated { message: message.to_owned() };
        let ticket: Token = ticket.parse().map_err(|_| refused())?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let found = match rows::take(&tx, &ticket.hash(), now).await? {
            Some(session) => admin_sessions::by_id(&tx, session).await?,
            None => None,
        };
        tx.commit().await?;
        let found = found.filter(|(row, admin)| row.is_valid(admin, now));
        found.map(|(row, admin)| sessions::opened(row, admin, from)).ok_or_else(refused)
    }

    /// Whether what let a caller in is in force, in whatever process it was ended: its API key, or for an administrator
    /// the `login`. Who showed nothing has nothing that ends.
    pub async fn caller_goes_on(&self, caller: &Caller, login: Option<SessionId>) -> Result<bool, Error> {
        match (&caller.who, login) {
            (Who::ApiKey { id, .. }, _) => {
                let key = api_keys::by_id(self.db(), *id).await?;
                Ok(key.is_some_and(|key| key.revoked_at.is_none()))
            }
            (Who::Admin { .. }, Some(login)) => self.login_goes_on(login).await,
            (Who::Admin { .. }, None) => Ok(false),
            (Who::Local | Who::Operator | Who::Source { .. }, _) => Ok(true),
        }
    }

    /// Whether a session is in force, in whatever process it was ended or its tokens exchanged.
    pub async fn session_goes_on(&self, session: &Session) -> Result<bool, Error> {
        self.login_goes_on(session.id).await
    }

    async fn login_goes_on(&self, id: SessionId) -> Result<bool, Error> {
        let found = admin_sessions::by_id(self.db(), id).await?;
        let now = self.clock().now();
        Ok(found.is_some_and(|(row, admin)| row.is_valid(&admin, now)))
    }
}
