// Answers of the Worker itself, and the headers that every answer leaves with.
// Invariant: nothing that needed a session may be kept by a cache that others share.

const NO_SOURCES = "default-src 'none'; frame-ancestors 'none'";

export const json = (status, body, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

/** A refusal with a sentence, in the studio's shape; `error` is what OpenAI's clients read. */
export const refuse = (status, detail, headers = {}) =>
  json(status, { detail, error: { message: detail, type: "access", code: String(status) } },
    { "cache-control": "no-store", ...headers });

/** `answer` with the security headers; an upgraded connection stays as it is. */
export function secured(answer, url) {
  if (answer.webSocket) return answer;
  const safe = new Response(answer.body, answer);
  const { headers } = safe;
  const isPage = headers.get("content-type")?.startsWith("text/html");
  headers.set("x-content-type-options", "nosniff");
  headers.set("x-frame-options", "DENY");
  headers.set("referrer-policy", "same-origin");
  headers.set("cross-origin-resource-policy", "same-origin");
  headers.set("cross-origin-opener-policy", "same-origin");
  if (url.protocol === "https:") headers.set("strict-transport-security", "max-age=31536000");
  const caching = headers.get("cache-control");
  // a 304 changes the headers of the answer that the browser has, of which nothing is known here
  if (answer.status !== 304) {
    if (!headers.has("content-security-policy")) {
      headers.set("content-security-policy", isPage ? "frame-ancestors 'none'" : NO_SOURCES);
    }
    if (!caching) headers.set("cache-control", "no-store");
  }
  if (caching && !/\b(private|no-store)\b/.test(caching)) {
    headers.set("cache-control", `private, ${caching.replace(/\bpublic,? ?/, "")}`);
  }
  return safe;
}
