// The pages of the UI. Whoever has no access is led to /access; the Worker decides that, nothing here knows a secret.
// A back end that cannot be reached keeps nobody from the UI, which tells of it by itself.

import { backEnd } from "./proxy.js";

const INDEX = "/";
const PAGES = [INDEX, "/app", "/login", "/setup", "/profile", "/admin/users"];

/** Whether this is a visit to a page that the UI draws. */
export const isPage = (request, url) => ["GET", "HEAD"].includes(request.method) && PAGES.includes(url.pathname);

export async function page(request, url, env) {
  if (await isTurnedAway(request, url, env)) {
    return new Response(null, { status: 303, headers: { location: "/access", "cache-control": "no-store" } });
  }
  const index = await env.ASSETS.fetch(new Request(new URL(INDEX, url), request));
  return atTheTop(index, url.pathname.split("/").length - 2);
}

/** What the Worker says of the visitor: not signed in, or closed to everybody. */
async function isTurnedAway(request, url, env) {
  const question = new Request(url, { headers: request.headers });
  try {
    const answer = await backEnd(question, new URL("/access/session", url), env);
    if (answer.status === 503) return (await answer.json()).error?.type === "access";
    await answer.body?.cancel();
    return answer.status === 401;
  } catch (error) {
    console.error("The back end cannot be asked who may pass:", error);
    return false;
  }
}

/** The index for a page `depth` folders down: its relative addresses are led back to the top. */
function atTheTop(index, depth) {
  if (depth === 0) return index;
  const base = `<base href="${"../".repeat(depth)}">`;
  return new HTMLRewriter().on("head", { element: (head) => void head.prepend(base, { html: true }) }).transform(index);
}
