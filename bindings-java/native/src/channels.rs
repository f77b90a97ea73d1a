//! java.nio's channels from descriptors, and Netty's protected methods: what Java code cannot reach, JNI can.

use crate::edge::{Failure, Result};
use jni::errors::Error as JniError;
use jni::objects::{JClass, JObject};
use jni::signature::MethodSignature;
use jni::strings::JNIStr;
use jni::sys::jint;
use jni::{Env, bind_java_type, jni_sig, jni_str};
use zdt::{Error, ErrorKind};

bind_java_type! {
    SelectorProvider => java.nio.channels.spi.SelectorProvider,
    methods { static fn provider() -> java.nio.channels.spi.SelectorProvider },
}

bind_java_type! {
    IoUtil => sun.nio.ch.IOUtil,
    methods {
        static fn new_fd { sig = (number: jint) -> java.io.FileDescriptor, name = "newFD" },
        static fn fd_val { sig = (descriptor: java.io.FileDescriptor) -> jint, name = "fdVal" },
    },
}

bind_java_type! {
    SocketChannelImpl => sun.nio.ch.SocketChannelImpl,
    constructors {
        fn new(
            provider: java.nio.channels.spi.SelectorProvider, family: java.net.ProtocolFamily,
            descriptor: java.io.FileDescriptor, remote: java.net.SocketAddress
        ),
    },
}

bind_java_type! {
    ServerSocketChannelImpl => sun.nio.ch.ServerSocketChannelImpl,
    constructors {
        fn new(
            provider: java.nio.channels.spi.SelectorProvider, family: java.net.ProtocolFamily,
            descriptor: java.io.FileDescriptor, bound: jboolean
        ),
    },
}

bind_java_type! {
    DatagramChannelImpl => sun.nio.ch.DatagramChannelImpl,
    constructors {
        fn new(provider: java.nio.channels.spi.SelectorProvider, descriptor: java.io.FileDescriptor),
    },
    fields {
        family: java.net.ProtocolFamily,
        initial_local_address { sig = java.net.InetSocketAddress, name = "initialLocalAddress" },
        local_address { sig = java.net.InetSocketAddress, name = "localAddress" },
        remote_address { sig = java.net.InetSocketAddress, name = "remoteAddress" },
        state: jint,
    },
}

bind_java_type! {
    SocketImpl => java.net.SocketImpl,
    methods { fn get_file_descriptor() -> java.io.FileDescriptor },
}

bind_java_type! {
    SelChImpl => sun.nio.ch.SelChImpl,
    methods { fn get_fd_val { sig = () -> jint, name = "getFDVal" } },
}

/// A channel that owns the descriptor; after an error it is still the caller's.
pub fn socket_channel<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    number: jint,
    family: JObject<'local>,
    remote: JObject<'local>,
) -> Result<JObject<'local>> {
    let channel = known(env, |env| {
        let (provider, descriptor) = (SelectorProvider::provider(env)?, IoUtil::new_fd(env, number)?);
        SocketChannelImpl::new(env, provider, family, descriptor, remote)
    })?;
    Ok(channel.into())
}

pub fn server_socket_channel<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    number: jint,
    family: JObject<'local>,
) -> Result<JObject<'local>> {
    let channel: JObject = known(env, |env| {
        let (provider, descriptor) = (SelectorProvider::provider(env)?, IoUtil::new_fd(env, number)?);
        ServerSocketChannelImpl::new(env, provider, &family, descriptor, true)
    })?
    .into();
    // The constructor takes every socket for one of IPv6 where there is IPv6: options of accepted ones fail on one of
    // IPv4. What a JDK does not let us put right we leave: accepting works all the same.
    let sig = jni_sig!(java.net.ProtocolFamily);
    if env.set_field(&channel, jni_str!("family"), sig, (&family).into()).is_err() {
        env.exception_clear();
    }
    Ok(channel)
}

/// `remote` is null where the socket is not connected. The descriptor is one of UDP: the constructor must not fail on it,
/// since the JDK closes one that it could not use, and perhaps much later.
pub fn datagram_channel<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    number: jint,
    family: JObject<'local>,
    remote: JObject<'local>,
) -> Result<JObject<'local>> {
    /// `ST_CONNECTED`
    const CONNECTED: jint = 1;

    let channel = known(env, |env| {
        let (provider, descriptor) = (SelectorProvider::provider(env)?, IoUtil::new_fd(env, number)?);
        let channel = DatagramChannelImpl::new(env, provider, descriptor)?;
        // It takes every socket for an unconnected one of IPv6 (where there is IPv6): then nothing could be sent.
        channel.set_family(env, family)?;
        if !remote.is_null() {
            // What `disconnect` is to bind it to.
            let local = channel.local_address(env)?;
            channel.set_initial_local_address(env, local)?;
            channel.set_remote_address(env, remote)?;
            channel.set_state(env, CONNECTED)?;
        }
        Ok(channel)
    })?;
    Ok(channel.into())
}

/// Of a `java.net.Socket` or `ServerSocket`; -1: it has none, or none any more.
pub fn descriptor_of_socket<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    socket: JObject<'local>,
) -> Result<jint> {
    known(env, |env| {
        let sig = jni_sig!(java.net.SocketImpl);
        let implementation = env.get_field(&socket, jni_str!("impl"), sig)?.l()?;
        if implementation.is_null() {
            return Ok(-1);
        }
        let descriptor = env.cast_local::<SocketImpl>(implementation)?.get_file_descriptor(env)?;
        if descriptor.is_null() { Ok(-1) } else { IoUtil::fd_val(env, descriptor) }
    })
}

pub fn descriptor_of<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    channel: JObject<'local>,
) -> Result<jint> {
    known(env, |env| env.cast_local::<SelChImpl>(channel)?.get_fd_val(env))
}

pub fn internal_buffer<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    decoder: JObject<'local>,
) -> Result<JObject<'local>> {
    protected(env, &decoder, jni_str!("internalBuffer"), &jni_sig!(() -> io.netty.buffer.ByteBuf))
}

pub fn inbound_handler<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    combined: JObject<'local>,
) -> Result<JObject<'local>> {
    protected(
        env,
        &combined,
        jni_str!("inboundHandler"),
        &jni_sig!(() -> io.netty.channel.ChannelInboundHandler),
    )
}

/// A channel of Netty's epoll that has a parent, as accepted ones have: that constructor is none of its face. `remote` is
/// null for a socket of Unix.
pub fn epoll_channel<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    channel: JClass<'local>,
    socket: JClass<'local>,
    parent: JObject<'local>,
    number: jint,
    remote: JObject<'local>,
) -> Result<JObject<'local>> {
    known(env, |env| {
        let socket = env.new_object(&socket, jni_sig!((number: jint) -> ()), &[number.into()])?;
        if remote.is_null() {
            let sig = jni_sig!((parent: io.netty.channel.Channel, socket: io.netty.channel.epoll.LinuxSocket) -> ());
            return env.new_object(&channel, sig, &[(&parent).into(), (&socket).into()]);
        }
        let sig = jni_sig!(
            (parent: io.netty.channel.Channel, socket: io.netty.channel.epoll.LinuxSocket, remote: java.net.InetSocketAddress)
                -> ()
        );
        env.new_object(&channel, sig, &[(&parent).into(), (&socket).into(), (&remote).into()])
    })
}

pub fn java_channel<'local>(
    env: &mut Env<'local>,
    _: JClass<'local>,
    channel: JObject<'local>,
) -> Result<JObject<'local>> {
    protected(env, &channel, jni_str!("javaChannel"), &jni_sig!(() -> java.nio.channels.SelectableChannel))
}

fn protected<'local>(
    env: &mut Env<'local>,
    of: &JObject<'local>,
    name: &JNIStr,
    sig: &MethodSignature<'_, '_>,
) -> Result<JObject<'local>> {
    known(env, |env| env.call_method(of, name, sig, &[])?.l())
}

/// What JNI does not find in this JVM, or this Netty, is an error that says what it is.
fn known<'local, T>(
    env: &mut Env<'local>,
    call: impl FnOnce(&mut Env<'local>) -> jni::errors::Result<T>,
) -> Result<T> {
    call(env).map_err(|error| match error {
        JniError::NoClassDefFound { .. }
        | JniError::ClassNotFound { .. }
        | JniError::MethodNotFound { .. }
        | JniError::NoSuchMethod(_)
        | JniError::FieldNotFound { .. }
        | JniError::WrongObjectType => {
            env.exception_clear();
            Error::new(ErrorKind::Unsupported, error.to_string(), "").into()
        }
        other => Failure::Jni(other),
    })
}
