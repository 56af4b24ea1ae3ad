"""The words that the families are written in: steps, bytes, patterns, and the two valid handshakes."""

FILES = {}


class Family:
    """A file."""

    def __init__(self, name):
        self.name = name
        self.scenarios = FILES.setdefault(name, [])

    def add(self, id, shows, rfc, role, steps, profile=None, told=None):
        scenario = {"id": f"{self.name}/{role}/{id}", "shows": shows, "rfc": rfc.split(", "), "role": role}
        if profile:
            scenario["profile"] = profile
        scenario["steps"] = steps
        if told:
            scenario["told"] = told
        self.scenarios.append(scenario)

    def both(self, id, shows, rfc, steps, profile=None, told=None):
        for role in ("server", "client"):
            self.add(id, shows, rfc, role, steps(role) if callable(steps) else steps, profile, told)


# Steps


def opened(*lines, **expect):
    step = {}
    if lines:
        step["lines"] = list(lines)
    if expect:
        step["expect"] = {name.replace("_", "-"): value for name, value in expect.items()}
    return {"open": step}


def send(*data):
    return {"send": list(data)}


def drip(piece, *data, pause=0):
    step = {"bytes": list(data), "piece": piece}
    if pause:
        step["pause"] = pause
    return {"drip": step}


def expect(*patterns):
    return {"expect": list(patterns)}


def either(ours, *others):
    return {"either": {"ours": ours, "or": list(others)}}


# Bytes


def http(*lines):
    return {"http": list(lines)}


def text(value):
    return {"text": value}


def hexed(value):
    return {"hex": value.hex(" ") if isinstance(value, bytes) else value}


def order(value):
    return {"order": value}


def repeat(times, *data):
    return {"repeat": {"times": times, "bytes": list(data)}}


def frame(op, value=None, fin=True, **more):
    made = {"op": op}
    if not fin:
        made["fin"] = False
    if isinstance(value, bytes):
        made["hex"] = value.hex()
    elif isinstance(value, int):
        made["fill"] = value
    elif value:
        made["text"] = value
    made.update(more)
    return {"frame": made}


def close(code=None, reason=None, **more):
    made = {"op": "close"}
    if code is not None:
        made["code"] = code
    if reason:
        made["reason"] = reason
    made.update(more)
    return {"frame": made}


def part(op, value=None, **more):
    return frame(op, value, fin=False, **more)


# Patterns

END = {"end": {}}
ANYTHING = "anything"


def message(value, compressed=None):
    made = {"fill": value} if isinstance(value, int) else {"hex": value.hex()} if isinstance(value, bytes) else {"text": value}
    if compressed is not None:
        made["compressed"] = compressed
    return {"message": made}


def bodiless(*status):
    return {"response": {"status": list(status), "bodiless": True}}


def closed(*codes):
    return {"close": list(codes)}


def pong(value):
    return {"last_pong": value}


def silence(time):
    return {"silence": time}


def ended(after=0, within=None):
    made = {}
    if after:
        made["after"] = after
    if within is not None:
        made["within"] = within
    return {"end": made}


def response(*status, **headers):
    made = {"status": list(status)}
    if headers:
        made["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"response": made}


def fails(*codes, lenient=()):
    """The connection fails: with a Close, or, as RFC 6455 7.1.7 lets one, by the end of the transport alone."""
    others = [[END]]
    if lenient:
        others.insert(0, [closed(*codes, *lenient), END])
    return either([closed(*codes), END], *others)


def echoes(value="alive"):
    return [send(frame("text", value)), expect(message(value))]


# What is done to end a conversation that went well, with either role.
def goodbye(role):
    if role == "server":
        return [send(close(1000)), expect(closed(1000), END)]
    return [send(close(1000)), expect(closed(1000)), "half_close", expect(END)]


REFUSALS = [400, 403, 404, 405, 408, 411, 413, 414, 417, 421, 422, 426, 431, 501, 505]


def refused(status, *others_too, silent=False, **headers):
    """A refusal, after which ours ends the transport; others may stay in HTTP, or hang up where it is hardly HTTP."""
    others = [[response(*REFUSALS), END], [response(*REFUSALS)], *others_too]
    if silent:
        others.append([END])
    return either([response(status, **headers), END], *others)


# The valid handshakes

GOOD = [
    "GET {path} HTTP/1.1",
    "Host: {host}",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: {key}",
    "Sec-WebSocket-Version: 13",
]


def request(first=None, without=None, more=(), **changed):
    lines = [first or GOOD[0]]
    for line in GOOD[1:]:
        name = line.split(":")[0]
        key = name.replace("-", "_")
        if name == without:
            continue
        lines.append(f"{name}: {changed[key]}" if key in changed else line)
    return http(*lines, *more)


RESPONSE = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: {accept}",
]


def answer(first=None, without=None, more=(), **changed):
    lines = [first or RESPONSE[0]]
    for line in RESPONSE[1:]:
        name = line.split(":")[0]
        key = name.replace("-", "_")
        if name != without:
            lines.append(f"{name}: {changed[key]}" if key in changed else line)
    return http(*lines, *more)
