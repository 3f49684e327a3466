"""A Redis client in a few lines: commands over a socket, replies as Python values."""
import socket


class ReplyError(Exception):
    """The server answered with an error."""


class Client:
    """client("GET", "key") returns bytes, int, list or None; it raises ReplyError. `where`: the path
    of a unix socket, or (host, port)."""

    def __init__(self, where, timeout_s=30):
        kind = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.socket = socket.socket(kind, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        self.socket.connect(where)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *command):
        parts = [p if isinstance(p, bytes) else str(p).encode() for p in command]
        data = b"*%d\r\n" % len(parts)
        self.socket.sendall(data + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def reply(self):
        """The next reply; an error inside an array is returned, not raised."""
        value = self._read()
        if isinstance(value, ReplyError):
            raise value
        return value

    def __call__(self, *command):
        self.send(*command)
        return self.reply()

    def transaction(self, *commands):
        """The replies to the commands, all of one MULTI."""
        self.send("MULTI")
        for command in commands:
            self.send(*command)
        self.send("EXEC")
        for _ in range(len(commands) + 1):
            self.reply()
        return self.reply()

    def keys(self, pattern="*"):
        """All keys that match, sorted."""
        found, cursor = set(), b"0"
        while True:
            cursor, some = self("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            found.update(some)
            if cursor == b"0":
                return sorted(key.decode() for key in found)

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"*":
            size = int(rest)
            return None if size < 0 else [self._read() for _ in range(size)]
        raise ConnectionError(f"no reply of Redis: {line!r}")
