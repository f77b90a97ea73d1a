//! The state machines and the link under arbitrary input.

mod engine;
mod link;

pub use super::model::wander;
pub use engine::engine;
pub use link::link;
