// Nothing goes over plain http: what is sent so, a token among it, can be read on the way.
// Both the Pages project and the Worker ask here, as the one serves pages and the other everything else.

import { refuse } from "./answers.js";

/** Where tests and `wrangler dev` listen: what is sent there leaves no machine. */
const THIS_MACHINE = ["localhost", "127.0.0.1", "[::1]"];

/** The answer to a request over http: the way to https, or for anything but a visit a refusal. Null over https. */
export function overHttp(request, url) {
  if (url.protocol === "https:" || THIS_MACHINE.includes(url.hostname)) return null;
  const target = new URL(url);
  target.protocol = "https:";
  target.port = "";
  if (["GET", "HEAD"].includes(request.method)) {
    return new Response(null, { status: 308, headers: { location: target.href, "cache-control": "no-store" } });
  }
  return refuse(403, `Send this to ${target.origin}: over http it can be read on the way. Change a token that was sent so.`);
}
