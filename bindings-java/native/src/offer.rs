//! `Offer`: a connection in the hands of the successor's application.

use crate::connection::parcel;
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
    let parcel = parcel(env, offer.connection())?;
    let key = OFFERS.insert(offer);
    Made::offer(env, key, parcel).map_err(|error| {
        // Java has no object for it: back it goes.
        drop(OFFERS.remove(key));
        error.into()
    })
}

/// Whether it is ours now: then its descriptors are Java's, which has their numbers.
pub fn adopted<'local>(_: &mut Env<'local>, _: JClass<'local>, key: jlong) -> Result<jboolean> {
    let answered = || Error::new(ErrorKind::WrongState, "the offer was answered before", "nothing was done");
    let Some(mut adopted) = OFFERS.remove(key).ok_or_else(answered)?.adopt()? else { return Ok(false) };
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
    why: JString<'local>,
) -> Result<()> {
    let why = why.try_to_string(env)?;
    if let Some(offer) = OFFERS.remove(key) {
        offer.refuse(&why);
    }
    Ok(())
}

pub fn dropped<'local>(_: &mut Env<'local>, _: JClass<'local>, key: jlong) -> Result<()> {
    drop(OFFERS.remove(key));
    Ok(())
}
