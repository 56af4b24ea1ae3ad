#!/usr/bin/env python3
"""Run the Autobahn WebSocket test cases on Python 3.

The autobahntestsuite package is Python 2 source.  Its 517 case modules are
small and regular, so this driver loads them unchanged from the installed
package, rewriting the few Python 2 constructs as they are imported, and
provides the rest itself: the fuzzing client, the fuzzing server, and the JSON
report.  Spec files, URLs and index.json are those of the original wstest.

    wstest3.py -m fuzzingclient -s fuzzingclient.json [-j 2]
    wstest3.py -m fuzzingserver -s fuzzingserver.json

The cases are written against autobahn 0.10.9, which runs on Python 3 as it
is; see requirements-py3.txt.  Every socket is bound to 127.0.0.1 unless the
spec's "interface" says otherwise.  Beyond the original: a fuzzing server's port may
be 0, which takes a free one and prints it, and "opened" in index.json tells whether
a case's opening handshake was completed.  For wss URLs the spec's "certificates" is a
directory with localhost.pem and localhost.key: a fuzzing server is identified by them, a
fuzzing client trusts that certificate and nothing else.
"""

import argparse
import binascii
import codecs
import importlib.abc
import importlib.util
import json
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.websocket import protocol as autobahn_protocol
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet import defer, reactor
from twisted.python import log

WIRELOG_LIMIT = 500  # entries kept per case
TEXT_LIMIT = 256  # characters kept of one payload


# --- Standing in for wsaccel --------------------------------------------------
#
# autobahn masks and validates octet by octet unless the wsaccel extension is
# installed.  These are as fast and need no compiler.


class XorMasker:
    def __init__(self, mask, length=None):
        self._mask = mask
        self._position = 0

    def pointer(self):
        return self._position

    def reset(self):
        self._position = 0

    def process(self, data):
        size, start = len(data), self._position & 3
        key = (self._mask * (size // 4 + 2))[start : start + size]
        self._position += size
        xored = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
        return xored.to_bytes(size, "little")


class Utf8Validator:
    def __init__(self):
        self.reset()

    def reset(self):
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._valid = True
        self._total = 0

    def validate(self, data):
        """(valid so far, ends on a code point, octets here, octets in all)"""
        self._total += len(data)
        if self._valid:
            try:
                self._decoder.decode(octets(data))
            except UnicodeDecodeError:
                self._valid = False
        pending = self._decoder.getstate()[0]
        if pending[:1] == b"\xed" and pending[1:2] >= b"\xa0":
            self._valid = False  # a surrogate, which the decoder leaves open
        return self._valid, self._valid and not pending, len(data), self._total


autobahn_protocol.createXorMasker = XorMasker
autobahn_protocol.Utf8Validator = Utf8Validator


# --- Loading the Python 2 case modules ----------------------------------------


def octets(value):
    """A Python 2 str, held here as latin-1 text, as bytes; bytes pass through."""
    return value.encode("latin-1") if isinstance(value, str) else value


class CaseLoader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports case modules from the installed, unmodified autobahntestsuite.

    Source is decoded as latin-1, so that a plain literal becomes a str with one
    character per octet: what a Python 2 str is.  The protocol mixin below
    converts at the boundary to autobahn, which takes bytes.
    """

    PACKAGE = "autobahn_cases"
    MODULE = re.compile(r"case(\d\w*)?")
    REWRITES = [
        (r"(?m)^#.*coding[:=].*$", "#"),
        (r"(?m)^(\s+)print\b.*$", r"\1pass"),  # only in self-checks no case calls
        (r"(?m)^from case9_9_1 import \*$", ""),  # not in the suite
        (r"\(object, Case, ?\)", "(Case,)"),
        (r"\bbinascii\.b2a_hex\(", "b2a_hex("),
        (r"\bpkg_resources, ", ""),
        (r"\bpkg_resources\.resource_filename\(\"autobahntestsuite\", ", "resource("),
        (r"(?m)^from autobahn\.websocket\.utf8validator import Utf8Validator$", ""),
        (r"len\(self\.payload\) / self", "len(self.payload) // self"),
        (r"pickle\.dumps\(obj1\) == pickle\.dumps\(obj2\)", "obj1 == obj2"),
    ]

    def __init__(self):
        spec = importlib.util.find_spec("autobahntestsuite")
        if spec is None:
            sys.exit("autobahntestsuite is not installed in this environment")
        self.root = Path(spec.submodule_search_locations[0])
        self.used = set()

    def find_spec(self, name, path=None, target=None):
        file = self._file(name)
        if path is None and file is not None and file.is_file():
            return importlib.util.spec_from_loader(name, self, origin=str(file))
        return None

    def _file(self, name):
        if name == self.PACKAGE:
            return self.root / "case" / "__init__.py"
        if self.MODULE.fullmatch(name):
            return self.root / "case" / (name + ".py")
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        file = self._file(module.__name__)
        source = file.read_text(encoding="latin-1")
        for index, (pattern, replacement) in enumerate(self.REWRITES):
            source, count = re.subn(pattern, replacement, source)
            if count:
                self.used.add(index)
        module.__dict__.update(
            xrange=range,
            b2a_hex=lambda value: binascii.b2a_hex(octets(value)).decode(),
            resource=lambda name: str(self.root / name),
            Utf8Validator=Utf8Validator,
        )
        exec(compile(source, str(file), "exec"), module.__dict__)

    def load(self):
        """The case classes by id, in the order of the suite."""
        sys.meta_path.insert(0, self)
        sys.dont_write_bytecode = True
        try:
            module = importlib.import_module(self.PACKAGE)
        finally:
            sys.meta_path.remove(self)
        unused = set(range(len(self.REWRITES))) - self.used
        if unused:
            sys.exit(
                "this autobahntestsuite is not the one wstest3 was written for: "
                f"nothing matched {[self.REWRITES[i][0] for i in sorted(unused)]}"
            )
        prefix = len(module.CaseBasename)
        return {c.__name__[prefix:].replace("_", "."): c for c in module.Cases}


def id_key(case_id):
    return tuple(map(int, case_id.split(".")))


def pattern_regex(pattern):
    return re.compile(re.escape(pattern).replace(r"\*", ".*"))


def select_cases(all_ids, spec):
    """Ids named by "cases" less those named by "exclude-cases", sorted."""

    def matching(patterns):
        regexes = [pattern_regex(p) for p in patterns]
        return {i for i in all_ids if any(r.fullmatch(i) for r in regexes)}

    chosen = matching(spec.get("cases", ["*"])) - matching(spec.get("exclude-cases", []))
    return sorted(chosen, key=id_key)


def is_excluded(spec, agent, case_id):
    return any(
        pattern_regex(agents).fullmatch(agent)
        and any(pattern_regex(p).fullmatch(case_id) for p in patterns)
        for agents, patterns in spec.get("exclude-agent-cases", {}).items()
    )


# --- The connection under test ----------------------------------------------


def show(data, limit=TEXT_LIMIT):
    """Payload as text where it is text, else as hex; shortened for the report."""
    if data is None:
        return None
    data = octets(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "0x" + data[:limit].hex()
    return text if len(text) <= limit else text[:limit] + " ..."


class CaseProtocol:
    """What a case needs of its connection, for client and server protocols.

    Cases call the sending methods with Python 2 strings and are called back
    with the same.  Compression cases read real files and want bytes.
    """

    def begin_case(self, agent, case_id, case_class):
        self.case_agent = agent
        self.case_id = case_id
        self.binary_case = case_id.startswith(("12.", "13."))
        self.case = case_class(self)

    def connectionMade(self):
        self.case = getattr(self, "case", None)
        self.connectionWasOpen = False
        self.createWirelog = True
        self.wirelog = []
        self.rxFrameStats = {}
        self.txFrameStats = {}
        self.started = datetime.now(timezone.utc)
        self.opened_at = None
        super().connectionMade()

    def connectionLost(self, reason):
        super().connectionLost(reason)
        if self.case:
            self.case.onConnectionLost(self.failedByMe)
            self.factory.case_done(self.case_result())

    # Called by autobahn.

    def onOpen(self):
        self.connectionWasOpen = True
        if self.case:
            self.opened_at = time.monotonic()
            self.case.onOpen()
        else:
            self.on_command()

    def onMessage(self, payload, isBinary):
        if self.case:
            self.case.onMessage(payload if self.binary_case else payload.decode("latin-1"), isBinary)

    def onPong(self, payload):
        if self.case:
            self.case.onPong(payload.decode("latin-1"))

    def onClose(self, wasClean, code, reason):
        if self.case:
            self.case.onClose(wasClean, code, reason)

    def on_command(self):
        pass

    # Called by cases.

    def sendFrame(self, opcode, payload=b"", payload_len=None, **kwargs):
        payload = octets(payload)
        if payload_len is not None:
            payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
        super().sendFrame(opcode=opcode, payload=payload, **kwargs)

    def sendMessage(self, payload, *args, **kwargs):
        super().sendMessage(octets(payload), *args, **kwargs)

    def sendMessageFrameData(self, payload, sync=False):
        return super().sendMessageFrameData(octets(payload), sync)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def _later(self, delay, action):
        def act():
            if self.state != WebSocketProtocol.STATE_CLOSED:
                action()

        reactor.callLater(delay, act)

    def continueLater(self, delay, fun, tag=None):
        self._later(delay, fun)

    def killAfter(self, delay):
        self._later(delay, self.failConnection)

    def closeAfter(self, delay):
        self._later(delay, self.sendClose)

    # Logging hooks of autobahn.

    def _log(self, *entry):
        if self.createWirelog and len(self.wirelog) < WIRELOG_LIMIT:
            self.wirelog.append(entry)

    def logRxOctets(self, data):
        pass

    def logTxOctets(self, data, sync):
        pass

    def logRxFrame(self, header, payload):
        self.rxFrameStats[header.opcode] = self.rxFrameStats.get(header.opcode, 0) + 1
        if self.createWirelog:
            self._log_frame("rx", header, b"".join(payload))

    def logTxFrame(self, header, payload, repeatLength, chopsize, sync):
        self.txFrameStats[header.opcode] = self.txFrameStats.get(header.opcode, 0) + 1
        if self.createWirelog:
            self._log_frame("tx", header, payload)

    def _log_frame(self, direction, header, payload):
        self._log(
            direction,
            {"opcode": header.opcode, "fin": bool(header.fin), "rsv": header.rsv, "masked": bool(header.mask)},
            len(payload),
            show(payload),
        )

    # The report.

    def case_result(self):
        case = self.case
        finished = time.monotonic()

        def events(received):
            return [[show(v) if isinstance(v, (str, bytes)) else v for v in e] for e in received]

        return {
            "id": self.case_id,
            "agent": self.case_agent,
            "behavior": case.behavior,
            "behaviorClose": case.behaviorClose,
            "result": case.result,
            "resultClose": case.resultClose,
            "description": case.DESCRIPTION,
            "expectation": case.EXPECTATION,
            "expected": {k: events(v) for k, v in case.expected.items()},
            "expectedClose": case.expectedClose,
            "received": events(case.received),
            "started": self.started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "duration": round(1000 * (finished - (self.opened_at or finished))),
            "isServer": self.factory.isServer,
            "closedByMe": self.closedByMe,
            "failedByMe": self.failedByMe,
            "droppedByMe": self.droppedByMe,
            "opened": self.connectionWasOpen,
            "wasClean": self.wasClean,
            "wasNotCleanReason": self.wasNotCleanReason,
            "localCloseCode": self.localCloseCode,
            "localCloseReason": show(self.localCloseReason),
            "remoteCloseCode": self.remoteCloseCode,
            "remoteCloseReason": show(self.remoteCloseReason),
            "httpRequest": show(getattr(self, "http_request_data", None), 4096),
            "httpResponse": show(getattr(self, "http_response_data", None), 4096),
            "trafficStats": case.trafficStats.__json__() if case.trafficStats else None,
            "rxFrameStats": self.rxFrameStats,
            "txFrameStats": self.txFrameStats,
            "wirelog": self.wirelog,
        }


class Report:
    """Results by agent and case, written as one index.json and a file per case."""

    def __init__(self, outdir, index="index.json"):
        self.outdir = Path(outdir)
        self.index = index
        self.results = {}
        (self.outdir / self.index).unlink(missing_ok=True)  # never to be taken for this run's

    def add(self, result):
        self.results.setdefault(result["agent"], {})[result["id"]] = result

    def write(self):
        self.outdir.mkdir(parents=True, exist_ok=True)
        index = {}
        for agent, cases in self.results.items():
            slug = re.sub(r"[^a-z0-9]", "_", agent.strip().lower())
            for case_id, result in cases.items():
                file = f"{slug}_case_{case_id.replace('.', '_')}.json"
                (self.outdir / file).write_text(json.dumps(result, indent=1))
                keys = ("behavior", "behaviorClose", "remoteCloseCode", "opened", "duration")
                entry = {key: result[key] for key in keys}
                index.setdefault(agent, {})[case_id] = dict(entry, reportfile=file)
        (self.outdir / self.index).write_text(json.dumps(index, sort_keys=True, indent=1))


# --- TLS ----------------------------------------------------------------------


def client_tls(spec, host):
    """What a connection to `host` needs; only there is pyOpenSSL imported."""
    from twisted.internet import ssl

    trusted = Path(spec["certificates"], "localhost.pem").read_bytes()
    return ssl.optionsForClientTLS(host, trustRoot=ssl.Certificate.loadPEM(trusted))


def server_tls(spec):
    from twisted.internet import ssl

    directory = Path(spec["certificates"])
    pem = [(directory / name).read_bytes() for name in ("localhost.key", "localhost.pem")]
    return ssl.PrivateCertificate.loadPEM(b"\n".join(pem)).options()


# --- Fuzzing client ---------------------------------------------------------


class FuzzingClientProtocol(CaseProtocol, WebSocketClientProtocol):
    def onConnect(self, response):
        if not self.case_agent:
            self.case_agent = response.headers.get("server", "UnknownServer")


class FuzzingClientFactory(WebSocketClientFactory):
    """One connection running one case."""

    noisy = False

    def __init__(self, spec, server, case_id, case_class):
        super().__init__(
            url=server["url"],
            origin=server.get("origin"),
            protocols=server.get("protocols", []),
            useragent="wstest3",
        )
        self.logOctets = False
        self.logFrames = True
        self.setProtocolOptions(failByDrop=False)
        self.setProtocolOptions(**spec.get("options", {}))
        self.setProtocolOptions(**server.get("options", {}))
        self.agent, self.case_id, self.case_class = server.get("agent"), case_id, case_class
        self.result = None
        self.finished = defer.Deferred()

    def buildProtocol(self, addr):
        protocol = FuzzingClientProtocol()
        protocol.factory = self
        protocol.begin_case(self.agent, self.case_id, self.case_class)
        return protocol

    def case_done(self, result):
        self.result = result

    def clientConnectionLost(self, connector, reason):
        self.finished.callback(self.result)

    def clientConnectionFailed(self, connector, reason):
        self.finished.errback(reason)


@defer.inlineCallbacks
def fuzz_servers(spec, cases, ids, report):
    """Run the cases one by one against each server; an unreachable one is fatal."""
    for server in spec["servers"]:
        url = urlsplit(server["url"])
        for case_id in ids:
            if is_excluded(spec, server.get("agent", ""), case_id):
                continue
            factory = FuzzingClientFactory(spec, server, case_id, cases[case_id])
            if url.scheme == "wss":
                tls = client_tls(spec, url.hostname)
                reactor.connectSSL(url.hostname, url.port or 443, factory, tls)
            else:
                reactor.connectTCP(url.hostname, url.port or 80, factory)
            try:
                result = yield factory.finished
            except Exception as error:
                print(f"{server['url']}: case {case_id}: {error}", file=sys.stderr)
                return 1
            report.add(result)
            progress(result)
    return 0


def progress(result):
    print(
        f"{result['agent']} {result['id']}: {result['behavior']} / {result['behaviorClose']}"
        f" {result['duration']} ms",
        flush=True,
    )


def cost(case_class):
    """A guess at a case's work, enough to balance processes."""
    size = getattr(case_class, "LEN", 0)
    return 20 + getattr(case_class, "COUNT", 0) * (0.2 + size / 20000)


def run_client(spec, cases, ids, args):
    report = Report(spec.get("outdir", "./reports/servers"), args.index)
    status = []

    def done(result):
        status.append(result)
        reactor.stop()

    def start():
        fuzz_servers(spec, cases, ids, report).addCallbacks(done, lambda f: done(f.printTraceback() or 1))

    reactor.callWhenRunning(start)
    reactor.run()
    report.write()
    return status[0] if status else 1


def run_client_jobs(spec, cases, ids, args):
    """Share the cases among processes, then merge their indexes."""
    shards = [[0, []] for _ in range(args.jobs)]
    for case_id in sorted(ids, key=lambda i: -cost(cases[i])):
        shard = min(shards, key=lambda s: s[0])
        shard[0] += cost(cases[case_id])
        shard[1].append(case_id)
    outdir = Path(spec.get("outdir", "./reports/servers"))
    (outdir / args.index).unlink(missing_ok=True)
    children = []
    for number, (_, shard) in enumerate(shards):
        if shard:
            index = f"index-{number}.json"
            command = [sys.executable, __file__, "-m", args.mode, "-s", args.spec]
            command += ["--index", index, "--only", ",".join(sorted(shard, key=id_key))]
            children.append((index, subprocess.Popen(command)))
    status = max(child.wait() for _, child in children)
    merged = {}
    for index, _ in children:
        part = outdir / index
        if part.exists():
            for agent, results in json.loads(part.read_text()).items():
                merged.setdefault(agent, {}).update(results)
            part.unlink()
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / args.index).write_text(json.dumps(merged, sort_keys=True, indent=1))
    return status


# --- Fuzzing server ---------------------------------------------------------


class FuzzingServerProtocol(CaseProtocol, WebSocketServerProtocol):
    """Paths are those of wstest: /getCaseCount, /runCase?case=N&agent=A, ..."""

    def onConnect(self, request):
        params = {k: v[-1] for k, v in request.params.items()}
        self.request_path, self.params = request.path, params
        self.agent = params.get("agent")
        self.case_id = None
        if "casetuple" in params:
            self.case_id = params["casetuple"].strip()
        elif "case" in params:
            number = int(params["case"])
            if not 1 <= number <= len(self.factory.ids):
                raise ValueError(f"no case {number}")
            self.case_id = self.factory.ids[number - 1]
        if request.path == "/runCase":
            if not (self.case_id and self.agent):
                raise ValueError("need case and agent")
            if not is_excluded(self.factory.spec, self.agent, self.case_id):
                self.begin_case(self.agent, self.case_id, self.factory.cases[self.case_id])

    def on_command(self):
        factory = self.factory
        if self.request_path == "/getCaseCount":
            self.reply(len(factory.ids))
        elif self.request_path == "/getCaseInfo":
            description = factory.cases[self.case_id].DESCRIPTION.split("<")[0]
            self.reply({"id": self.case_id, "description": " ".join(description.split())})
        elif self.request_path == "/getCaseStatus":
            factory.when_done(self.agent, self.case_id, lambda r: self.reply({"behavior": r["behavior"]}))
        elif self.request_path == "/updateReports":
            factory.report.write()
            self.sendClose()
            if self.params.get("shutdownOnComplete", "").lower() in ("true", "yes"):
                reactor.callLater(1, reactor.stop)
        elif self.request_path == "/stopServer":
            reactor.stop()
        elif self.request_path == "/runCase":
            self.sendClose()  # excluded

    def reply(self, value):
        self.sendMessage(json.dumps(value).encode())
        self.sendClose()


class FuzzingServerFactory(WebSocketServerFactory):
    protocol = FuzzingServerProtocol
    noisy = False

    def __init__(self, spec, cases, ids, report):
        super().__init__()
        self.logOctets = False
        self.logFrames = True
        self.setProtocolOptions(failByDrop=False)
        self.setProtocolOptions(**spec.get("options", {}))
        self.spec, self.cases, self.ids, self.report = spec, cases, ids, report
        self.listeners = {}

    def listen(self, interface):
        """Listen on the port of the spec's URL and return the real one."""
        url = urlsplit(self.spec["url"])
        if url.scheme == "wss":
            tls = server_tls(self.spec)
            listener = reactor.listenSSL(url.port or 0, self, tls, interface=interface)
        else:
            listener = reactor.listenTCP(url.port or 0, self, interface=interface)
        port = listener.getHost().port
        url = url._replace(netloc=f"{url.hostname}:{port}")
        self.setSessionParameters(url.geturl(), protocols=self.spec.get("protocols", []), server="wstest3")
        return port

    def case_done(self, result):
        self.report.add(result)
        progress(result)
        for listener in self.listeners.pop((result["agent"], result["id"]), []):
            listener(result)

    def when_done(self, agent, case_id, listener):
        result = self.report.results.get(agent, {}).get(case_id)
        if result:
            listener(result)
        else:
            self.listeners.setdefault((agent, case_id), []).append(listener)


def run_server(spec, cases, ids, args):
    report = Report(spec.get("outdir", "./reports/clients"), args.index)
    factory = FuzzingServerFactory(spec, cases, ids, report)
    interface = spec.get("interface", "127.0.0.1")
    port = factory.listen(interface)
    print(f"{len(ids)} cases, listening on {interface}:{port}", flush=True)
    reactor.run()
    if report.results:
        report.write()
    return 0


def print_error(event):
    """An exception in a case or callback would otherwise only drop the connection."""
    if event["isError"]:
        print(log.textFromEventDict(event), file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description="Autobahn test cases on Python 3")
    parser.add_argument("-m", "--mode", required=True, choices=["fuzzingclient", "fuzzingserver"])
    parser.add_argument("-s", "--spec", required=True, help="spec file, as for wstest")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="client processes")
    parser.add_argument("-l", "--list", action="store_true", help="print the case ids and exit")
    parser.add_argument("--index", default="index.json", help=argparse.SUPPRESS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()

    log.addObserver(print_error)
    spec = json.loads(Path(args.spec).read_text())
    cases = CaseLoader().load()
    ids = args.only.split(",") if args.only else select_cases(cases, spec)
    if args.list:
        print("\n".join(ids))
        return 0
    if args.mode == "fuzzingserver":
        return run_server(spec, cases, ids, args)
    return (run_client_jobs if args.jobs > 1 else run_client)(spec, cases, ids, args)


if __name__ == "__main__":
    sys.exit(main())
