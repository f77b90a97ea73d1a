/**
 * Netty servers whose listeners and live connections move to the process that takes over. Begin with
 * {@link io.libzdt.netty.NettyTakeover}; a handler with state implements {@link io.libzdt.netty.Migratable}.
 */
package io.libzdt.netty;
