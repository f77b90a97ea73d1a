"""What HTTP/1.1 and WebSocket servers share: where messages begin and end, and how a connection moves between them."""
