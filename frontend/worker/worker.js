// The studio's only door: everything that reaches the server in the container came through here.

import { accessRoutes, admit, isTooFast, tooFast, whyClosed } from "./access.js";
import { json, refuse, secured } from "./answers.js";
import { passOn } from "./backend.js";
import { overHttp } from "./https.js";
import { storedPicture } from "./pictures.js";

export { ContainerProxy } from "@cloudflare/containers";
export { Studio } from "./studio.js";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    try {
      return secured(await answer(request, url, env), url);
    } catch (error) {
      console.error("The request could not be answered:", error);
      return secured(refuse(500, "The studio's Worker met an error; its logs say which."), url);
    }
  },
};

async function answer(request, url, env) {
  const elsewhere = overHttp(request, url);
  if (elsewhere) return elsewhere;
  if (url.pathname === "/healthz") return json(200, { status: "ok" });
  const closed = whyClosed(env);
  if (closed) return refuse(503, closed);
  if (/^\/access(\/|$)/.test(url.pathname)) return accessRoutes(request, url, env);
  const visitor = await admit(request, url, env);
  if (visitor instanceof Response) return visitor;
  const picture = await storedPicture(request, url, env);
  if (picture) return picture;
  if (await isTooFast(request, env.API_LIMIT)) return tooFast();
  return passOn(request, url, env, visitor);
}
