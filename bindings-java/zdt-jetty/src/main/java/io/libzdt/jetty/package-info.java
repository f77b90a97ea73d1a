/** Jetty 12 restarts and nobody notices. */
package io.libzdt.jetty;
