//! What a guest says has changed, told to MCP clients that listen: of the guest's own server only. How often a call
//! may say so is bounded where it runs.

use super::offered::uri_under;
use crate::db::servers::Server;
use crate::db::versions::Version;
use crate::domain::component::Capability;
use crate::domain::outcome::GuestEvent;
use crate::events::{Events, Notice};

/// The word of one call.
pub(super) struct Notifier {
    events: Events,
    server: String,
}

impl Notifier {
    /// None when what runs cannot say such a thing.
    pub(super) fn of(events: &Events, server: &Server, version: &Version) -> Option<Self> {
        let surface = version.surface.as_ref()?;
        let speaks = surface.capabilities.contains(&Capability::Notify);
        speaks.then(|| Self { events: events.clone(), server: server.name.clone() })
    }

    /// Tells it on, unless it is about something else.
    pub(super) fn tell(&self, event: &GuestEvent) {
        let notice = match event {
            GuestEvent::ListChanged(listing) => Notice::ListChanged { server: self.server.clone(), listing: *listing },
            GuestEvent::ResourceUpdated(uri) => Notice::ResourceUpdated { uri: uri_under(&self.server, uri) },
            GuestEvent::Progress(_) | GuestEvent::Log(_) => return,
        };
        self.events.notice(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::outcome::{LogLevel, LogLine};

    #[test]
    fn a_guest_tells_of_changes_of_its_own_server() {
        let events = Events::new(Clock::system());
        let mut heard = events.notices();
        let notifier = Notifier { events, server: "data".into() };
        notifier.tell(&GuestEvent::Log(LogLine { level: LogLevel::Info, message: "no change".into() }));
        notifier.tell(&GuestEvent::ResourceUpdated("mcpbox+other:test://b".into()));
        let uri = "mcpbox+data:mcpbox+other:test://b".to_owned();
        assert_eq!(heard.try_recv().ok(), Some(Notice::ResourceUpdated { uri }));
        assert!(heard.try_recv().is_err());
    }
}
