// An echo server over the npm package ws.   node ws.cjs default|no-takeover

"use strict";

const { WebSocketServer } = require("ws");

const takeover = { default: true, "no-takeover": false }[process.argv[2]];
if (takeover === undefined) {
  throw new Error("usage: node ws.cjs default|no-takeover");
}

const perMessageDeflate = { threshold: 0, serverNoContextTakeover: !takeover, clientNoContextTakeover: !takeover };
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  socket.on("error", (error) => console.error("connection failed:", error.message));
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
