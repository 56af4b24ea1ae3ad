// The npm package ws as the echo server that crates/websans-testkit/conformance/README.md describes, once for each profile
// that it has settings for.

import { createRequire } from "node:module";

// Unlike an import, this looks where NODE_PATH says.
const { WebSocketServer } = createRequire(import.meta.url)("ws");

const forgetful = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const profiles = {
  plain: {},
  limits: { maxPayload: 4096 },
  fragments: { maxFragments: 16 },
  protocols: { handleProtocols: (offered) => ["chat", "superchat"].find((name) => offered.has(name)) ?? false },
  deflate: { perMessageDeflate: { threshold: 0 } },
  "deflate-forgetful": { perMessageDeflate: { threshold: 0, ...forgetful } },
  "deflate-limits": { maxPayload: 4096, perMessageDeflate: { threshold: 0 } },
};

function obey(socket, order) {
  const [name, ...rest] = order.split(" ");
  if (name === "close") {
    socket.close(Number(rest[0]), rest.slice(1).join(" "));
  } else if (name === "ping") {
    socket.ping(rest.join(" "));
  } else if (name === "send") {
    socket.send(rest.join(" "));
  }
}

const servers = await Promise.all(
  Object.entries(profiles).map(
    ([name, options]) =>
      new Promise((resolve) => {
        const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
        server.on("listening", () => resolve(`${name}=127.0.0.1:${server.address().port}`));
        server.on("connection", (socket) => {
          // The scenarios break the rules on purpose; what comes of it is on the wire.
          socket.on("error", () => {});
          socket.on("message", (data, binary) => {
            if (socket.readyState !== socket.OPEN) {
              return;
            }
            const text = binary ? "" : data.toString();
            text.startsWith("app:") ? obey(socket, text.slice(4)) : socket.send(data, { binary });
          });
        });
      }),
  ),
);
console.log(`servers ${servers.join(" ")}`);
