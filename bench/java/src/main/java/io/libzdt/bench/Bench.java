package io.libzdt.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/**
 * What it costs to move a connection of Netty to another JVM, and to accept one. Two JVMs take over from each other in turn,
 * so that both get warm in both parts; in each round the one that is to be taken over from first accepts as many connections
 * without libzdt.
 */
public final class Bench {
    /** Until here much is still compiled: each JVM has been in each part ten times. */
    private static final int WARM = 20;

    /** Processor time, and milliseconds where {@code stalls}: one is measured without the other. */
    private record Round(boolean stalls, Cpu accept, double acceptStall, Cpu zdt, Cpu move, double moveStall, double noise) {}

    /** Of one process. */
    private record Reading(Cpu cpu, double stall, double noise) {}

    private Bench() {}

    /**
     * Prints a table and writes a report.
     *
     * @param arguments how many connections, how many rounds, where the report goes, options of the JVMs
     * @throws Exception something failed
     */
    public static void main(String[] arguments) throws Exception {
        int connections = Integer.parseInt(arguments[0]);
        int rounds = WARM + 2 * Integer.parseInt(arguments[1]);
        Path report = Path.of(arguments[2]);
        List<String> flags = Arrays.asList(arguments).subList(3, arguments.length);
        Files.createDirectories(report.toAbsolutePath().getParent());
        System.out.println(
                "CPU in us for each connection (of it the compiler's), ratio (without the compiler), stalls in ms");
        System.out.printf(
                "%-11s %15s %9s %16s %14s %9s %9s %7s%n",
                "", "accept", "by libzdt", "move", "ratio", "accepting", "moving", "noise");
        try (JsonGenerator json = new JsonFactory().createGenerator(Files.newBufferedWriter(report))) {
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            json.writeNumberField("connections", connections);
            json.writeStringField("java", System.getProperty("java.version"));
            json.writeStringField("flags", String.join(" ", flags));
            for (String transport : List.of("nio", "epoll")) {
                List<Round> all = run(transport, connections, rounds, flags);
                json.writeObjectFieldStart(transport);
                say(json, transport + " warm", connections, all.subList(WARM, rounds));
                json.writeObjectFieldStart("cold");
                say(json, transport + " cold", connections, all.subList(0, 4));
                json.writeEndObject();
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        System.out.println(report);
    }

    private static List<Round> run(String transport, int connections, int count, List<String> flags) throws Exception {
        Path folder = Files.createTempDirectory("zdt-bench");
        List<Round> rounds = new ArrayList<>();
        try (Process one = new Process(transport, flags);
                Process two = new Process(transport, flags)) {
            int port = freePort();
            String open = "open " + connections + " " + port + " " + folder.resolve("zdt.sock");
            one.tell(open);
            one.tell("ready");
            Process predecessor = one;
            Process successor = two;
            for (int i = 0; i < count; i++) {
                // In pairs: they take turns at being the predecessor.
                rounds.add(round(i / 2 % 2 == 1, predecessor, successor, connections, port, open));
                Process next = successor;
                successor = predecessor;
                predecessor = next;
            }
        }
        Files.deleteIfExists(folder.resolve("zdt.sock"));
        Files.deleteIfExists(folder.resolve("zdt.sock.lock"));
        Files.deleteIfExists(folder);
        return rounds;
    }

    private static Round round(
            boolean stalls, Process predecessor, Process successor, int connections, int port, String open)
            throws IOException {
        // The one that takes over has nothing else to do yet.
        int plain = freePort();
        successor.tell("plain " + connections + " " + plain);
        Reading accepted;
        successor.mark(stalls);
        try (Clients clients = new Clients(connections, plain)) {
            successor.tell("begun");
            accepted = successor.read();
            clients.echo();
        }
        successor.tell("ended");
        successor.tell("closed");

        predecessor.mark(stalls);
        try (Clients clients = new Clients(connections, port)) {
            predecessor.tell("begun");
            Reading ours = predecessor.read();
            clients.echo();
            successor.tell(open);
            predecessor.mark(stalls);
            successor.mark(stalls);
            successor.tell("ready");
            successor.tell("begun");
            predecessor.tell("ended");
            Reading to = successor.read();
            Reading from = predecessor.read();
            clients.echo();
            predecessor.tell("done");
            return new Round(
                    stalls,
                    accepted.cpu(),
                    accepted.stall(),
                    ours.cpu(),
                    from.cpu().plus(to.cpu()),
                    Math.max(from.stall(), to.stall()),
                    Math.max(from.noise(), to.noise()));
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            return socket.getLocalPort();
        }
    }

    /** Medians of what is counted, the worst of what is to be bounded. Microseconds for each connection. */
    private static void say(JsonGenerator json, String name, int connections, List<Round> all) throws IOException {
        List<Round> rounds = all.stream().filter(round -> !round.stalls()).toList();
        List<Round> looked = all.stream().filter(Round::stalls).toList();
        double each = 1000.0 * connections;
        double[] accept = sorted(rounds, round -> round.accept().all() / each);
        double[] zdt = sorted(rounds, round -> round.zdt().all() / each);
        double[] move = sorted(rounds, round -> round.move().all() / each);
        double acceptCompiler = median(sorted(rounds, round -> round.accept().of(Cpu.Kind.COMPILER) / each));
        double moveCompiler = median(sorted(rounds, round -> round.move().of(Cpu.Kind.COMPILER) / each));
        double ratio = median(move) / median(accept);
        double compiled = median(sorted(
                        rounds, round -> (round.move().all() - round.move().of(Cpu.Kind.COMPILER)) / each))
                / median(sorted(
                        rounds, round -> (round.accept().all() - round.accept().of(Cpu.Kind.COMPILER)) / each));
        double[] stall = sorted(looked, Round::moveStall);
        double acceptStall = max(sorted(looked, Round::acceptStall));
        double noise = max(sorted(looked, Round::noise));
        json.writeNumberField("rounds", rounds.size());
        json.writeNumberField("accept_cpu_us", median(accept));
        json.writeNumberField("accept_of_it_compiler_us", acceptCompiler);
        json.writeNumberField("accept_with_libzdt_cpu_us", median(zdt));
        json.writeNumberField("move_cpu_us", median(move));
        json.writeNumberField("move_cpu_us_least", move[0]);
        json.writeNumberField("move_cpu_us_most", max(move));
        for (Cpu.Kind kind : Cpu.Kind.values()) {
            json.writeNumberField(
                    "move_of_it_" + kind.name().toLowerCase(Locale.ROOT) + "_us",
                    median(sorted(rounds, round -> round.move().of(kind) / each)));
        }
        json.writeNumberField("ratio", ratio);
        json.writeNumberField("ratio_without_compiler", compiled);
        json.writeNumberField("max_stall_ms", max(stall));
        json.writeNumberField("median_stall_ms", median(stall));
        json.writeNumberField("max_stall_while_accepting_ms", acceptStall);
        json.writeNumberField("max_noise_ms", noise);
        System.out.printf(
                "%-11s %7.1f (%5.1f) %9.1f %8.1f (%5.1f) %6.2f (%5.2f) %9.1f %9.1f %7.1f%n",
                name,
                median(accept),
                acceptCompiler,
                median(zdt),
                median(move),
                moveCompiler,
                ratio,
                compiled,
                acceptStall,
                max(stall),
                noise);
    }

    private static double[] sorted(List<Round> rounds, ToDoubleFunction<Round> what) {
        return rounds.stream().mapToDouble(what).sorted().toArray();
    }

    private static double median(double[] sorted) {
        return sorted[sorted.length / 2];
    }

    private static double max(double[] sorted) {
        return sorted[sorted.length - 1];
    }

    /** One of the two. */
    private static final class Process implements AutoCloseable {
        private final java.lang.Process process;
        private final BufferedReader answers;
        private final BufferedWriter commands;
        private Cpu marked;

        Process(String transport, List<String> flags) throws IOException {
            Path java = Path.of(System.getProperty("java.home"), "bin", "java");
            String classes = System.getProperty("java.class.path");
            List<String> command = Stream.of(
                            List.of(java.toString()), flags, List.of("-cp", classes, Side.class.getName(), transport))
                    .flatMap(List::stream)
                    .toList();
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            answers = process.inputReader(StandardCharsets.UTF_8);
            commands = process.outputWriter(StandardCharsets.UTF_8);
        }

        String tell(String command) throws IOException {
            commands.write(command + "\n");
            commands.flush();
            String answer = answers.readLine();
            if (answer == null) {
                throw new IOException("it ended instead of an answer to: " + command);
            }
            return answer;
        }

        void mark(boolean stalls) throws IOException {
            marked = Cpu.parse(tell("mark " + stalls));
        }

        Reading read() throws IOException {
            String[] words = tell("read").split(" ");
            return new Reading(
                    Cpu.parse(words[0]).minus(marked), Double.parseDouble(words[1]), Double.parseDouble(words[2]));
        }

        /** It ends when its standard input does. */
        @Override
        public void close() throws IOException, InterruptedException {
            commands.close();
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        }
    }
}
