/**
 * libzdt: a server restarts and nobody notices. The old process passes its listening sockets <em>and its live
 * connections</em> to the new one over a Unix socket; either may be written in C, Java, Python or Rust.
 *
 * <p>Begin with {@link io.libzdt.Takeover}. Below it lie plain pieces that are of use alone: {@link io.libzdt.Descriptors},
 * {@link io.libzdt.ListenerSpec#bind}, {@link io.libzdt.Gate}.
 */
package io.libzdt;
