/** Embedded Tomcat restarts and nobody notices. */
package io.libzdt.tomcat;
