"""Django's own server, as runserver starts it, with a thread for each connection."""

from __future__ import annotations

from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from libzdt.listening import Listener, Listening
from servers.application import GREETING, ready, run, wait_ms


def greet(request: HttpRequest) -> HttpResponse:
    return HttpResponse(GREETING)


def slow(request: HttpRequest) -> HttpResponse:
    import time

    time.sleep(wait_ms(request.META["QUERY_STRING"]))
    return HttpResponse(GREETING)


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


urlpatterns = [path("", greet), path("slow", slow), path("echo", echo)]


def serve(listening: Listening, listener: Listener) -> None:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test", DEBUG=False)

    class Handler(WSGIRequestHandler):
        def handle_one_request(self) -> None:
            super().handle_one_request()
            if listening.draining.is_set():
                self.close_connection = True

    class Server(ThreadedWSGIServer):
        daemon_threads = False

    server = Server(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(get_wsgi_application())
    ready(listening, server.shutdown)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    run(serve)
