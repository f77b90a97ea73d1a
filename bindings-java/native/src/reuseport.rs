//! `ReuseportGroup`: sockets that share a port, and how they leave without a loss. Waiting is Java's.

use crate::connection::address as address_form;
use crate::descriptors::dead;
use crate::edge::{Result, duration, ints, invalid, nanos};
use crate::java::{JStep, Made};
use crate::table::Table;
use jni::Env;
use jni::objects::{JByteArray, JClass, JIntArray, JString};
use jni::sys::{jint, jlong};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zdt::reuseport::{self as core, Group, Step};
use zdt::{Address, Error, ErrorKind, ListenerSpec};

static GROUPS: Table<Arc<Mutex<Group>>> = Table::new();

/// Calls the core with the group; calls take turns.
fn with<T>(handle: jlong, body: impl FnOnce(&mut Group) -> zdt::Result<T>) -> Result<T> {
    let closed = || Error::new(ErrorKind::Closed, "the group was closed", "its sockets are closed");
    let group = GROUPS.get(handle).ok_or_else(closed)?;
    let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(body(&mut group)?)
}

/// A number of Java's, where less than none is none.
fn number(given: jint) -> usize {
    usize::try_from(given).unwrap_or(0)
}

/// A number for Java.
fn told(number: usize) -> jint {
    jint::try_from(number).unwrap_or(jint::MAX)
}

pub fn bind<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    spec: JString<'local>,
    count: jint,
) -> Result<jlong> {
    let spec: ListenerSpec = spec.try_to_string(env)?.parse()?;
    dead()?; // For the channels that it lets go of.
    let group = Group::bind(&spec, number(count))?;
    Ok(GROUPS.insert(Arc::new(Mutex::new(group))))
}

pub fn address<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
) -> Result<JByteArray<'local>> {
    let address = with(handle, |group| Ok(group.address()))?;
    address_form(env, Some(&Address::Inet(address)))
}

pub fn indexes<'local>(env: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<JIntArray<'local>> {
    let open = |group: &mut Group| Ok(group.sockets().map(|(index, _)| told(index)).collect::<Vec<_>>());
    ints(env, &with(handle, open)?)
}

pub fn socket<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong, index: jint) -> Result<jint> {
    with(handle, |group| {
        let socket = usize::try_from(index).ok().and_then(|index| group.socket(index));
        socket.map(|socket| socket.as_raw_fd()).ok_or_else(|| invalid(format!("there is no socket {index}")))
    })
}

/// A wait of less than no time is the core's own.
pub fn start<'local>(
    _: &mut Env<'local>,
    _: JClass<'local>,
    handle: jlong,
    successors: jint,
    wait: jlong,
) -> Result<()> {
    let wait = (wait >= 0).then(|| duration(wait));
    with(handle, |group| group.start_retiring(number(successors), wait))
}

pub fn step<'local>(env: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<JStep<'local>> {
    Ok(match with(handle, Group::step)? {
        Step::Wait(until) => {
            let left = |until: Instant| until.saturating_duration_since(Instant::now());
            Made::step_wait(env, nanos(until.map_or(Duration::MAX, left)))?
        }
        Step::Accept(index) => Made::step_accept(env, told(index))?,
        Step::Closed(index) => Made::step_closed(env, told(index))?,
        Step::Done(retired) => {
            let waits = jint::try_from(retired.waits).unwrap_or(jint::MAX);
            Made::step_done(env, told(retired.closed), told(retired.successors), waits)?
        }
    })
}

pub fn forget<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    drop(GROUPS.remove(handle));
    Ok(())
}

pub fn kernel<'local>(env: &mut Env<'local>, _: JClass<'local>) -> Result<JIntArray<'local>> {
    let found = core::kernel();
    ints(env, &[jint::from(found.migrates), jint::try_from(found.syncookies).unwrap_or(jint::MAX)])
}
