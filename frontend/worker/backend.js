// Passes a request on to the studio's server: the container, or in development the server at BACKEND_ORIGIN.
// Invariant: neither the access token nor the session ever reaches it. Bodies stream in both directions.

import { apiTokens, isRouterPath, otherCookies } from "./access.js";
import { refuse } from "./answers.js";
import { theStudio } from "./studio.js";

const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
/** By this the container class lets a caller choose another port of the container. */
const PORT_HEADER = "cf-container-target-port";

export async function passOn(request, url, env, visitor) {
  const onward = new Request(request, { headers: headersFor(request, url, env, visitor), redirect: "manual" });
  try {
    if (env.BACKEND_ORIGIN) return atThisHost(await fetch(new Request(under(env.BACKEND_ORIGIN, url), onward)), url, env);
    return explained(await theStudio(env).fetch(onward));
  } catch (error) {
    console.error("The studio's server cannot be reached:", error);
    return notThere();
  }
}

/** `url` at another origin. Only the origin changes, whatever the path looks like. */
function under(origin, url) {
  const target = new URL(origin);
  target.pathname = url.pathname;
  target.search = url.search;
  return target;
}

function headersFor(request, url, env, visitor) {
  const headers = new Headers(request.headers);
  for (const name of [...FORWARDED, PORT_HEADER]) headers.delete(name);
  headers.set("x-forwarded-host", url.host);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  // one id in the platform's logs and in the server's
  if (headers.has("cf-ray")) headers.set("x-request-id", headers.get("cf-ray"));
  // the Worker has judged it; the server sees another host than the browser
  headers.delete("origin");
  const cookies = otherCookies(request, url);
  if (cookies) headers.set("cookie", cookies);
  else headers.delete("cookie");
  if (visitor.by === "token") headers.delete("authorization");
  const [token] = apiTokens(env);
  // the owner may call the image router too, which asks for a token of its own
  if (token && visitor.by !== "program" && isRouterPath(url)) headers.set("authorization", `Bearer ${token}`);
  return headers;
}

/** A redirect of the development server within itself leads to where the visitor is. */
function atThisHost(answer, url, env) {
  const location = answer.headers.get("location");
  if (!location?.startsWith(env.BACKEND_ORIGIN)) return answer;
  const moved = new Response(answer.body, answer);
  moved.headers.set("location", url.origin + location.slice(env.BACKEND_ORIGIN.length));
  return moved;
}

/** The container class tells its own faults as plain text, which the server never does. */
function explained(answer) {
  const isPlain = answer.headers.get("content-type")?.startsWith("text/plain");
  return isPlain && [429, 500, 503].includes(answer.status) ? notThere() : answer;
}

const notThere = () =>
  refuse(503, "The studio's server is starting or cannot be reached; try again in a few seconds.", { "retry-after": "3" });
