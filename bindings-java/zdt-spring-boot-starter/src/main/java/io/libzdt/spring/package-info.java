/** Spring Boot 3 restarts and nobody notices: {@code libzdt.socket=/run/app/zdt.sock} is all the configuration. */
package io.libzdt.spring;
