//! A connection as Java has it, both ways.

use crate::edge::{Result, bytes, invalid, read_bytes};
use crate::java::JCompanion;
use jni::Env;
use jni::objects::{JByteArray, JObjectArray, JString};
use jni::sys::{jint, jlong};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use zdt::{Address, Companion, Connection};

/// The further descriptors, as the caller lends them; null for none.
pub fn lent(env: &mut Env<'_>, given: &JObjectArray<'_, JCompanion<'_>>) -> Result<Vec<Companion<RawFd>>> {
    let mut companions = Vec::new();
    let count = if given.is_null() { 0 } else { given.len(env)? };
    for index in 0..count {
        let companion = given.get_element(env, index)?;
        let (unread, unsent) = (companion.unread(env)?, companion.unsent(env)?);
        companions.push(Companion {
            name: companion.name(env)?.try_to_string(env)?,
            fd: descriptor(companion.descriptor(env)?)?,
            unread: read_bytes(env, &unread)?,
            unsent: read_bytes(env, &unsent)?,
        });
    }
    Ok(companions)
}

/// A number that can be a descriptor.
pub fn descriptor(number: jint) -> Result<RawFd> {
    if number < 0 {
        return Err(invalid(format!("{number} is no descriptor")).into());
    }
    Ok(number)
}

/// What Java is shown, in the order of the fields of its `Parcel`; whose the descriptors are, the Java class says that
/// holds it.
pub struct Shown<'local> {
    pub id: jlong,
    pub descriptor: jint,
    pub protocol: JString<'local>,
    pub state_version: jint,
    pub state: JByteArray<'local>,
    pub unread: JByteArray<'local>,
    pub unsent: JByteArray<'local>,
    pub local: JByteArray<'local>,
    pub peer: JByteArray<'local>,
    pub dialled: bool,
    pub companions: JObjectArray<'local, JCompanion<'local>>,
}

pub fn shown<'local, F: AsRawFd>(env: &mut Env<'local>, c: &Connection<F>) -> Result<Shown<'local>> {
    Ok(Shown {
        id: c.id.cast_signed(),
        descriptor: c.socket.as_raw_fd(),
        protocol: env.new_string(&*c.protocol)?,
        state_version: c.state_version.cast_signed(),
        state: some(env, &c.state)?,
        unread: some(env, &c.unread)?,
        unsent: some(env, &c.unsent)?,
        local: address(env, c.local.as_ref())?,
        peer: address(env, c.peer.as_ref())?,
        dialled: c.dialled,
        companions: companions(env, &c.companions)?,
    })
}

fn companions<'local, F: AsRawFd>(
    env: &mut Env<'local>,
    companions: &[Companion<F>],
) -> Result<JObjectArray<'local, JCompanion<'local>>> {
    if companions.is_empty() {
        return Ok(JObjectArray::<JCompanion>::null());
    }
    let array = JObjectArray::<JCompanion>::new(env, companions.len(), JCompanion::null())?;
    for (index, companion) in companions.iter().enumerate() {
        let name = env.new_string(&companion.name)?;
        let (unread, unsent) = (bytes(env, &companion.unread)?, bytes(env, &companion.unsent)?);
        let companion = JCompanion::new(env, name, companion.fd.as_raw_fd(), unread, unsent)?;
        array.set_element(env, index, &companion)?;
    }
    Ok(array)
}

/// Null for nothing: most connections carry none.
fn some<'local>(env: &mut Env<'local>, given: &[u8]) -> Result<JByteArray<'local>> {
    if given.is_empty() { Ok(JByteArray::null()) } else { bytes(env, given) }
}

/// As `Addresses` in Java reads it; null for none.
pub fn address<'local>(env: &mut Env<'local>, address: Option<&Address>) -> Result<JByteArray<'local>> {
    let mut form = Vec::new();
    match address {
        None => return Ok(JByteArray::null()),
        Some(Address::Inet(SocketAddr::V4(v4))) => {
            form.push(b'4');
            form.extend(v4.ip().octets());
            form.extend(v4.port().to_be_bytes());
        }
        Some(Address::Inet(SocketAddr::V6(v6))) => {
            form.push(b'6');
            form.extend(v6.ip().octets());
            form.extend(v6.port().to_be_bytes());
            form.extend(v6.scope_id().to_be_bytes());
        }
        Some(Address::Path(path)) => {
            form.push(b'P');
            form.extend(path.as_os_str().as_bytes());
        }
        Some(Address::Unnamed) => form.push(b'U'),
    }
    bytes(env, &form)
}

pub fn read_address(env: &Env<'_>, form: &JByteArray<'_>) -> Result<Option<Address>> {
    if form.is_null() {
        return Ok(None);
    }
    let form = read_bytes(env, form)?;
    let inet = |ip: IpAddr, port: &[u8; 2]| SocketAddr::new(ip, u16::from_be_bytes(*port));
    let read = match form.split_first() {
        Some((b'U', [])) => Some(Address::Unnamed),
        Some((b'P', path)) => Some(Address::Path(OsStr::from_bytes(path).into())),
        Some((b'4', rest)) => rest
            .split_first_chunk::<4>()
            .and_then(|(ip, port)| Some(Address::Inet(inet(IpAddr::from(*ip), port.try_into().ok()?)))),
        Some((b'6', rest)) => rest.split_first_chunk::<16>().and_then(|(ip, rest)| {
            let (port, scope) = rest.split_first_chunk::<2>()?;
            let scope = u32::from_be_bytes(scope.try_into().ok()?);
            Some(Address::Inet(SocketAddrV6::new((*ip).into(), u16::from_be_bytes(*port), 0, scope).into()))
        }),
        _ => None,
    };
    Ok(Some(read.ok_or_else(|| invalid("an address of an unknown form"))?))
}
