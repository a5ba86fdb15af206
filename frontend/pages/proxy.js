// Passes a request on to the back end: the Worker behind the service binding BACKEND, or in development whatever listens
// at BACKEND_ORIGIN. Invariants: bodies stream in both directions; what the back end is told of the visitor is true.

const HOP_BY_HOP = ["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"];
const SAID_BY_OTHERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
const NOT_THERE = "The studio cannot be reached right now; try again in a few seconds.";

/** @param {URL} url the request's own address, or another one on the same host */
export async function passOn(request, url, env) {
  try {
    return explained(atThisHost(await backEnd(request, url, env), url, env));
  } catch (error) {
    console.error("The back end cannot be reached:", error);
    return notThere(502);
  }
}

/** The back end's own answer. Throws when there is none. */
export function backEnd(request, url, env) {
  const headers = headersFor(request);
  const { method, body, signal } = request;
  // GET and HEAD have no body; a stream is passed as the stream it is
  const onward = { method, headers, body, signal, redirect: "manual" };
  if (env.BACKEND_ORIGIN) return fetch(under(env.BACKEND_ORIGIN, url), onward);
  if (env.BACKEND) return env.BACKEND.fetch(url, onward);
  throw new Error("neither the service binding BACKEND nor BACKEND_ORIGIN is set");
}

function headersFor(request) {
  const visited = new URL(request.url);
  const headers = new Headers(request.headers);
  // the upgrade of a WebSocket stays: the runtime makes the connection by it
  for (const name of [...HOP_BY_HOP, ...SAID_BY_OTHERS]) headers.delete(name);
  headers.set("x-forwarded-host", visited.host);
  headers.set("x-forwarded-proto", visited.protocol.slice(0, -1));
  const address = headers.get("cf-connecting-ip");
  if (address) headers.set("x-forwarded-for", address);
  return headers;
}

/** `url` at another origin. Only the origin changes, whatever the path looks like. */
function under(origin, url) {
  const target = new URL(origin);
  target.pathname = url.pathname;
  target.search = url.search;
  return target;
}

/** A redirect of the development server within itself leads to where the visitor is. */
function atThisHost(answer, url, env) {
  const location = answer.headers.get("location");
  if (!env.BACKEND_ORIGIN || !location?.startsWith(`${new URL(env.BACKEND_ORIGIN).origin}/`)) return answer;
  const moved = new Response(answer.body, answer);
  moved.headers.set("location", url.origin + location.slice(new URL(env.BACKEND_ORIGIN).origin.length));
  return moved;
}

/** Cloudflare tells of a dead origin or Worker as a page or as plain text, which the back end never does. */
function explained(answer) {
  const isPlain = answer.status === 503 && answer.headers.get("content-type")?.startsWith("text/plain");
  return isPlain || (answer.status >= 520 && answer.status <= 530) ? notThere(503) : answer;
}

const notThere = (status) =>
  new Response(JSON.stringify({ detail: NOT_THERE }), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", "retry-after": "3" },
  });
