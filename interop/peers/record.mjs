// What every Node peer shares: its tasks, what it records of a connection, and how it tells.
//
// A peer writes JSON to its standard output, a line each: first {"listening": ...} if it is a server,
// then one report for every connection that has ended.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

export const LARGEST = 64 << 20;

const seen = new WeakMap();

/** The record of one connection; whatever the peer cannot observe stays null. */
export class Record {
  constructor(task) {
    this.id = task.id;
    this.opened = false;
    this.protocol = null;
    this.deflate = null;
    this.messages = [];
    this.frames = null;
    this.pings = null;
    this.pongs = null;
    this.latency = null;
    this.close = null;
    this.status = null;
    this.body = null;
    this.error = null;
  }

  /** Adds a message, whose bytes are told by their digest. */
  message(kind, bytes) {
    const sha1 = createHash("sha1").update(bytes).digest("hex");
    this.messages.push({ kind, length: bytes.length, sha1 });
  }

  /** Keeps an error with all its causes: the reason for a failed TLS handshake is often the last one. */
  failed(error) {
    const words = [];
    for (let cause = error; cause; cause = cause.cause ?? cause.error) {
      words.push([cause.code, cause.message ?? String(cause)].filter(Boolean).join(" "));
    }
    this.error ??= words.join(": ");
  }

  /** Ends the record, once. */
  tell() {
    if (!seen.has(this)) {
      seen.set(this, true);
      say(this);
    }
  }
}

/** What the parameters of permessage-deflate mean that were agreed on. */
export function parameters(agreed) {
  return (
    agreed && {
      server_no_context_takeover: "server_no_context_takeover" in agreed,
      client_no_context_takeover: "client_no_context_takeover" in agreed,
      server_max_window_bits: Number(agreed.server_max_window_bits ?? 15),
      client_max_window_bits: Number(agreed.client_max_window_bits ?? 15),
    }
  );
}

export function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

/** Calls `connect` with each task on standard input. The peer ends with its input, so it never outlives the runner. */
export function eachTask(connect) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => connect(JSON.parse(line)));
  lines.on("close", () => process.exit(0));
}

/** The task that a client put into its request: /HEX, the hex digits being those of JSON. */
export function taskOf(path) {
  return JSON.parse(Buffer.from(path.slice(1), "hex").toString());
}
