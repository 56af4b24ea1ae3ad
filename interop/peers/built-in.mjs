// Node's own WebSocket, a client only.   node built-in.mjs client DIRECTORY
//
// It trusts the CA that the environment names (NODE_EXTRA_CA_CERTS). It has the interface of the browsers': it shows
// neither Pings nor frames, and sends neither Pings nor fragments. Its offer of permessage-deflate cannot be chosen; it
// inflates, and compresses nothing itself.

import { subscribe } from "node:diagnostics_channel";
import { eachTask, parameters, Record } from "./record.mjs";

// Its error events do not say why, as in browsers, where scripts are not to explore networks. Node says it here.
const connecting = new Map();
subscribe("undici:client:connectError", ({ connectParams, error }) => {
  connecting.get(connectParams.port)?.failed(error);
});

function connect(task) {
  const record = new Record(task);
  connecting.set(new URL(task.url).port, record);
  const socket = new WebSocket(task.url, task.protocols);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    record.opened = true;
    record.protocol = socket.protocol || null;
    record.deflate = agreed(socket.extensions);
    if (task.close) {
      task.close.code === null ? socket.close() : socket.close(task.close.code, task.close.reason);
    }
  };
  socket.onmessage = ({ data }) => {
    const text = typeof data === "string";
    record.message(text ? "text" : "binary", Buffer.from(data));
    socket.send(data);
  };
  socket.onerror = (event) => record.failed(event.error ?? event);
  socket.onclose = ({ code, reason }) => {
    record.close = { code, reason };
    connecting.delete(new URL(task.url).port);
    record.tell();
  };
}

/** The parameters in the answer to the offer, as they came. */
function agreed(extensions) {
  const [name, ...words] = extensions.split(";").map((word) => word.trim());
  return name === "permessage-deflate"
    ? parameters(Object.fromEntries(words.map((word) => word.split("="))))
    : null;
}

eachTask(connect);
