//! `ListenerSpec`: Java keeps the core's own text, which has been checked.

use crate::edge::{Result, invalid, read_bytes};
use jni::Env;
use jni::objects::{JByteArray, JClass, JString};
use jni::sys::jint;
use std::ffi::OsStr;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use zdt::ListenerSpec;

/// What `text` says, with one option set if there is one.
pub fn spec<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    text: JString<'local>,
    option: JString<'local>,
    value: jint,
) -> Result<JString<'local>> {
    let mut spec: ListenerSpec = text.try_to_string(env)?.parse()?;
    if !option.is_null() {
        let option = option.try_to_string(env)?;
        let number = u32::try_from(value).map_err(|_| invalid(format!("{option} is {value}")))?;
        spec = match option.as_str() {
            "backlog" => spec.backlog(number),
            "mode" => spec.mode(number),
            "v6only" => spec.v6only(number != 0),
            "nodelay" => spec.nodelay(number != 0),
            "reuseport" => spec.reuseport(number != 0),
            _ => return Err(invalid(format!("{option} is no option")).into()),
        };
    }
    checked(env, &spec)
}

pub fn unix_spec<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    path: JByteArray<'local>,
) -> Result<JString<'local>> {
    let path = read_bytes(env, &path)?;
    checked(env, &ListenerSpec::unix(OsStr::from_bytes(&path)))
}

pub fn abstract_spec<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    name: JByteArray<'local>,
) -> Result<JString<'local>> {
    let name = read_bytes(env, &name)?;
    checked(env, &ListenerSpec::abstract_unix(name))
}

pub fn bind<'local>(env: &mut Env<'local>, _: JClass<'local>, spec: JString<'local>) -> Result<jint> {
    let spec: ListenerSpec = spec.try_to_string(env)?.parse()?;
    Ok(spec.bind()?.into_raw_fd())
}

/// Its text, if it parses: whether the options go together, the parser says.
fn checked<'local>(env: &mut Env<'local>, spec: &ListenerSpec) -> Result<JString<'local>> {
    let text = spec.to_string();
    text.parse::<ListenerSpec>()?;
    Ok(env.new_string(text)?)
}
