//! The connections of the clients that are there, by which the broker speaks to them unasked.

use iceway_bus::control::{Event, ResponseWriter};
use parking_lot::Mutex;

/// Names a connection for as long as the broker lives.
pub(crate) type ClientId = u64;

/// The open connections.
#[derive(Default)]
pub(crate) struct Clients(Mutex<Vec<(ClientId, ResponseWriter)>>);

impl Clients {
    pub(crate) fn add(&self, id: ClientId, writer: ResponseWriter) {
        self.0.lock().push((id, writer));
    }

    pub(crate) fn remove(&self, id: ClientId) {
        self.0.lock().retain(|(open, _)| *open != id);
    }

    /// Tells every client.
    pub(crate) fn tell(&self, event: &Event) {
        // Outside the lock: a client that does not read may hold its writer up for a while.
        let writers: Vec<_> = self.0.lock().iter().map(|(_, w)| w.clone()).collect();
        for writer in writers {
            // A client that is gone needs no news.
            let _ = writer.write_event(event);
        }
    }

    /// Ends all connections.
    pub(crate) fn close(&self) {
        for (_, writer) in self.0.lock().iter() {
            writer.shutdown();
        }
    }
}
