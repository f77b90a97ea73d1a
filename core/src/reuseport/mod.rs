//! Several sockets at one address (SO_REUSEPORT, socket(7)): the kernel spreads new connections over them. [`Group`] takes
//! them away again without losing one.

use crate::error::Result;
use crate::listener::ListenerSpec;
use std::os::fd::OwnedFd;

mod group;
mod kernel;
mod members;
mod order;
mod probing;
mod retiring;

pub use group::Group;
pub use kernel::{Kernel, kernel};
pub use retiring::{Retired, Step, WAIT};

/// Binds and listens with SO_REUSEPORT, so that other sockets of the same user can do the same at the same address. The
/// descriptor (close-on-exec, non-blocking) is the caller's. Does not block.
///
/// A plain piece: it knows of no takeover. When such a listener is closed, the connections in its queue are reset; pass
/// the listener on instead, or let a [`Group`] retire.
///
/// # Errors
/// As [`ListenerSpec::bind`]; `AddressInUse` also where somebody listens there without SO_REUSEPORT, or as another user;
/// `InvalidArgument` for a Unix path.
pub fn bind(spec: &ListenerSpec) -> Result<OwnedFd> {
    spec.clone().reuseport(true).bind()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::net::TcpListener;

    #[test]
    fn two_listeners_share_an_address_if_both_say_so() {
        let first = TcpListener::from(bind(&ListenerSpec::tcp("127.0.0.1:0")).unwrap());
        let address = first.local_addr().unwrap().to_string();
        let second = TcpListener::from(bind(&ListenerSpec::tcp(&address)).unwrap());
        assert_eq!(second.local_addr().unwrap().to_string(), address);
        let error = ListenerSpec::tcp(&address).bind().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
    }

    #[test]
    fn a_path_is_not_shared() {
        let error = bind(&ListenerSpec::unix("/tmp/never-bound.sock")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}
