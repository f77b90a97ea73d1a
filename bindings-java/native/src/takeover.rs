//! `Takeover`: every call that is made on the handle.

use crate::connection::{descriptor, lent, read_address};
use crate::descriptors::dead;
use crate::edge::{Result, count, duration, read_bytes, read_ints, strings};
use crate::event;
use crate::java::{JCompanion, JConfig, JEvent, JPeer, JProgress};
use crate::table::Table;
use jni::Env;
use jni::objects::{JByteArray, JClass, JObjectArray, JString};
use jni::sys::{jboolean, jint, jlong};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use zdt::{Config, Error, ErrorKind, Frozen, NotMigrated, OnMismatch, Reads, Takeover};

static TAKEOVERS: Table<Takeover> = Table::new();

/// The handle's own clone: no lock is held during the call.
fn takeover(handle: jlong) -> Result<Takeover> {
    let gone = || Error::new(ErrorKind::Closed, "there is no such handle", "open a new one");
    Ok(TAKEOVERS.get(handle).ok_or_else(gone)?)
}

pub fn open<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    path: JByteArray<'local>,
    config: JConfig<'local>,
) -> Result<jlong> {
    let path = read_bytes(env, &path)?;
    let config = core_config(env, &config)?;
    dead()?;
    Ok(TAKEOVERS.insert(Takeover::open(OsStr::from_bytes(&path), config)?))
}

/// Nobody has the handle any more; dropping it closes it, if it is still open.
pub fn forget<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    drop(TAKEOVERS.remove(handle));
    Ok(())
}

pub fn generation<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<jlong> {
    Ok(count(takeover(handle)?.generation()))
}

pub fn predecessor<'local>(env: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<JPeer<'local>> {
    event::peer(env, takeover(handle)?.predecessor().as_ref())
}

pub fn listener<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    name: JString<'local>,
    spec: JString<'local>,
) -> Result<jint> {
    let (name, spec) = (name.try_to_string(env)?, spec.try_to_string(env)?);
    Ok(takeover(handle)?.listener(&name, &spec.parse()?)?.into_raw_fd())
}

pub fn unclaimed<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
) -> Result<JObjectArray<'local, JString<'local>>> {
    strings(env, takeover(handle)?.unclaimed())
}

pub fn retire<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    name: JString<'local>,
) -> Result<()> {
    let name = name.try_to_string(env)?;
    Ok(takeover(handle)?.retire(&name)?)
}

pub fn ready<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    Ok(takeover(handle)?.ready()?)
}

/// A negative time is for ever.
pub fn next_event<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    nanos: jlong,
) -> Result<JEvent<'local>> {
    let timeout = (nanos >= 0).then(|| duration(nanos));
    match takeover(handle)?.next_event(timeout)? {
        Some(event) => event::made(env, event),
        None => Ok(JEvent::null()),
    }
}

pub fn event_fd<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<jint> {
    Ok(takeover(handle)?.event_fd().as_raw_fd())
}

/// Takes the fields of a `Parcel`, and copies the bytes; arrays are null where there is nothing in them. False: full.
#[allow(clippy::too_many_arguments, reason = "one crossing costs less than one for each field")]
pub fn migrate<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    id: jlong,
    number: jint,
    protocol: JString<'local>,
    state_version: jint,
    state: JByteArray<'local>,
    unread: JByteArray<'local>,
    unsent: JByteArray<'local>,
    local: JByteArray<'local>,
    peer: JByteArray<'local>,
    dialled: jboolean,
    companions: JObjectArray<'local, JCompanion<'local>>,
) -> Result<jboolean> {
    let read = |array: &JByteArray<'_>| if array.is_null() { Ok(Vec::new()) } else { read_bytes(env, array) };
    let (state, unread, unsent) = (read(&state)?, read(&unread)?, read(&unsent)?);
    let frozen = Frozen {
        id: id.cast_unsigned(),
        socket: descriptor(number)?,
        companions: lent(env, &companions)?,
        protocol: protocol.try_to_string(env)?.into(),
        state_version: state_version.cast_unsigned(),
        state,
        unread,
        unsent,
        local: read_address(env, &local)?,
        peer: read_address(env, &peer)?,
        dialled,
    };
    match takeover(handle)?.migrate(frozen) {
        Ok(()) => Ok(true),
        Err(NotMigrated::Full(mut copy)) => {
            copy.wipe(); // Java has its own
            Ok(false)
        }
        Err(NotMigrated::Failed(mut copy, error)) => {
            copy.wipe();
            Err(error.into())
        }
    }
}

pub fn migrated_all<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    Ok(takeover(handle)?.migrated_all()?)
}

pub fn drain<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    Ok(takeover(handle)?.drain()?)
}

pub fn set_connections<'local>(
    _: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    count: jlong,
) -> Result<()> {
    takeover(handle)?.set_connections(u64::try_from(count).unwrap_or(0));
    Ok(())
}

pub fn progress<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
) -> Result<JProgress<'local>> {
    let now = takeover(handle)?.progress();
    Ok(JProgress::new(
        env,
        count(now.generation),
        count(now.expected),
        count(now.offered),
        count(now.settled),
        count(now.returned),
        count(now.unread_bytes),
        count(now.unsent_bytes),
        count(now.state_bytes),
    )?)
}

pub fn close<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    takeover(handle)?.close();
    Ok(())
}

pub fn signal_drain<'local>(_: &mut Env<'local>, _: JClass<'local>, pid: jint) -> Result<()> {
    // A negative number is no pid, and neither is 0.
    Ok(zdt::signal_drain(u32::try_from(pid).unwrap_or(0))?)
}

/// The core's defaults, and over them what Java set.
fn core_config(env: &mut Env<'_>, given: &JConfig<'_>) -> Result<Config> {
    let mut config = Config::default();
    config.program = given.program(env)?.try_to_string(env)?;
    config.runtime = given.runtime(env)?.try_to_string(env)?;
    let durations: [(&mut Duration, jlong); 6] = [
        (&mut config.handshake, given.handshake(env)?),
        (&mut config.ready, given.ready(env)?),
        (&mut config.commit, given.commit(env)?),
        (&mut config.drain, given.drain(env)?),
        (&mut config.probation, given.probation(env)?),
        (&mut config.hang, given.hang(env)?),
    ];
    for (to, nanos) in durations {
        if nanos >= 0 {
            *to = duration(nanos);
        }
    }
    let sizes =
        [(&mut config.max_state, given.max_state(env)?), (&mut config.max_bytes, given.max_bytes(env)?)];
    for (to, bytes) in sizes {
        if let Ok(bytes) = usize::try_from(bytes) {
            *to = bytes;
        }
    }
    let (protocols, versions) = (given.reads_protocols(env)?, given.reads_versions(env)?);
    for index in 0..protocols.len(env)? {
        let protocol = protocols.get_element(env, index)?.try_to_string(env)?;
        let versions = versions.get_element(env, index)?;
        let versions = read_ints(env, &versions)?.into_iter().map(jint::cast_unsigned).collect();
        config.reads.push(Reads { protocol, versions });
    }
    if given.bind_on_mismatch(env)? {
        config.on_mismatch = OnMismatch::Bind;
    }
    let uids = given.allowed_uids(env)?;
    config.allowed_uids = read_ints(env, &uids)?.into_iter().map(jint::cast_unsigned).collect();
    let signals = given.drain_signals(env)?;
    config.drain_signals = read_ints(env, &signals)?;
    Ok(config)
}
