// Runs the studio's Worker on the real engine (workerd) on this machine, with a database and a bucket of its own.
// usage: node serve_worker.mjs '{"port", "egressPort"?, "bindings": {...}, "persist"?: folder, "engine"?: {...}, "apiLimit"?, "entry"?}'
//   bindings: variables and secrets of the Worker; BACKEND_ORIGIN stands in for the container.
//   egressPort: there, what a container sends to http://d1.internal is answered by the Worker's own outbound handler.
//   engine: {"socket", "image", "sidecarImage"}: a container engine with Docker's API runs the container.
//   entry: another module than worker.js, with the same exports.
// The variable WRANGLER_REGISTRY_PATH names the folder where other local Workers and Pages projects find this one by name.
// Prints "ready" when it answers. Then each line of standard input is one command, each line printed its answer:
//   {"put": [{"key", "base64": data, "type": content type}]}, {"delete": key},
//   {"bindings": {...}} (other variables and secrets, as another version of the Worker has them),
//   {"fetch": address, "method", "headers", "body"} (a request to that address, as a service binding passes it on).
// SIGTERM ends it.

import path from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const { port, egressPort, bindings, persist, engine, apiLimit, entry } = JSON.parse(process.argv[2]);
const COMPATIBILITY_DATE = "2026-04-01";

const bundled = await build({
  entryPoints: [entry ?? path.join(import.meta.dirname, "worker.js")],
  bundle: true,
  format: "esm",
  target: "es2022",
  keepNames: true,
  external: ["cloudflare:*"],
  write: false,
});

const studio = {
  name: "invokeai-cloud",
  modules: [{ type: "ESModule", path: "worker.js", contents: bundled.outputFiles[0].text }],
  compatibilityDate: COMPATIBILITY_DATE,
  bindings: { INVOKEAI_D1_DATABASE_ID: "studio", ...bindings },
  durableObjects: {
    STUDIO: { className: "Studio", useSQLite: true, container: engine && { imageName: engine.image } },
  },
  containerEngine: engine && {
    localDocker: { socketPath: `unix:${engine.socket}`, containerEgressInterceptorImage: engine.sidecarImage },
  },
  d1Databases: { DB: "studio" },
  r2Buckets: { PICTURES: "studio" },
  ratelimits: {
    ACCESS_LIMIT: { simple: { limit: 10, period: 60 } },
    API_LIMIT: { simple: { limit: apiLimit ?? 3000, period: 60 } },
  },
};

// what the runtime does with a container's outbound requests: hand them to ContainerProxy under their own host
const egress = {
  name: "egress",
  modules: true,
  script: `export default { fetch(request, env) {
    const url = new URL(request.url);
    return env.OUT.fetch(new Request(new URL(url.pathname + url.search, "http://d1.internal"), request));
  } }`,
  compatibilityDate: COMPATIBILITY_DATE,
  serviceBindings: {
    OUT: {
      name: "invokeai-cloud",
      entrypoint: "ContainerProxy",
      props: { className: "Studio", containerId: "local", enableInternet: false },
    },
  },
  unsafeDirectSockets: [{ host: "127.0.0.1", port: egressPort ?? 0 }],
};

const options = {
  host: "127.0.0.1",
  port,
  cf: false,
  // standard output is for answers alone
  handleRuntimeStdio: (out, err) => [out, err].forEach((stream) => stream.pipe(process.stderr)),
  d1Persist: persist ? path.join(persist, "d1") : false,
  r2Persist: persist ? path.join(persist, "r2") : false,
  unsafeDevRegistryPath: process.env.WRANGLER_REGISTRY_PATH,
  workers: egressPort ? [studio, egress] : [studio],
};
const miniflare = new Miniflare(options);
await miniflare.ready;
const bucket = await miniflare.getR2Bucket("PICTURES", "invokeai-cloud");
console.log("ready");

const stop = () => miniflare.dispose().then(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if ("put" in command) {
    await Promise.all(command.put.map(({ key, base64, type }) =>
      bucket.put(key, Uint8Array.from(Buffer.from(base64, "base64")), { httpMetadata: { contentType: type } })));
  } else if ("bindings" in command) {
    Object.assign(studio.bindings, command.bindings);
    await miniflare.setOptions(options);
  } else if ("fetch" in command) {
    const { method, headers, body } = command;
    const answer = await miniflare.dispatchFetch(command.fetch, { method, headers, body, redirect: "manual" });
    console.log(JSON.stringify({ status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }));
    continue;
  } else {
    await bucket.delete(command.delete);
  }
  console.log("done");
}
