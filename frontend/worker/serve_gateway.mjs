// Runs the gateway on the real D1 engine (workerd) on this machine, for tests and development.
// usage: node serve_gateway.mjs PORT TOKEN DATABASES [FOLDER]
//   DATABASES: how many databases, ids 0..n-1; FOLDER keeps them on disk, else they live in memory.
// Prints "ready" when it answers; SIGTERM ends it.

import path from "node:path";
import { Miniflare } from "miniflare";

const [port, token, count, folder] = process.argv.slice(2);
const ids = Array.from({ length: Number(count) }, (_, index) => String(index));

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: Number(port),
  cf: false,
  modules: true,
  modulesRules: [{ type: "ESModule", include: ["**/*.js"] }],
  rootPath: import.meta.dirname,
  scriptPath: path.join(import.meta.dirname, "gateway_worker.js"),
  compatibilityDate: "2026-04-01",
  d1Databases: Object.fromEntries(ids.map((id) => [`DB_${id}`, `database-${id}`])),
  d1Persist: folder ?? false,
  bindings: { TOKEN: token },
});
await miniflare.ready;
console.log("ready");

const stop = () => miniflare.dispose().then(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
