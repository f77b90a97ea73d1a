//! What the engine says is done: messages, sockets, and what the application and the workers are told.

use super::actions::{Action, Millis, Say, Side, Tell};
use super::event::{Event, Returned};
use super::explain::{called_off, hung};
use super::outside::{Outside, SERVICE};
use super::path::{self, BACKLOG};
use super::state::{Queued, State};
use super::upper::Up;
use crate::sys::unix;
use crate::wire::message::{Message, Ready};
use std::os::fd::AsFd;

impl State {
    pub(super) fn act(&mut self, action: Action, out: &Outside, now: Millis) {
        match action {
            Action::Send(Side::Up, say) => {
                let message = match say {
                    Say::ListenersAck => Message::ListenersAck,
                    Say::Ready => Message::Ready(Ready { retired: self.listeners.left_to_the_predecessor() }),
                    _ => Message::Answer,
                };
                if let Some(up) = &mut self.up {
                    up.link.queue(message, Vec::new());
                }
            }
            Action::Send(Side::Down, Say::Welcome) => self.send_welcome(out),
            Action::Send(Side::Down, Say::Listeners) => self.send_listeners(now),
            Action::Send(Side::Down, Say::Draining) => {
                // Nobody is welcomed until the outcome is known: newcomers wait in the backlog.
                out.unwatch(self.takeover_socket.as_ref().map(AsFd::as_fd));
                self.send_draining(out);
            }
            Action::Send(Side::Down, say) => {
                if let Some(down) = &mut self.down {
                    match say {
                        Say::Last => down.say_last(),
                        _ => down.link.queue(Message::Note(hung()), Vec::new()),
                    }
                }
            }
            Action::SayWhy(cause) => {
                let why = called_off(&self.explain_down(cause));
                if let Some(down) = &mut self.down {
                    down.link.queue(Message::Note(why), Vec::new());
                }
            }
            Action::Close(side) => self.close_link(side, out),
            Action::ShutReading(_) => {
                if let Some(up) = &self.up {
                    up.link.shut_reading();
                }
                // What is queued can still be read, then end-of-file: at once, for nothing more can come.
                self.read_up_to_the_end(out);
            }
            Action::TurnDown(slot) => self.turn_down_offer(slot),
            Action::LookUp if self.up.as_ref().is_some_and(Up::is_dead) => self.predecessor_died(out),
            Action::LookUp => {
                self.engine.with(now, |up, _, context| up.as_mut().map(|up| up.lives(context)));
            }
            Action::CloseService => self.close_service(out),
            Action::Retire => {
                if let Some(socket) = &self.takeover_socket {
                    // Where it fails the path is left behind, stale: the next one takes it over by the rule.
                    let _ = path::unlink_own(&out.path, socket.as_fd());
                }
                self.close_service(out);
            }
            Action::Serve => self.serve(out),
            Action::Tell(tell) => self.tell(tell, out),
        }
    }

    fn close_link(&mut self, side: Side, out: &Outside) {
        // A parting NOTE may be queued; whether it arrives does not matter.
        let link = match side {
            Side::Up => self.up.as_mut().map(|up| &mut up.link),
            Side::Down => self.down.as_mut().map(|down| {
                down.drop_unsent_offers();
                &mut down.link
            }),
        };
        if let Some(link) = link {
            out.unwatch(link.socket());
            link.close();
        }
    }

    fn close_service(&mut self, out: &Outside) {
        self.listeners.clear();
        if let Some(socket) = self.takeover_socket.take() {
            out.unwatch(Some(socket.as_fd()));
        }
        self.lobby.clear(out);
    }

    /// We are the owner: listen again, so that SO_PEERCRED shows newcomers us.
    pub(super) fn serve(&mut self, out: &Outside) {
        self.listeners.own();
        if let Some(socket) = &self.takeover_socket {
            let _ = unix::listen(socket.as_fd(), BACKLOG);
            out.unwatch(Some(socket.as_fd()));
            let _ = out.watch(Some(socket.as_fd()), SERVICE);
        }
    }

    fn tell(&mut self, tell: Tell, out: &Outside) {
        self.tell_workers(tell, out);
        let event = match tell {
            Tell::Offer(_) => return self.events.push_back(Queued::Offer),
            Tell::Drain { successor } => {
                let down = self.down.as_ref().filter(|_| successor);
                Some(Event::Drain {
                    successor: down.map(|down| down.peer.clone()),
                    deadline: out.config.drain,
                    reads: down.map(|down| down.reads.clone()).unwrap_or_default(),
                    retired: down.map(|_| self.listeners.retired()).unwrap_or_default(),
                })
            }
            Tell::Settled(slot) => {
                let id = self.settled(slot);
                self.events.extend(id.map(Queued::Settled));
                None
            }
            Tell::Refused(slot) => self.returned(slot).map(|c| Event::Returned(c, Returned::Refused)),
            Tell::TakenBack(slot) => {
                // Where everything goes back, what waits to be sent does not go out any more.
                let offering = self.engine.down.as_ref().is_some_and(|down| down.takes_offers());
                if let Some(down) = self.down.as_mut().filter(|_| !offering) {
                    down.drop_unsent_offers();
                }
                self.returned(slot).map(|c| Event::Returned(c, Returned::TakenBack))
            }
            Tell::Committed => Some(Event::Committed { generation: self.generation }),
            Tell::Resume(cause) => Some(Event::Resume { cause: self.explain_down(cause) }),
            Tell::Accept(cause) => Some(Event::Accept { cause: self.explain_down(cause) }),
            Tell::Relieved => Some(Event::Relieved),
            Tell::Aborted(cause) => Some(Event::Aborted { cause: self.explain_up(cause) }),
            Tell::Done { left } => {
                // The application's copies are the last ones then: what it does not accept, nobody does.
                self.listeners.held.retain(|held| !held.retired);
                // Draining alone it is the application that knows how many are left, and says so.
                let alone = left > 0 && self.down.is_none();
                Some(Event::Done { left: if alone { self.connections.max(1) } else { left } })
            }
        };
        self.events.extend(event.map(|event| Queued::Event(Box::new(event))));
        if let (Tell::Settled(_) | Tell::Refused(_) | Tell::TakenBack(_), Some(down)) = (tell, &mut self.down)
            && std::mem::take(&mut down.wants_room)
        {
            self.events.push_back(Queued::Event(Box::new(Event::Room)));
        }
    }
}
