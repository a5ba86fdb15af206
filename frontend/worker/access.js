// Who may pass. Closed by default: without ACCESS_TOKEN nobody does.
// A browser has a session cookie and must come from our own page to change anything; a program has a bearer token.

import { accessPage, signedInPage } from "./access_page.js";
import { json, refuse } from "./answers.js";
import { readSession, sameSecret, signSession } from "./session.js";

export const OWNER = "system";
export const SESSION_SECONDS = 30 * 24 * 3600;
const LEAST_TOKEN_LENGTH = 16;
/** How long an address that has guessed too often has to wait, and how many such addresses are kept in mind. */
const WAIT_SECONDS = 60;
const MOST_WAITING = 10_000;
const MOST_FORM_BYTES = 4096;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
/** What a program with one of INVOKEAI_API_TOKENS may call: the image router, and the pictures that it names. */
const ROUTER_PATHS = /^\/(v1\/|api\/(images\/|(image-models|generate-image|health\/images)$)|metrics$)/;
const PICTURE_PATHS = /^\/api\/v1\/images\/i\/[^/]+\/(full|thumbnail)$/;

/** Why the studio is closed, as a sentence, or null when its token is set. */
export function whyClosed(env) {
  if (!env.ACCESS_TOKEN) {
    return "This studio is closed: its secret ACCESS_TOKEN is not set. Set it with `wrangler secret put ACCESS_TOKEN`.";
  }
  if (env.ACCESS_TOKEN.length < LEAST_TOKEN_LENGTH) {
    return `This studio is closed: its secret ACCESS_TOKEN is shorter than ${LEAST_TOKEN_LENGTH} characters.`;
  }
  if (apiTokens(env).some((token) => token.length < LEAST_TOKEN_LENGTH)) {
    return `This studio is closed: its secret INVOKEAI_API_TOKENS holds a token shorter than ${LEAST_TOKEN_LENGTH} characters.`;
  }
  return null;
}

/**
 * The visitor behind a request, or the answer that turns it away.
 * @returns {Promise<{user: string, by: "token" | "program" | "session"} | Response>}
 */
export async function admit(request, url, env) {
  const bearer = /^Bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1].trim() ?? null;
  if (bearer !== null && isWaiting(request)) return tooFast();
  if (bearer !== null && (await sameSecret(bearer, env.ACCESS_TOKEN))) return { user: OWNER, by: "token" };
  if (bearer !== null && (await isApiToken(bearer, env))) {
    return opensForPrograms(request, url)
      ? { user: OWNER, by: "program" }
      : refuse(403, "This token is for the image router (/v1 and /api/images) alone.");
  }
  const session = await readSession(env.ACCESS_TOKEN, cookieOf(request, url), secondsNow());
  if (session && comesFromElsewhere(request, url, env)) {
    return refuse(403, "This request does not come from the studio's own page.");
  }
  if (session) return { user: session.user, by: "session" };
  if (bearer !== null && (await isGuessing(request, env))) return tooFast();
  const isVisit = request.method === "GET" && request.headers.get("accept")?.includes("text/html");
  if (isVisit && bearer === null) return new Response(null, { status: 303, headers: { location: "/access" } });
  return refuse(401, "Sign in at /access, or send the studio's access token as `Authorization: Bearer <token>`.", {
    "www-authenticate": "Bearer",
  });
}

/** `/access` (page, signing in), `/access/session` (who is signed in), `/access/leave`. */
export async function accessRoutes(request, url, env) {
  const route = `${request.method} ${url.pathname}`;
  const session = await readSession(env.ACCESS_TOKEN, cookieOf(request, url), secondsNow());
  if (route === "GET /access") return session ? signedInPage(session.endsAt) : accessPage(200, null);
  if (route === "GET /access/session") {
    return session ? json(200, session) : refuse(401, "Nobody is signed in here.");
  }
  if (route !== "POST /access" && route !== "POST /access/leave") return refuse(404, "There is nothing here.");
  if (request.headers.has("origin") && comesFromElsewhere(request, url, env)) {
    return refuse(403, "This request does not come from the studio's own page.");
  }
  return route === "POST /access" ? signIn(request, url, env) : done(request, "/access", cookie(url, "", 0));
}

/** The request's Cookie header without the session, which is nobody else's business; "" when nothing is left. */
export const otherCookies = (request, url) =>
  cookiesOf(request).filter((pair) => !pair.startsWith(`${cookieName(url)}=`)).join("; ");

export async function isTooFast(request, limiter) {
  const { success } = await limiter.limit({ key: addressOf(request) });
  return !success;
}

export const tooFast = () =>
  refuse(429, "Too many requests; try again in a minute.", { "retry-after": String(WAIT_SECONDS) });

export const apiTokens = (env) => (env.INVOKEAI_API_TOKENS ?? "").split(",").map((token) => token.trim()).filter(Boolean);

export const isRouterPath = (url) => ROUTER_PATHS.test(url.pathname);

/** When each address that has sent too many wrong tokens may send one again; the limiter counts, but cannot be asked. */
const waiting = new Map();

const isWaiting = (request) => waiting.get(addressOf(request)) > Date.now();

/** Whether this wrong token is one too many. No other of its address is looked at for a while then, right or wrong. */
async function isGuessing(request, env) {
  if (!(await isTooFast(request, env.ACCESS_LIMIT))) return false;
  if (waiting.size >= MOST_WAITING) waiting.clear();
  waiting.set(addressOf(request), Date.now() + WAIT_SECONDS * 1000);
  return true;
}

const addressOf = (request) => request.headers.get("cf-connecting-ip") ?? "unknown";

async function signIn(request, url, env) {
  if (await isTooFast(request, env.ACCESS_LIMIT)) return wantsPage(request) ? accessPage(429, "fast") : tooFast();
  const given = await givenToken(request);
  if (typeof given !== "string" || !(await sameSecret(given.trim(), env.ACCESS_TOKEN))) {
    return wantsPage(request) ? accessPage(401, "wrong") : refuse(401, "This is not the studio's access token.");
  }
  const session = await signSession(env.ACCESS_TOKEN, OWNER, secondsNow() + SESSION_SECONDS);
  return done(request, "/", cookie(url, session, SESSION_SECONDS));
}

/** The token in a form or in JSON, or null. Anyone may call this: it reads no more than a token can need. */
async function givenToken(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > MOST_FORM_BYTES) return null;
    chunks.push(chunk);
  }
  const text = await new Blob(chunks).text();
  if (wantsPage(request)) return new URLSearchParams(text).get("token");
  try {
    return JSON.parse(text)?.token ?? null;
  } catch {
    return null;
  }
}

const done = (request, next, setCookie) =>
  new Response(null, {
    status: wantsPage(request) ? 303 : 204,
    headers: { "set-cookie": setCookie, "cache-control": "no-store", ...(wantsPage(request) && { location: next }) },
  });

const wantsPage = (request) => !request.headers.get("content-type")?.includes("json");

async function isApiToken(bearer, env) {
  const found = await Promise.all(apiTokens(env).map((token) => sameSecret(bearer, token)));
  return found.some(Boolean);
}

const opensForPrograms = (request, url) =>
  isRouterPath(url) || (SAFE_METHODS.includes(request.method) && PICTURE_PATHS.test(url.pathname));

/** Whether a browser sends this on behalf of another site: only the cookie would authorise it. */
function comesFromElsewhere(request, url, env) {
  const changes = !SAFE_METHODS.includes(request.method) || request.headers.get("upgrade") !== null;
  const ours = [url.origin, ...(env.ALLOWED_ORIGINS ?? "").split(",").map((origin) => origin.trim())];
  return changes && !ours.includes(request.headers.get("origin"));
}

const secondsNow = () => Math.floor(Date.now() / 1000);

// the prefix binds the cookie to this host over https; browsers take it over https only
const cookieName = (url) => (url.protocol === "https:" ? "__Host-studio" : "studio");

const cookie = (url, value, seconds) =>
  `${cookieName(url)}=${value}; Path=/; Max-Age=${seconds}; Secure; HttpOnly; SameSite=Lax`;

const cookiesOf = (request) => (request.headers.get("cookie") ?? "").split(/; */).filter(Boolean);

const cookieOf = (request, url) => {
  const start = `${cookieName(url)}=`;
  return cookiesOf(request).find((pair) => pair.startsWith(start))?.slice(start.length) ?? null;
};
