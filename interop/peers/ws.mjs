// The npm package ws.   node ws.mjs server|client DIRECTORY
//
// DIRECTORY has the certificates. Everything else is told in tasks: see ../README.md.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import { join } from "node:path";
import { eachTask, LARGEST, Record, say, taskOf } from "./record.mjs";

// Unlike an import, this looks where NODE_PATH says.
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)("ws");

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
    task.fragment ? sendInFragments(socket, data, binary, task) : socket.send(data, { binary });
  });
  socket.on("error", (error) => record.failed(error));
  socket.on("close", (code, reason) => {
    record.close = { code, reason: reason.toString() };
    record.tell();
  });
  socket.readyState === WebSocket.OPEN ? open() : socket.on("open", open);
}

/** Sends a message in fragments, wherever they cut a character, with a Ping behind the first. */
function sendInFragments(socket, data, binary, { fragment, between }) {
  for (let at = 0; at < data.length; at += fragment) {
    const fin = at + fragment >= data.length;
    socket.send(data.subarray(at, at + fragment), { binary, fin });
    if (at === 0 && between !== undefined) {
      socket.ping(Buffer.from(between, "hex"));
    }
  }
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
    const sockets = new WebSocketServer({
      server,
      maxPayload: LARGEST,
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
    sockets.on("connection", (socket, request) => {
      const task = taskOf(request.url);
      attend(socket, task, new Record(task));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    listening[name] = server.address().port;
  }
  say({ listening });
  eachTask(() => {});
}

function connect(task) {
  const record = new Record(task);
  const socket = new WebSocket(task.url, task.protocols, { ca: pem("ca.pem"), maxPayload: LARGEST });
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
