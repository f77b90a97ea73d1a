"""AnyIO on trio."""

from servers.serve_anyio import serve

if __name__ == "__main__":
    serve("trio")
