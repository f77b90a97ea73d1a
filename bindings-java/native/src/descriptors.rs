//! `Descriptors`: system calls on numbers that Java has. Here, and nowhere else in this crate, libc is called.

use crate::connection::{address as address_form, descriptor};
use crate::edge::{Result, bytes, ints, read_bytes, read_ints};
use crate::java::JReceived;
use jni::Env;
use jni::objects::{JByteArray, JClass, JIntArray};
use jni::sys::{jboolean, jchar, jint};
use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::{self, UnixStream};
use std::sync::OnceLock;
use zdt::{Address, Error};

/// A descriptor that Java says is open, for the time of a call.
fn borrowed<'a>(number: jint) -> Result<BorrowedFd<'a>> {
    let number = descriptor(number)?;
    // SAFETY: not negative. If it is not open, or another's, the system call that follows says so or does what Java asked
    // for; no memory depends on it.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// What a system call gave.
fn done(call: &str, result: jint) -> Result<jint> {
    if result < 0 { Err(Error::system(call, &io::Error::last_os_error()).into()) } else { Ok(result) }
}

pub fn dup<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<jint> {
    let copy = borrowed(number)?.try_clone_to_owned().map_err(|error| Error::system("dup", &error))?;
    Ok(copy.into_raw_fd())
}

pub fn close<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<()> {
    // SAFETY: a plain number goes in; it is the caller's to close.
    done("close", unsafe { libc::close(descriptor(number)?) }).map(drop)
}

/// Of a connection that the peer has reset there is nothing left to shut down.
pub fn shutdown<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<()> {
    // SAFETY: a plain number goes in.
    match done("shutdown", unsafe { libc::shutdown(descriptor(number)?, libc::SHUT_RDWR) }) {
        Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::NotConnected => Ok(()),
        otherwise => otherwise.map(drop),
    }
}

/// A socket whose other end is closed. One serves all, and is there from the first takeover on: letting go must not need a
/// descriptor when none is left.
pub fn dead() -> Result<&'static UnixStream> {
    static DEAD: OnceLock<UnixStream> = OnceLock::new();
    if let Some(dead) = DEAD.get() {
        return Ok(dead);
    }
    let (dead, _) = UnixStream::pair().map_err(|error| Error::system("socketpair", &error))?;
    Ok(DEAD.get_or_init(|| dead))
}

pub fn neuter<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<()> {
    let (dead, number) = (dead()?.as_raw_fd(), descriptor(number)?);
    // SAFETY: plain numbers go in; what `number` was is the caller's to give up.
    done("dup3", unsafe { libc::dup3(dead, number, libc::O_CLOEXEC) }).map(drop)
}

/// Sets O_NONBLOCK: whether it was set before.
pub fn non_blocking<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<jboolean> {
    let number = descriptor(number)?;
    // SAFETY: plain numbers go in.
    let flags = done("fcntl", unsafe { libc::fcntl(number, libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK == 0 {
        // SAFETY: as above.
        done("fcntl", unsafe { libc::fcntl(number, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    }
    Ok(flags & libc::O_NONBLOCK != 0)
}

pub fn is_unserved<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<jboolean> {
    Ok(zdt::is_unserved(borrowed(number)?))
}

pub fn pair<'local>(env: &mut Env<'local>, _: JClass<'local>) -> Result<JIntArray<'local>> {
    let (one, other) = UnixStream::pair().map_err(|error| Error::system("socketpair", &error))?;
    let array = ints(env, &[one.as_raw_fd(), other.as_raw_fd()])?;
    let _ = (one.into_raw_fd(), other.into_raw_fd());
    Ok(array)
}

/// '4', '6' or 'U'; 0: something else.
pub fn family<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<jchar> {
    Ok(match domain(borrowed(number)?)? {
        libc::AF_INET => '4',
        libc::AF_INET6 => '6',
        libc::AF_UNIX => 'U',
        _ => '\0',
    } as jchar)
}

pub fn is_datagram<'local>(_: &mut Env<'local>, _: JClass<'local>, number: jint) -> Result<jboolean> {
    Ok(option(borrowed(number)?, libc::SO_TYPE)? == libc::SOCK_DGRAM)
}

fn domain(socket: BorrowedFd<'_>) -> Result<jint> {
    option(socket, libc::SO_DOMAIN)
}

/// SO_DOMAIN or SO_TYPE, which are ints.
fn option(socket: BorrowedFd<'_>, name: jint) -> Result<jint> {
    let mut value: jint = 0;
    let mut length = size_of::<jint>() as libc::socklen_t;
    let at = (&raw mut value).cast();
    // SAFETY: there is room for what the option gives, an int.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, at, &mut length) };
    done("getsockopt SO_DOMAIN or SO_TYPE", result).map(|_| value)
}

/// Null where there is none: a socket of another family, or one without a peer.
pub fn address<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    number: jint,
    peer: jboolean,
) -> Result<JByteArray<'local>> {
    let socket = borrowed(number)?;
    let inet = lent::<TcpStream>(socket);
    let found = match if peer { inet.peer_addr() } else { inet.local_addr() } {
        // Of another family.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => named(socket, peer),
        found => found.map(|address| Some(Address::Inet(address))),
    };
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => address_form(env, None),
        Err(error) => Err(Error::system("getsockname or getpeername", &error).into()),
        Ok(found) => address_form(env, found.as_ref()),
    }
}

/// Null for what is no socket of Unix either.
fn named(socket: BorrowedFd<'_>, peer: bool) -> io::Result<Option<Address>> {
    let unix_socket = lent::<UnixStream>(socket);
    match if peer { unix_socket.peer_addr() } else { unix_socket.local_addr() } {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        found => found.map(|address| Some(unix(&address))),
    }
}

/// The abstract names of Linux are none to Java.
fn unix(address: &net::SocketAddr) -> Address {
    address.as_pathname().map_or(Address::Unnamed, |path| Address::Path(path.into()))
}

/// The standard library's socket over a descriptor that stays the caller's.
fn lent<S: FromRawFd>(socket: BorrowedFd<'_>) -> ManuallyDrop<S> {
    // SAFETY: open for the time of the borrow, and never closed through this.
    ManuallyDrop::new(unsafe { S::from_raw_fd(socket.as_raw_fd()) })
}

pub fn send<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    socket: jint,
    data: JByteArray<'local>,
    descriptors: JIntArray<'local>,
) -> Result<()> {
    let (data, numbers) = (read_bytes(env, &data)?, read_ints(env, &descriptors)?);
    let descriptors: Vec<BorrowedFd<'_>> = numbers.into_iter().map(borrowed).collect::<Result<_>>()?;
    Ok(zdt::send_fds(borrowed(socket)?, &data, &descriptors)?)
}

pub fn receive<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    socket: jint,
    room: jint,
) -> Result<JReceived<'local>> {
    let mut data = vec![0; usize::try_from(room).unwrap_or(0)];
    let (length, descriptors) = zdt::recv_fds(borrowed(socket)?, &mut data)?;
    let numbers: Vec<jint> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let (data, numbers) = (bytes(env, &data[..length])?, ints(env, &numbers)?);
    let received = JReceived::new(env, data, numbers)?;
    // Java has the numbers; before, an error closes what came.
    descriptors.into_iter().map(OwnedFd::into_raw_fd).for_each(drop);
    Ok(received)
}
