"""A thousand messages of mixed lengths and sorts, many under way at a time, with every way to run the app."""

from apps import OPTIONS
from relay import Relay
from scenes import scene

COUNT = 1000

# Exchanges messages of mixed lengths and sorts, many of them under way at a time. Compares the echoes here, where they come.
EXCHANGE = """
const [count] = arguments;
const lengths = [0, 1, 10, 125, 126, 1000];
const words = ['größer ', '世界 ', '𝄞 ', 'window ', 'the ', 'again, ', 'שלום ', 'compression '];
let seed = 1;
const roll = (below) => (seed = (seed * 48271) % 2147483647) % below;
const cut = (bytes, length) => bytes.slice(0, length);
const encoder = new TextEncoder();

function make(number) {
  const length = number % 250 === 100 ? 65536 + number : number % 500 === 250 ? 300 * 1024 : lengths[number % 6];
  const bytes = new Uint8Array(length);
  switch (Math.floor(number / 6) % 4) {
    case 0: {
      let text = '';
      while (text.length < length) {
        text += words[roll(words.length)];
      }
      return text.slice(0, length).toWellFormed();
    }
    case 1: {
      let text = '';
      while (text.length < length) {
        text += JSON.stringify({ event: 'price', id: roll(1000), name: `café № ${roll(50)}`, open: roll(2) === 1 });
      }
      return text.slice(0, length);
    }
    case 2:
      return bytes.map(() => roll(256));
    default:
      return bytes.map((_, at) => (at * at) >> 6);
  }
}

const plain = (message) => (typeof message === 'string' ? encoder.encode(message).length : message.length);
const same = (sent, came) =>
  typeof sent === 'string'
    ? sent === came
    : came instanceof ArrayBuffer &&
      came.byteLength === sent.length &&
      new Uint8Array(came).every((byte, at) => byte === sent[at]);

window.exchanged = { done: false, equal: 0, wrong: [], plain: 0, extensions: null, close: null };
const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`);
socket.binaryType = 'arraybuffer';
const sent = [];
let next = 0;
const more = () => {
  for (; next < count && sent.length < 50; next += 1) {
    const message = make(next);
    window.exchanged.plain += plain(message);
    sent.push([next, message]);
    socket.send(message);
  }
};
socket.onopen = () => {
  window.exchanged.extensions = socket.extensions;
  more();
};
socket.onmessage = ({ data }) => {
  const [number, message] = sent.shift();
  if (same(message, data)) {
    window.exchanged.equal += 1;
  } else {
    window.exchanged.wrong.push(number);
  }
  if (next === count && sent.length === 0) {
    socket.close(1000);
  }
  more();
};
socket.onclose = ({ code, wasClean }) => {
  window.exchanged.close = [code, wasClean];
  window.exchanged.done = true;
};
"""


@scene
def exchange(stage):
    passed = {}
    for kind in ("plain", "background", "compression", "takeover"):
        compressing = "--compression" in OPTIONS[kind]
        with Relay(stage.app(kind).url) as relay:
            page = stage.open(relay.url)
            stage.expect(page.default_url(), compressed=compressing)
            relay.to_server.clear()
            relay.from_server.clear()
            page.script(EXCHANGE, COUNT)
            page.wait("end of the exchange", lambda: page.script("return window.exchanged.done"), seconds=60)
            result = page.script("return window.exchanged")
            passed[kind] = sum(relay.to_server), sum(relay.from_server)
        assert (result["equal"], result["wrong"], result["close"]) == (COUNT, [], [1000, True]), (kind, result)
        name, *parameters = [word.strip() for word in result["extensions"].split(";")]
        assert name == ("permessage-deflate" if compressing else ""), f"{kind}: {result['extensions']!r}"
        for side in ("server", "client"):
            forgets = f"{side}_no_context_takeover" in parameters
            assert forgets == (kind == "compression"), f"{kind}: {result['extensions']!r}"
        for count in passed[kind]:
            short = count < result["plain"] / 2
            assert short == compressing, f"{kind}: {count} bytes passed for {result['plain']}"
    for alone, kept in zip(passed["compression"], passed["takeover"]):
        assert kept < alone, f"contexts saved nothing: {passed}"
