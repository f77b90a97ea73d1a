package io.libzdt;

/**
 * The process at the other end of the link.
 *
 * @param pid its process id as our pid namespace shows it; 0 where it is not visible
 * @param program its {@link Config.Builder#program program}
 * @param runtime its {@link Config.Builder#runtime runtime}
 * @param generation its generation (of a successor: the one it will have)
 */
public record Peer(int pid, String program, String runtime, long generation) {}
