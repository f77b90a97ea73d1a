//! The Java classes that are met here, with their native methods. The macro caches every id, and a signature that the class
//! does not have is an error when it is first used.
#![allow(clippy::too_many_arguments, reason = "as many as Parcel has fields")]

use crate::edge::Throw;
use crate::{channels, descriptors, edge, gate, listener, offer, reuseport, takeover};
use jni::bind_java_type;

bind_java_type! {
    Native => io.libzdt.Native,
    type_map = {
        JConfig => io.libzdt.Config,
        JEvent => io.libzdt.Event,
        JCompanion => io.libzdt.Companion,
        JPeer => io.libzdt.Peer,
        JProgress => io.libzdt.Progress,
        JReceived => io.libzdt.Received,
        JStep => io.libzdt.ReuseportStep,
    },
    native_methods_error_policy = Throw,
    native_methods {
        static fn prepare { sig = (), fn = edge::prepare },

        static fn open { sig = (path: jbyte[], config: JConfig) -> jlong, fn = takeover::open },
        static fn forget { sig = (handle: jlong), fn = takeover::forget },
        static fn generation { sig = (handle: jlong) -> jlong, fn = takeover::generation },
        static fn predecessor { sig = (handle: jlong) -> JPeer, fn = takeover::predecessor },
        static fn listener { sig = (handle: jlong, name: JString, spec: JString) -> jint, fn = takeover::listener },
        static fn unclaimed { sig = (handle: jlong) -> JString[], fn = takeover::unclaimed },
        static fn retire { sig = (handle: jlong, name: JString), fn = takeover::retire },
        static fn ready { sig = (handle: jlong), fn = takeover::ready },
        static fn next_event { sig = (handle: jlong, nanos: jlong) -> JEvent, fn = takeover::next_event },
        static fn event_fd { sig = (handle: jlong) -> jint, fn = takeover::event_fd },
        static fn migrate {
            sig = (
                handle: jlong, id: jlong, descriptor: jint, protocol: JString, state_version: jint, state: jbyte[],
                unread: jbyte[], unsent: jbyte[], local: jbyte[], peer: jbyte[], dialled: jboolean,
                companions: JCompanion[]
            ) -> jboolean,
            fn = takeover::migrate,
        },
        static fn migrated_all { sig = (handle: jlong), fn = takeover::migrated_all },
        static fn drain { sig = (handle: jlong), fn = takeover::drain },
        static fn set_connections { sig = (handle: jlong, count: jlong), fn = takeover::set_connections },
        static fn progress { sig = (handle: jlong) -> JProgress, fn = takeover::progress },
        static fn close { sig = (handle: jlong), fn = takeover::close },
        static fn signal_drain { sig = (pid: jint), fn = takeover::signal_drain },

        static fn offer_adopted { sig = (key: jlong, given: jboolean) -> jboolean, fn = offer::adopted },
        static fn offer_refused { sig = (key: jlong, given: jboolean, why: JString), fn = offer::refused },
        static fn offer_dropped { sig = (key: jlong, given: jboolean), fn = offer::dropped },

        static fn spec { sig = (text: JString, option: JString, value: jint) -> JString, fn = listener::spec },
        static fn unix_spec { sig = (path: jbyte[]) -> JString, fn = listener::unix_spec },
        static fn abstract_spec { sig = (name: jbyte[]) -> JString, fn = listener::abstract_spec },
        static fn bind { sig = (spec: JString) -> jint, fn = listener::bind },

        static fn gate { sig = () -> jlong, fn = gate::new },
        static fn gate_enter { sig = (gate: jlong) -> jboolean, fn = gate::enter },
        static fn gate_leave { sig = (gate: jlong) -> jboolean, fn = gate::leave },
        static fn gate_close { sig = (gate: jlong), fn = gate::close },
        static fn gate_open { sig = (gate: jlong), fn = gate::open },
        static fn gate_wait { sig = (gate: jlong, nanos: jlong) -> jboolean, fn = gate::wait },
        static fn gate_in_flight { sig = (gate: jlong) -> jlong, fn = gate::in_flight },
        static fn gate_forget { sig = (gate: jlong), fn = gate::forget },

        static fn group { sig = (spec: JString, count: jint) -> jlong, fn = reuseport::bind },
        static fn group_address { sig = (group: jlong) -> jbyte[], fn = reuseport::address },
        static fn group_indexes { sig = (group: jlong) -> jint[], fn = reuseport::indexes },
        static fn group_socket { sig = (group: jlong, index: jint) -> jint, fn = reuseport::socket },
        static fn group_start { sig = (group: jlong, successors: jint, nanos: jlong), fn = reuseport::start },
        static fn group_step { sig = (group: jlong) -> JStep, fn = reuseport::step },
        static fn group_forget { sig = (group: jlong), fn = reuseport::forget },
        static fn kernel { sig = () -> jint[], fn = reuseport::kernel },

        static fn dup { sig = (descriptor: jint) -> jint, fn = descriptors::dup },
        static fn close_descriptor { sig = (descriptor: jint), fn = descriptors::close },
        static fn shutdown { sig = (descriptor: jint), fn = descriptors::shutdown },
        static fn neuter { sig = (descriptor: jint), fn = descriptors::neuter },
        static fn is_unserved { sig = (descriptor: jint) -> jboolean, fn = descriptors::is_unserved },
        static fn non_blocking { sig = (descriptor: jint) -> jboolean, fn = descriptors::non_blocking },
        static fn pair { sig = () -> jint[], fn = descriptors::pair },
        static fn family { sig = (descriptor: jint) -> jchar, fn = descriptors::family },
        static fn is_datagram { sig = (descriptor: jint) -> jboolean, fn = descriptors::is_datagram },
        static fn address { sig = (descriptor: jint, peer: jboolean) -> jbyte[], fn = descriptors::address },
        static fn send { sig = (socket: jint, data: jbyte[], descriptors: jint[]), fn = descriptors::send },
        static fn receive { sig = (socket: jint, room: jint) -> JReceived, fn = descriptors::receive },

        static fn socket_channel {
            sig = (descriptor: jint, family: java.net.ProtocolFamily, remote: java.net.SocketAddress)
                -> java.nio.channels.SocketChannel,
            fn = channels::socket_channel,
        },
        static fn server_socket_channel {
            sig = (descriptor: jint, family: java.net.ProtocolFamily) -> java.nio.channels.ServerSocketChannel,
            fn = channels::server_socket_channel,
        },
        static fn datagram_channel {
            sig = (descriptor: jint, family: java.net.ProtocolFamily, remote: java.net.InetSocketAddress)
                -> java.nio.channels.DatagramChannel,
            fn = channels::datagram_channel,
        },
        static fn descriptor_of_socket { sig = (socket: java.lang.Object) -> jint, fn = channels::descriptor_of_socket },
        static fn descriptor_of {
            sig = (channel: java.nio.channels.SelectableChannel) -> jint,
            fn = channels::descriptor_of,
        },

        static fn errors { sig = () -> JString[], fn = edge::errors },
    },
}

bind_java_type! {
    NettyInternals => io.libzdt.internal.NettyInternals,
    native_methods_error_policy = Throw,
    native_methods {
        static fn internal_buffer {
            sig = (decoder: java.lang.Object) -> java.lang.Object,
            fn = channels::internal_buffer,
        },
        static fn inbound_handler {
            sig = (combined: java.lang.Object) -> java.lang.Object,
            fn = channels::inbound_handler,
        },
        static fn epoll_channel {
            sig = (
                channel: java.lang.Class, socket: java.lang.Class, parent: java.lang.Object, descriptor: jint,
                remote: java.net.InetSocketAddress
            ) -> java.lang.Object,
            fn = channels::epoll_channel,
        },
        static fn java_channel {
            sig = (channel: java.lang.Object) -> java.lang.Object,
            fn = channels::java_channel,
        },
    },
}

bind_java_type! {
    pub Made => io.libzdt.Made,
    type_map = {
        JEvent => io.libzdt.Event,
        JFault => io.libzdt.Fault,
        JCompanion => io.libzdt.Companion,
        JPeer => io.libzdt.Peer,
        JReads => io.libzdt.Reads,
        JStep => io.libzdt.ReuseportStep,
    },
    methods {
        static fn offer(
            key: jlong, id: jlong, descriptor: jint, protocol: JString, state_version: jint, state: jbyte[],
            unread: jbyte[], unsent: jbyte[], local: jbyte[], peer: jbyte[], dialled: jboolean,
            companions: JCompanion[]
        ) -> JEvent,
        static fn drain(successor: JPeer, nanos: jlong, reads: JReads[], retired: JString[]) -> JEvent,
        static fn settled(id: jlong) -> JEvent,
        static fn returned(
            refused: jboolean, id: jlong, descriptor: jint, protocol: JString, state_version: jint, state: jbyte[],
            unread: jbyte[], unsent: jbyte[], local: jbyte[], peer: jbyte[], dialled: jboolean,
            companions: JCompanion[]
        ) -> JEvent,
        static fn room() -> JEvent,
        static fn committed(generation: jlong) -> JEvent,
        static fn resume(cause: JFault) -> JEvent,
        static fn accept(cause: JFault) -> JEvent,
        static fn relieved() -> JEvent,
        static fn aborted(cause: JFault) -> JEvent,
        static fn done(left: jlong) -> JEvent,
        static fn step_wait(nanos: jlong) -> JStep,
        static fn step_accept(index: jint) -> JStep,
        static fn step_closed(index: jint) -> JStep,
        static fn step_done(closed: jint, successors: jint, waits: jint) -> JStep,
        static fn fault(number: jint, what: JString, state: JString, errno: jint, pid: jint) -> JFault,
        static fn thrown(fault: JFault) -> JThrowable,
    },
}

bind_java_type! { pub JEvent => io.libzdt.Event }

bind_java_type! { pub JStep => io.libzdt.ReuseportStep }

bind_java_type! { pub JFault => io.libzdt.Fault }

bind_java_type! {
    pub JConfig => io.libzdt.Config,
    fields {
        program { sig = JString, get = program },
        runtime { sig = JString, get = runtime },
        handshake { sig = jlong, get = handshake },
        ready { sig = jlong, get = ready },
        commit { sig = jlong, get = commit },
        drain { sig = jlong, get = drain },
        probation { sig = jlong, get = probation },
        hang { sig = jlong, get = hang },
        bind_on_mismatch { sig = jboolean, name = "bindOnMismatch", get = bind_on_mismatch },
        max_state { sig = jlong, name = "maxState", get = max_state },
        max_bytes { sig = jlong, name = "maxBytes", get = max_bytes },
        reads_protocols { sig = JString[], name = "readsProtocols", get = reads_protocols },
        reads_versions { sig = jint[][], name = "readsVersions", get = reads_versions },
        allowed_uids { sig = jint[], name = "allowedUids", get = allowed_uids },
        drain_signals { sig = jint[], name = "drainSignals", get = drain_signals },
    },
}

bind_java_type! {
    pub JCompanion => io.libzdt.Companion,
    constructors { fn new(name: JString, descriptor: jint, unread: jbyte[], unsent: jbyte[]) },
    fields {
        name { sig = JString, get = name },
        descriptor { sig = jint, get = descriptor },
        unread { sig = jbyte[], get = unread },
        unsent { sig = jbyte[], get = unsent },
    },
}

bind_java_type! {
    pub JPeer => io.libzdt.Peer,
    constructors { fn new(pid: jint, program: JString, runtime: JString, generation: jlong) },
}

bind_java_type! {
    pub JReads => io.libzdt.Reads,
    constructors { fn new(protocol: JString, versions: jint[]) },
}

bind_java_type! {
    pub JProgress => io.libzdt.Progress,
    constructors {
        fn new(
            generation: jlong, expected: jlong, offered: jlong, settled: jlong, returned: jlong, unread_bytes: jlong,
            unsent_bytes: jlong, state_bytes: jlong
        ),
    },
}

bind_java_type! {
    pub JReceived => io.libzdt.Received,
    constructors { fn new(data: jbyte[], descriptors: jint[]) },
}
