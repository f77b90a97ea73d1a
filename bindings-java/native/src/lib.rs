//! The native part of the Maven artifact `io.libzdt:libzdt`.
//!
//! It holds no policy: it converts, and calls the core. `java` says which Java classes there are and which functions here
//! their native methods are; a handle is a number in a `table`, and never a pointer.

mod channels;
mod connection;
mod descriptors;
mod edge;
mod event;
mod gate;
mod java;
mod listener;
mod offer;
mod reuseport;
mod table;
mod takeover;
