// A socket.io server that sends every message back. With WEBSANS=HOST:PORT it also stands in front of a websans app: the
// WebSockets at /ws are the app's.
//
//   [WEBSANS=127.0.0.1:5000] node server.mjs [PORT]

import http from "node:http";
import { Server } from "socket.io";

const server = http.createServer();
// Socket.io ends upgrades elsewhere than at its own path that nobody has answered within a second, be it only that the
// app is slow. Told to let them be, it leaves them all to `forward`, which has to answer every one.
const io = new Server(server, { destroyUpgrade: !process.env.WEBSANS });
io.on("connection", (socket) => socket.on("message", (text) => socket.emit("message", text)));
if (process.env.WEBSANS) server.on("upgrade", forward);
server.listen(Number(process.argv[2] ?? 3000), "127.0.0.1", () => console.log(`port ${server.address().port}`));

function forward(request, socket, head) {
  const path = request.url.split("?")[0];
  if (path.startsWith("/socket.io/")) return;
  socket.on("error", () => socket.destroy());
  if (path !== "/ws") return socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");

  const [host, port] = process.env.WEBSANS.split(":");
  const { method, url, headers } = request;
  const onward = http.request({ host, port, method, path: url, headers });
  socket.on("close", () => onward.destroy());
  onward.on("error", () => socket.destroy());
  // Only a 101 makes it a tunnel. What came behind the handshake waits until then, and goes nowhere without.
  onward.on("upgrade", (answer, app, first) => {
    socket.write(start(answer));
    socket.write(first);
    app.write(head);
    for (const [from, to] of [[socket, app], [app, socket]]) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
    socket.setTimeout(0);
    socket.setNoDelay(true);
    app.setNoDelay(true);
  });
  onward.on("response", (answer) => {
    delete answer.headers["transfer-encoding"];
    answer.headers.connection = "close";
    socket.write(start(answer));
    answer.pipe(socket);
  });
  onward.end();
}

function start({ statusCode, statusMessage, headers }) {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`));
  return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines, "", ""].join("\r\n");
}
