package io.libzdt.spring;

import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.libzdt.netty.NettyTakeover;
import io.libzdt.tomcat.TakeoverProtocol;
import org.apache.catalina.startup.Tomcat;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.web.embedded.netty.NettyReactiveWebServerFactory;
import org.springframework.boot.web.embedded.tomcat.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.ConfigurableWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import reactor.netty.http.server.HttpServer;

/** With {@code libzdt.socket} set, the web server's listener is inherited, or bound for whoever comes after. */
@AutoConfiguration
@ConditionalOnProperty("libzdt.socket")
@ConditionalOnWebApplication
@EnableConfigurationProperties(TakeoverProperties.class)
public class TakeoverAutoConfiguration {
    /** The name of the web server's listener, in every generation. */
    static final String LISTENER = "http";

    /** Called by Spring. */
    public TakeoverAutoConfiguration() {}

    @Bean
    Takeover libzdtTakeover(TakeoverProperties properties, Environment environment) throws ZdtException {
        if (properties.socket() == null) {
            throw new IllegalStateException(
                    "libzdt.socket is empty: say where the takeover socket is to be, for instance"
                            + " /run/app/zdt.sock, or do not set it; nothing was changed");
        }
        String program = environment.getProperty("spring.application.name", "spring");
        return Takeover.open(properties.socket(), properties.config(program));
    }

    @Bean
    TakeoverLifecycle libzdtLifecycle(Takeover takeover) {
        return new TakeoverLifecycle(takeover);
    }

    /** Better no start than a listener that no successor can have. */
    @Bean
    WebServerFactoryCustomizer<ConfigurableWebServerFactory> libzdtServerCheck() {
        return factory -> {
            String kind = factory.getClass().getSimpleName();
            if (!kind.equals("TomcatServletWebServerFactory") && !kind.equals("NettyReactiveWebServerFactory")) {
                throw new IllegalStateException(
                        "libzdt.socket is set, and libzdt does not know how to give a listener to a " + kind
                                + "; use Tomcat with Spring MVC or Netty with WebFlux, or do not set it");
            }
        };
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(Tomcat.class)
    @ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
    static class OnTomcat {
        @Bean
        WebServerFactoryCustomizer<TomcatServletWebServerFactory> libzdtTomcat(Takeover takeover) {
            NioTakeover nio = NioTakeover.of(takeover);
            return factory -> {
                factory.setProtocol(TakeoverProtocol.class.getName());
                factory.addConnectorCustomizers(
                        connector -> ((TakeoverProtocol) connector.getProtocolHandler()).listener(nio, LISTENER));
            };
        }
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(HttpServer.class)
    @ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.REACTIVE)
    static class OnNetty {
        @Bean(destroyMethod = "dispose")
        TakeoverLoops libzdtLoops(Takeover takeover) {
            return new TakeoverLoops(NettyTakeover.of(takeover), LISTENER);
        }

        @Bean
        WebServerFactoryCustomizer<NettyReactiveWebServerFactory> libzdtNetty(TakeoverLoops loops) {
            return factory -> {
                factory.setResourceFactory(null); // its event loops would take the place of ours
                factory.addServerCustomizers(server -> server.runOn(loops.at(factory)));
            };
        }
    }
}
