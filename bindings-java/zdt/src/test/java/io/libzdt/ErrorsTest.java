package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Place.Pair;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Each error of tests/behaviours.txt with a real cause, and the class that Java has for it. */
class ErrorsTest {
    private static final ListenerSpec ANYWHERE = ListenerSpec.tcp("127.0.0.1:0");
    /** For what comes only at the deadline. */
    private static final Duration SHORT = Duration.ofMillis(200);

    private Place place;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
    }

    @AfterEach
    void end() throws Exception {
        place.close();
    }

    private Takeover opened() throws ZdtException {
        return Takeover.open(place.socket(), Two.quick().build());
    }

    /** What the call throws is of this kind and class, and says something. */
    private static <E extends Exception & ZdtFailure> E gives(ErrorKind kind, Class<E> thrown, Executable call) {
        E error = assertThrows(thrown, call);
        assertEquals(kind, error.kind(), error.getMessage());
        assertFalse(error.what().isEmpty());
        assertTrue(error.getMessage().startsWith(kind.word() + " (" + kind.number() + "): " + error.what()));
        return error;
    }

    @Test
    void every_error_number_has_its_kind() {
        List<String> ours = Arrays.stream(ErrorKind.values())
                .map(kind -> kind.number() + "\t" + kind.word() + "\t" + kind.retryHelps())
                .toList();
        assertEquals(List.of(Native.errors()), ours);
        for (ErrorKind kind : ErrorKind.values()) {
            assertEquals(Optional.of(kind), ErrorKind.of(kind.number()));
            Exception thrown = Fault.of(kind, "what", "state").thrown();
            assertEquals(kind, assertInstanceOf(ZdtFailure.class, thrown).kind());
            assertEquals(kind.number() < 200, thrown instanceof RuntimeException, kind.word());
        }
        assertEquals(Optional.empty(), ErrorKind.of(0));
    }

    @Test
    void error_invalid_argument() {
        gives(ErrorKind.INVALID_ARGUMENT, ZdtArgumentException.class, () -> ListenerSpec.tcp("localhost:http"));
        gives(ErrorKind.INVALID_ARGUMENT, ZdtArgumentException.class, () -> ANYWHERE.mode(0660));
        gives(ErrorKind.INVALID_ARGUMENT, ZdtArgumentException.class, () -> ANYWHERE.backlog(-1));
        gives(
                ErrorKind.INVALID_ARGUMENT,
                ZdtArgumentException.class,
                () -> ListenerSpec.tcp(InetSocketAddress.createUnresolved("localhost", 1)));
        gives(ErrorKind.INVALID_ARGUMENT, ZdtArgumentException.class, () -> Descriptors.dup(-1));
        gives(
                ErrorKind.INVALID_ARGUMENT,
                ZdtArgumentException.class,
                () -> Config.builder().drain(Duration.ofSeconds(-1)));
        gives(ErrorKind.INVALID_ARGUMENT, ZdtArgumentException.class, () -> Takeover.signalDrain(0));
    }

    @Test
    void error_path_too_long() {
        Path path = place.directory().resolve("x".repeat(108));
        gives(ErrorKind.PATH_TOO_LONG, ZdtArgumentException.class, () -> Takeover.open(path));
    }

    @Test
    void error_name_used() throws Exception {
        try (Takeover takeover = opened()) {
            takeover.listener("http", ANYWHERE).close();
            gives(ErrorKind.NAME_USED, ZdtArgumentException.class, () -> takeover.listener("http", ANYWHERE));
        }
    }

    @Test
    void error_wrong_state() throws Exception {
        try (Takeover takeover = opened()) {
            takeover.ready();
            gives(ErrorKind.WRONG_STATE, ZdtStateException.class, takeover::ready);
            gives(ErrorKind.WRONG_STATE, ZdtStateException.class, takeover::migratedAll);
            Frozen frozen = Frozen.of(1, 0, "relay");
            gives(ErrorKind.WRONG_STATE, ZdtStateException.class, () -> takeover.migrate(frozen));
        }
    }

    @Test
    void error_closed() throws Exception {
        Takeover takeover = opened();
        takeover.close();
        gives(ErrorKind.CLOSED, ZdtStateException.class, takeover::ready);
    }

    /** A JVM does not fork, so there is no cause to make: only that Java has the right class for it. */
    @Test
    void error_forked() {
        ErrorKind kind = ErrorKind.of(106).orElseThrow();
        assertEquals(ErrorKind.FORKED, kind);
        assertInstanceOf(ZdtStateException.class, Fault.of(kind, "what", "").thrown());
    }

    @Test
    void error_too_large() throws Exception {
        try (Two two = Two.draining(place.socket(), Two.quick().maxBytes(8), Two.quick());
                Pair pair = Pair.tcp()) {
            Frozen frozen = Frozen.of(1, pair.descriptor(), "relay").unsent(new byte[9]);
            gives(ErrorKind.TOO_LARGE, ZdtArgumentException.class, () -> two.first.migrate(frozen));
        }
    }

    @Test
    void error_not_readable() throws Exception {
        try (Two two = Two.draining(place.socket(), Two.quick(), Two.quick().reads("relay", 1));
                Pair pair = Pair.tcp()) {
            Frozen frozen = Frozen.of(1, pair.descriptor(), "other");
            gives(ErrorKind.NOT_READABLE, ZdtArgumentException.class, () -> two.first.migrate(frozen));
        }
    }

    @Test
    void error_listener_unclaimed() throws Exception {
        Takeover first = opened();
        first.listener("http", ANYWHERE).close();
        first.ready();
        try (Two two = new Two(first, Two.openBeside(first, place.socket(), Two.quick()))) {
            gives(ErrorKind.LISTENER_UNCLAIMED, ZdtStateException.class, two.second::ready);
        }
    }

    @Test
    void error_signal_not_blocked() {
        int usr1 = 10;
        gives(
                ErrorKind.SIGNAL_NOT_BLOCKED,
                ZdtStateException.class,
                () -> Takeover.open(
                        place.socket(), Two.quick().drainSignals(usr1).build()));
        assertFalse(Files.exists(place.socket()), "nothing was changed");
    }

    @Test
    void error_system() {
        // TEST-NET-3 (RFC 5737): no interface has it.
        SystemException error = gives(
                ErrorKind.SYSTEM,
                SystemException.class,
                () -> ListenerSpec.tcp("203.0.113.1:0").bind());
        int cannotAssignAddress = 99;
        assertEquals(cannotAssignAddress, error.errno().getAsInt());
    }

    @Test
    void error_descriptor_limit() throws Exception {
        opening("descriptor-limit", ErrorKind.DESCRIPTOR_LIMIT, SystemException.class, Place.PATIENCE);
    }

    @Test
    void error_directory_missing() {
        Path path = place.directory().resolve("nowhere/zdt.sock");
        gives(ErrorKind.DIRECTORY_MISSING, SystemException.class, () -> Takeover.open(path));
    }

    @Test
    void error_address_in_use() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            ListenerSpec spec = ListenerSpec.tcp("127.0.0.1:" + taken.getLocalPort());
            gives(ErrorKind.ADDRESS_IN_USE, SystemException.class, spec::bind);
        }
    }

    @Test
    void error_unsupported() throws Exception {
        opening("unsupported", ErrorKind.UNSUPPORTED, SystemException.class, Place.PATIENCE);
    }

    @Test
    void error_busy() throws Exception {
        try (Takeover first = opened()) {
            Executable beside = () -> Two.openBeside(first, place.socket(), Two.quick());
            TakeoverException error = gives(ErrorKind.BUSY, TakeoverException.class, beside);
            assertEquals(ProcessHandle.current().pid(), error.pid().getAsInt(), "who is not ready itself");
        }
    }

    @Test
    void error_no_answer() throws Exception {
        opening("no-answer", ErrorKind.NO_ANSWER, TakeoverException.class, SHORT);
    }

    @Test
    void error_peer_gone() throws Exception {
        try (Two two = Two.draining(place.socket())) {
            two.second.close();
            Event.Resume resume = assertInstanceOf(Event.Resume.class, two.first.nextEvent(Place.PATIENCE));
            assertEquals(
                    ErrorKind.PEER_GONE,
                    assertInstanceOf(TakeoverException.class, resume.cause()).kind());
            assertEquals(ProcessHandle.current().pid(), resume.cause().pid().getAsInt());
        }
    }

    @Test
    void error_listener_mismatch() throws Exception {
        opening("listener-mismatch", ErrorKind.LISTENER_MISMATCH, TakeoverException.class, Place.PATIENCE);
    }

    @Test
    void error_attempt_lost() throws Exception {
        try (Hostile hostile = Hostile.start("attempt-lost", place);
                Takeover takeover = opened()) {
            Event event = takeover.nextEvent(Place.PATIENCE);
            Event.Aborted aborted = assertInstanceOf(Event.Aborted.class, event);
            assertEquals(ErrorKind.ATTEMPT_LOST, aborted.cause().kind());
            gives(ErrorKind.ATTEMPT_LOST, TakeoverException.class, takeover::ready);
        }
    }

    @Test
    void error_refused() throws Exception {
        opening("refused", ErrorKind.REFUSED, TakeoverException.class, Place.PATIENCE);
    }

    @Test
    void error_no_common_version() throws Exception {
        opening("no-common-version", ErrorKind.NO_COMMON_VERSION, ProtocolException.class, Place.PATIENCE);
    }

    @Test
    void error_malformed() throws Exception {
        opening("malformed", ErrorKind.MALFORMED, ProtocolException.class, Place.PATIENCE);
    }

    @Test
    void error_out_of_order() throws Exception {
        opening("out-of-order", ErrorKind.OUT_OF_ORDER, ProtocolException.class, Place.PATIENCE);
    }

    @Test
    void error_descriptor_count() throws Exception {
        opening("descriptor-count", ErrorKind.DESCRIPTOR_COUNT, ProtocolException.class, Place.PATIENCE);
    }

    @Test
    void error_wrong_user() throws Exception {
        try (Hostile hostile = Hostile.start("wrong-user", place)) {
            TrustException error = gives(ErrorKind.WRONG_USER, TrustException.class, this::opened);
            assertEquals(hostile.pid(), error.pid().getAsInt());
        }
    }

    @Test
    void error_unsafe_directory() throws Exception {
        Files.setPosixFilePermissions(place.directory(), PosixFilePermissions.fromString("rwxrwxrwx"));
        gives(ErrorKind.UNSAFE_DIRECTORY, TrustException.class, this::opened);
        assertFalse(Files.exists(place.socket()), "nothing was changed");
    }

    @Test
    void error_foreign_file() throws Exception {
        Files.writeString(place.socket(), "mine");
        gives(ErrorKind.FOREIGN_FILE, TrustException.class, this::opened);
        assertEquals("mine", Files.readString(place.socket()), "it was left alone");
    }

    @Test
    void error_wrong_process() throws Exception {
        opening("wrong-process", ErrorKind.WRONG_PROCESS, TrustException.class, SHORT);
    }

    @Test
    void a_null_is_an_argument_that_is_refused() throws Exception {
        try (Takeover takeover = opened()) {
            gives(
                    ErrorKind.INVALID_ARGUMENT,
                    ZdtArgumentException.class,
                    () -> takeover.listenerDescriptor(null, ANYWHERE));
            assertThrows(NullPointerException.class, () -> Frozen.of(1, 0, null));
            assertNull(takeover.nextEvent(Duration.ZERO));
        }
    }

    /** Opening with a bad predecessor gives this error. */
    private <E extends Exception & ZdtFailure> void opening(
            String bad, ErrorKind kind, Class<E> thrown, Duration handshake) throws Exception {
        Config config = Config.builder().handshake(handshake).build();
        try (Hostile hostile = Hostile.start(bad, place)) {
            gives(kind, thrown, () -> Takeover.open(place.socket(), config));
        }
    }
}
