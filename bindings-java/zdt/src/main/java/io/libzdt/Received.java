package io.libzdt;

/**
 * What {@link Descriptors#receive} received.
 *
 * @param data the bytes
 * @param descriptors the descriptors, close-on-exec, which are the caller's to close
 */
public record Received(byte[] data, int[] descriptors) {}
