package io.libzdt.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * What this process has used so far, in nanoseconds of processor time: on the whole, and that of its compiler's threads,
 * which is spent once in the life of a JVM, on whatever happens to run (schedstat: Documentation/scheduler/sched-stats).
 */
record Cpu(long all, long compiler) {
    static Cpu now() throws IOException {
        long all = 0;
        long compiler = 0;
        List<Path> threads;
        try (var listed = Files.list(Path.of("/proc/self/task"))) {
            threads = listed.toList();
        }
        for (Path thread : threads) {
            try {
                long used = Long.parseLong(
                        Files.readString(thread.resolve("schedstat")).split(" ")[0]);
                all += used;
                // C1 CompilerThread0, cut to what the kernel keeps of it.
                if (Files.readString(thread.resolve("comm")).contains(" CompilerThre")) {
                    compiler += used;
                }
            } catch (NoSuchFileException ended) {
                throw new UncheckedIOException("a thread ended, and what it used is unknown", ended);
            }
        }
        return new Cpu(all, compiler);
    }

    static Cpu parse(String text) {
        String[] words = text.split("/");
        return new Cpu(Long.parseLong(words[0]), Long.parseLong(words[1]));
    }

    Cpu minus(Cpu before) {
        return new Cpu(all - before.all, compiler - before.compiler);
    }

    Cpu plus(Cpu other) {
        return new Cpu(all + other.all, compiler + other.compiler);
    }

    @Override
    public String toString() {
        return all + "/" + compiler;
    }
}
