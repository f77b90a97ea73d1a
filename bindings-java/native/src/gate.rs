//! `Gate`: who is inside when one wants to leave.

use crate::edge::{Result, count, duration};
use crate::table::Table;
use jni::Env;
use jni::objects::JClass;
use jni::sys::{jboolean, jlong};
use zdt::{Error, ErrorKind, Gate};

static GATES: Table<Gate> = Table::new();

fn gate(handle: jlong) -> Result<Gate> {
    let gone = || Error::new(ErrorKind::Closed, "there is no such gate", "make a new one");
    Ok(GATES.get(handle).ok_or_else(gone)?)
}

pub fn new<'local>(_: &mut Env<'local>, _: JClass<'local>) -> Result<jlong> {
    Ok(GATES.insert(Gate::new()))
}

pub fn enter<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<jboolean> {
    Ok(gate(handle)?.enter_raw())
}

pub fn leave<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<jboolean> {
    Ok(gate(handle)?.leave_raw())
}

pub fn close<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    gate(handle)?.close();
    Ok(())
}

pub fn open<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    gate(handle)?.open();
    Ok(())
}

pub fn wait<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong, nanos: jlong) -> Result<jboolean> {
    Ok(gate(handle)?.wait(duration(nanos)).is_ok())
}

pub fn in_flight<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<jlong> {
    Ok(count(gate(handle)?.in_flight()))
}

pub fn forget<'local>(_: &mut Env<'local>, _: JClass<'local>, handle: jlong) -> Result<()> {
    drop(GATES.remove(handle));
    Ok(())
}
