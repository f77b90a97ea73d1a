package io.libzdt.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What this process has used so far, in nanoseconds of processor time, by kinds of threads (schedstat:
 * Documentation/scheduler/sched-stats).
 */
record Cpu(long[] by) {
    /** What the compiler uses is spent once in the life of a JVM, on whatever happens to run. */
    enum Kind {
        LOOPS("multiThreadIoEv"),
        DISPATCHER("libzdt-dispatch"),
        COMPILER(" CompilerThre"),
        REST("");

        private final String name;

        Kind(String name) {
            this.name = name;
        }

        /** A name as the kernel keeps it, cut off: C1 CompilerThread0, for instance. */
        static Kind of(String thread) {
            return Arrays.stream(values())
                    .filter(kind -> thread.contains(kind.name))
                    .findFirst()
                    .orElse(REST);
        }
    }

    static Cpu now() throws IOException {
        long[] by = new long[Kind.values().length];
        List<Path> threads;
        try (var listed = Files.list(Path.of("/proc/self/task"))) {
            threads = listed.toList();
        }
        for (Path thread : threads) {
            try {
                long used = Long.parseLong(
                        Files.readString(thread.resolve("schedstat")).split(" ")[0]);
                by[Kind.of(Files.readString(thread.resolve("comm"))).ordinal()] += used;
            } catch (NoSuchFileException ended) {
                throw new UncheckedIOException("a thread ended, and what it used is unknown", ended);
            }
        }
        return new Cpu(by);
    }

    static Cpu parse(String text) {
        return new Cpu(Arrays.stream(text.split("/")).mapToLong(Long::parseLong).toArray());
    }

    long of(Kind kind) {
        return by[kind.ordinal()];
    }

    long all() {
        return Arrays.stream(by).sum();
    }

    Cpu minus(Cpu before) {
        long[] left = by.clone();
        Arrays.setAll(left, kind -> left[kind] - before.by[kind]);
        return new Cpu(left);
    }

    Cpu plus(Cpu other) {
        long[] sum = by.clone();
        Arrays.setAll(sum, kind -> sum[kind] + other.by[kind]);
        return new Cpu(sum);
    }

    @Override
    public String toString() {
        return Arrays.stream(by).mapToObj(Long::toString).collect(Collectors.joining("/"));
    }
}
