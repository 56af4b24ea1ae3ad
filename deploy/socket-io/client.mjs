// Sends messages to a socket.io server, by the WebSocket transport alone and by the way browsers take, from long polling
// up to a WebSocket. Each must come back.
//
//   node client.mjs URL

import { io } from "socket.io-client";

for (const transports of [["websocket"], ["polling", "websocket"]]) {
  const socket = io(process.argv[2], { transports, reconnection: false, timeout: 5000, forceNew: true });
  await new Promise((resolve, reject) => {
    socket.on("connect_error", reject);
    socket.on("disconnect", (reason) => reject(new Error(`disconnected: ${reason}`)));
    socket.on("connect", () => {
      const { engine } = socket.io;
      if (engine.transport.name === "websocket") return resolve();
      engine.once("upgrade", resolve);
      engine.once("upgradeError", reject);
    });
  });
  const text = "h\u00e9llo ".repeat(10_000);
  socket.emit("message", text);
  const echo = await new Promise((resolve) => socket.once("message", resolve));
  if (echo !== text) throw new Error("another message came back");
  console.log(`${transports.join(" to ")}: ok by ${socket.io.engine.transport.name}`);
  socket.off("disconnect").disconnect();
}
