//! What tests with relays share: processes, clients that check every byte, and a stage to put them on. For the matrix and
//! for `tests/faults`.

pub mod client;
pub mod crowd;
// The client's half of the relay's protocol is the same for load and for cases; the verifier also keeps times.
#[allow(missing_docs)]
#[path = "../../../examples/relay/verifier/src/mirror.rs"]
pub mod mirror;
pub mod process;
// Relays are named as the demo names them.
#[path = "../../../examples/relay/demo/src/program.rs"]
pub mod program;
pub mod stage;

use std::time::Duration;

/// How long anything that must happen may take, with a virtual machine to start and other things to do on the same cores;
/// longer is a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whatever ends a test early, in words.
pub type Trouble = Box<dyn std::error::Error>;
