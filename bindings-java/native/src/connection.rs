//! A connection as Java has it, both ways.

use crate::edge::{Result, bytes, invalid, read_bytes};
use crate::java::{JCompanion, JParcel};
use jni::Env;
use jni::objects::{JByteArray, JObjectArray};
use jni::sys::jint;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use zdt::{Address, Companion, Connection, Frozen};

/// What the caller lends, with the bytes copied.
pub fn frozen(env: &mut Env<'_>, given: &JParcel<'_>) -> Result<Frozen> {
    let (state, unread, unsent) = (given.state(env)?, given.unread(env)?, given.unsent(env)?);
    let (local, peer, companions) = (given.local(env)?, given.peer(env)?, given.companions(env)?);
    Ok(Frozen {
        id: given.id(env)?.cast_unsigned(),
        socket: descriptor(given.descriptor(env)?)?,
        companions: lent(env, &companions)?,
        protocol: given.protocol(env)?.try_to_string(env)?.into(),
        state_version: given.state_version(env)?.cast_unsigned(),
        state: read_bytes(env, &state)?,
        unread: read_bytes(env, &unread)?,
        unsent: read_bytes(env, &unsent)?,
        local: read_address(env, &local)?,
        peer: read_address(env, &peer)?,
        dialled: given.dialled(env)?,
    })
}

fn lent(env: &mut Env<'_>, given: &JObjectArray<'_, JCompanion<'_>>) -> Result<Vec<Companion<RawFd>>> {
    let mut companions = Vec::new();
    for index in 0..given.len(env)? {
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

/// What Java is shown; whose the descriptors are, the Java class says that holds it.
pub fn parcel<'local, F: AsRawFd>(env: &mut Env<'local>, c: &Connection<F>) -> Result<JParcel<'local>> {
    let companions = JObjectArray::<JCompanion>::new(env, c.companions.len(), JCompanion::null())?;
    for (index, companion) in c.companions.iter().enumerate() {
        let name = env.new_string(&companion.name)?;
        let (unread, unsent) = (bytes(env, &companion.unread)?, bytes(env, &companion.unsent)?);
        let companion = JCompanion::new(env, name, companion.fd.as_raw_fd(), unread, unsent)?;
        companions.set_element(env, index, &companion)?;
    }
    let protocol = env.new_string(&*c.protocol)?;
    let (state, unread) = (bytes(env, &c.state)?, bytes(env, &c.unread)?);
    let (unsent, local) = (bytes(env, &c.unsent)?, address(env, c.local.as_ref())?);
    let peer = address(env, c.peer.as_ref())?;
    Ok(JParcel::new(
        env,
        c.id.cast_signed(),
        c.socket.as_raw_fd(),
        protocol,
        c.state_version.cast_signed(),
        state,
        unread,
        unsent,
        local,
        peer,
        c.dialled,
        companions,
    )?)
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

fn read_address(env: &Env<'_>, form: &JByteArray<'_>) -> Result<Option<Address>> {
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
