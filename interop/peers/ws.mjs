// The npm package ws.   node ws.mjs server|client DIRECTORY
//
// DIRECTORY has the certificates. Everything else is told in tasks: see ../README.md.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import { join } from "node:path";
import { eachTask, LARGEST, parameters, Record, say, taskOf } from "./record.mjs";

// Unlike an import, this looks where NODE_PATH says.
const { PerMessageDeflate, WebSocket, WebSocketServer } = createRequire(import.meta.url)("ws");

const [role, directory] = process.argv.slice(2);
const pem = (name) => readFileSync(join(directory, name));

/** Does the task on a connection that is open or about to be, and records it. */
function attend(socket, task, record) {
  record.pings = [];
  record.pongs = [];
  let pinged = null;
  const open = () => {
    record.opened = true;
    record.protocol = socket.protocol || null;
    // The public property has the name alone.
    record.deflate = parameters(socket._extensions[PerMessageDeflate.extensionName]?.params);
    if (task.ping !== undefined) {
      pinged = performance.now();
      socket.ping(Buffer.from(task.ping, "hex"));
    }
    if (task.close) {
      task.close.code === null ? socket.close() : socket.close(task.close.code, task.close.reason);
    }
    if (task.abort) {
      socket.terminate();
    }
  };
  socket.on("ping", (data) => record.pings.push(data.toString("hex")));
  socket.on("pong", (data) => {
    record.pongs.push(data.toString("hex"));
    if (pinged !== null) {
      record.latency = performance.now() - pinged;
      pinged = null;
      socket.send("pong");
    }
  });
  socket.on("message", (data, binary) => {
    record.message(binary ? "binary" : "text", data);
    // Where compression is asked for, every third answer goes without it.
    const compress = task.deflate !== undefined && record.messages.length % 3 !== 0;
    const options = { binary, compress };
    task.fragment ? sendInFragments(socket, data, options, task) : socket.send(data, options);
  });
  socket.on("error", (error) => record.failed(error));
  socket.on("close", (code, reason) => {
    record.close = { code, reason: reason.toString() };
    record.tell();
  });
  socket.readyState === WebSocket.OPEN ? open() : socket.on("open", open);
}

/** Sends a message in fragments, wherever they cut a character, with a Ping behind the first. */
function sendInFragments(socket, data, options, { fragment, between }) {
  for (let at = 0, fin = false; !fin; at += fragment) {
    fin = at + fragment >= data.length;
    socket.send(data.subarray(at, at + fragment), { ...options, fin });
    if (at === 0 && !fin && between !== undefined) {
      socket.ping(Buffer.from(between, "hex"));
    }
  }
}

/** What a side asks for of permessage-deflate; nothing leaves it out. Nothing is too short to be compressed. */
function compression(deflate) {
  return (
    deflate && {
      serverNoContextTakeover: deflate.server_no_context_takeover,
      clientNoContextTakeover: deflate.client_no_context_takeover,
      serverMaxWindowBits: deflate.server_max_window_bits,
      clientMaxWindowBits: deflate.client_max_window_bits,
      threshold: 0,
    }
  );
}

const made = new Map();

/** What answers handshakes whose tasks ask for this of permessage-deflate. */
function accepting(deflate) {
  const key = JSON.stringify(deflate);
  if (!made.has(key)) {
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: LARGEST,
      perMessageDeflate: compression(deflate) ?? false,
      verifyClient: ({ req }, decide) => {
        const task = taskOf(req.url);
        if (task.refuse) {
          const record = new Record(task);
          record.status = task.refuse;
          record.tell();
          decide(false, task.refuse, "go away\n");
        } else {
          decide(true);
        }
      },
      handleProtocols: (offered, request) => {
        const { choose } = taskOf(request.url);
        return offered.has(choose) ? choose : false;
      },
    });
    made.set(key, sockets);
  }
  return made.get(key);
}

async function serve() {
  const servers = {
    plain: http.createServer(),
    tls: https.createServer({ cert: pem("localhost.pem"), key: pem("localhost.key") }),
    wrong: https.createServer({ cert: pem("wrong.pem"), key: pem("wrong.key") }),
    unknown: https.createServer({ cert: pem("unknown.pem"), key: pem("unknown.key") }),
  };
  const listening = {};
  for (const [name, server] of Object.entries(servers)) {
    server.on("upgrade", (request, stream, head) => {
      const task = taskOf(request.url);
      const sockets = accepting(task.deflate);
      sockets.handleUpgrade(request, stream, head, (socket) => attend(socket, task, new Record(task)));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    listening[name] = server.address().port;
  }
  say({ listening });
  eachTask(() => {});
}

function connect(task) {
  const record = new Record(task);
  // Where nothing is asked for, the offer is the package's own, which our side then declines.
  const socket = new WebSocket(task.url, task.protocols, {
    ca: pem("ca.pem"),
    maxPayload: LARGEST,
    perMessageDeflate: compression(task.deflate) ?? true,
  });
  attend(socket, task, record);
  socket.on("unexpected-response", (request, response) => {
    record.status = response.statusCode;
    let body = "";
    response.on("data", (data) => (body += data));
    response.on("end", () => {
      record.body = body;
      record.tell();
      request.destroy();
    });
  });
}

role === "server" ? await serve() : eachTask(connect);
