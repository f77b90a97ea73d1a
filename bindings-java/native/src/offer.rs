//! `Offer`: a connection in the hands of the successor's application.

use crate::connection::shown;
use crate::edge::Result;
use crate::java::{JEvent, Made};
use crate::table::Table;
use jni::Env;
use jni::objects::{JClass, JString};
use jni::sys::{jboolean, jlong};
use std::os::fd::IntoRawFd;
use zdt::{Adopted, Error, ErrorKind, Offer};

/// Those that were not answered yet: whoever takes one out answers it.
static OFFERS: Table<Offer> = Table::new();

pub fn made<'local>(env: &mut Env<'local>, offer: Offer) -> Result<JEvent<'local>> {
    let c = shown(env, offer.connection())?;
    let key = OFFERS.insert(offer);
    Made::offer(
        env,
        key,
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
    )
    .map_err(|error| {
        // Java has no object for it: back it goes.
        drop(OFFERS.remove(key));
        error.into()
    })
}

/// Whether it is ours now: then its descriptors are Java's, which has their numbers.
pub fn adopted<'local>(
    _: &mut Env<'local>,
    _: JClass<'local>,
    key: jlong,
    given: jboolean,
) -> Result<jboolean> {
    let answered = || Error::new(ErrorKind::WrongState, "the offer was answered before", "nothing was done");
    let offer = taken(key, given).ok_or_else(answered)?;
    let Some(mut adopted) = offer.adopt()? else { return Ok(false) };
    // Java has copies of the bytes.
    adopted.wipe();
    let Adopted { socket, companions, .. } = adopted;
    for descriptor in std::iter::once(socket).chain(companions.into_iter().map(|companion| companion.fd)) {
        let _ = descriptor.into_raw_fd();
    }
    Ok(true)
}

pub fn refused<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    key: jlong,
    given: jboolean,
    why: JString<'local>,
) -> Result<()> {
    let why = why.try_to_string(env)?;
    if let Some(offer) = taken(key, given) {
        offer.refuse(&why);
    }
    Ok(())
}

pub fn dropped<'local>(_: &mut Env<'local>, _: JClass<'local>, key: jlong, given: jboolean) -> Result<()> {
    drop(taken(key, given));
    Ok(())
}

/// To be answered; `given`: its descriptors are Java's.
fn taken(key: jlong, given: jboolean) -> Option<Offer> {
    let mut offer = OFFERS.remove(key)?;
    if given {
        offer.give_descriptors();
    }
    Some(offer)
}
