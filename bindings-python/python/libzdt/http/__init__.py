"""What HTTP/1.1 and WebSocket servers share: where messages begin and end, and how a connection moves between them."""

SILENCE = 0.5
"""How long the first request of a connection that was silent so far is waited for when the server ends, in seconds: it
may be under way."""
