//! Events, as Java has them.

use crate::connection::shown;
use crate::edge::{Result, count, fault, ints, nanos, strings};
use crate::java::{JEvent, JPeer, JReads, Made};
use crate::offer;
use jni::Env;
use jni::objects::JObjectArray;
use jni::sys::jint;
use zdt::{Error, ErrorKind, Event, Peer, Reads, Returned};

pub fn made<'local>(env: &mut Env<'local>, event: Event) -> Result<JEvent<'local>> {
    Ok(match event {
        Event::Offer(offer) => offer::made(env, offer)?,
        Event::Drain { successor, deadline, reads, retired } => {
            let (successor, reads) = (peer(env, successor.as_ref())?, readable(env, &reads)?);
            let retired = strings(env, retired)?;
            Made::drain(env, successor, nanos(deadline), reads, retired)?
        }
        Event::Settled(id) => Made::settled(env, id.cast_signed())?,
        Event::Returned(mut frozen, why) => {
            let shown = shown(env, &frozen);
            frozen.wipe(); // a copy: Java thaws its own
            let c = shown?;
            Made::returned(
                env,
                why == Returned::Refused,
                c.id,
                c.descriptor,
                c.protocol,
                c.state_version,
                c.state,
                c.unread,
                c.unsent,
                c.local,
                c.peer,
                c.dialled,
                c.companions,
            )?
        }
        Event::Room => Made::room(env)?,
        Event::Committed { generation } => Made::committed(env, count(generation))?,
        Event::Resume { cause } => {
            let cause = fault(env, &cause)?;
            Made::resume(env, cause)?
        }
        Event::Accept { cause } => {
            let cause = fault(env, &cause)?;
            Made::accept(env, cause)?
        }
        Event::Relieved => Made::relieved(env)?,
        Event::Aborted { cause } => {
            let cause = fault(env, &cause)?;
            Made::aborted(env, cause)?
        }
        Event::Done { left } => Made::done(env, count(left))?,
        other => return Err(Error::new(ErrorKind::Internal, format!("Java has no {other:?}"), "").into()),
    })
}

/// Null for nobody.
pub fn peer<'local>(env: &mut Env<'local>, peer: Option<&Peer>) -> Result<JPeer<'local>> {
    let Some(peer) = peer else { return Ok(JPeer::null()) };
    let (program, runtime) = (env.new_string(&peer.program)?, env.new_string(&peer.runtime)?);
    Ok(JPeer::new(env, peer.pid.cast_signed(), program, runtime, count(peer.generation))?)
}

fn readable<'local>(env: &mut Env<'local>, reads: &[Reads]) -> Result<JObjectArray<'local, JReads<'local>>> {
    let array = JObjectArray::<JReads>::new(env, reads.len(), JReads::null())?;
    for (index, reads) in reads.iter().enumerate() {
        let versions: Vec<jint> = reads.versions.iter().map(|version| version.cast_signed()).collect();
        let (protocol, versions) = (env.new_string(&reads.protocol)?, ints(env, &versions)?);
        let reads = JReads::new(env, protocol, versions)?;
        array.set_element(env, index, &reads)?;
    }
    Ok(array)
}
