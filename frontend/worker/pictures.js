// Pictures straight from the bucket: the container sleeps on. What the bucket does not hold is the container's to answer.
// Keys, headers and ranges are those of the studio's own routes, so it makes no difference who answers.

const ROUTE = /^\/api\/v1\/images\/i\/([^/]+)\/(full|thumbnail)$/;
const NAME = /^(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,120}$/;
const RANGE = /^bytes=(\d{0,18})-(\d{0,18})$/;
const KINDS = ["image/png", "image/webp", "image/jpeg", "image/gif"];

/** The answer, or null: no picture is asked for, or the bucket does not give it. */
export async function storedPicture(request, url, env) {
  const route = ROUTE.exec(url.pathname);
  if (!route || !["GET", "HEAD"].includes(request.method) || !NAME.test(route[1])) return null;
  try {
    return await fromBucket(request, route[1], route[2], env);
  } catch (error) {
    console.error("The bucket does not answer:", error);
    return null;
  }
}

async function fromBucket(request, name, kind, env) {
  const key = kind === "full" ? `images/${name}` : `thumbnails/${stem(name)}.webp`;
  const savedAs = kind === "full" ? name : `${name.slice(0, Math.max(0, name.lastIndexOf("."))) || name}.webp`;
  if (request.method === "HEAD") {
    const head = await env.PICTURES.head(key);
    return head && answer(head, savedAs, matches(request, head) ? 304 : 200, null);
  }
  const wanted = await wantedRange(request, key, env);
  if (wanted === "beyond") return beyond(key, env);
  const object = await env.PICTURES.get(key, { range: wanted ?? undefined, onlyIf: condition(request) });
  if (!object) return null;
  if (!("body" in object)) return answer(object, savedAs, 304, null);
  return answer(object, savedAs, wanted ? 206 : 200, object.body, wanted && object.range);
}

/** What Python's PurePosixPath calls the stem: a dot at an end is no suffix. */
function stem(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 && dot < name.length - 1 ? name.slice(0, dot) : name;
}

function answer(object, savedAs, status, body, range) {
  const headers = new Headers({
    etag: object.httpEtag,
    "cache-control": "private, max-age=31536000, immutable",
    "accept-ranges": "bytes",
    "content-disposition": `inline; filename="${savedAs}"`,
    "content-security-policy": "default-src 'none'",
  });
  if (status === 304) return new Response(null, { status, headers });
  const kind = object.httpMetadata?.contentType;
  headers.set("content-type", KINDS.includes(kind) ? kind : "application/octet-stream");
  const length = range ? range.length : object.size;
  if (range) headers.set("content-range", `bytes ${range.offset}-${range.offset + length - 1}/${object.size}`);
  headers.set("content-length", String(length));
  return new Response(body, { status, headers });
}

/** The answer to this one question, not the picture: nobody may keep it. */
async function beyond(key, env) {
  const head = await env.PICTURES.head(key);
  const headers = { "accept-ranges": "bytes", "cache-control": "no-store", "content-security-policy": "default-src 'none'" };
  return head && new Response(null, { status: 416, headers: { "content-range": `bytes */${head.size}`, ...headers } });
}

/** What part is asked for, as the bucket takes it; null: all of it; "beyond": nothing of it is there. */
async function wantedRange(request, key, env) {
  const [, first, last] = RANGE.exec(request.headers.get("range")?.trim() ?? "") ?? [];
  // none is asked for, or one that is none (`bytes=-`, `bytes=5-2`), which is ignored as RFC 9110 14.2 says
  if (!first && !last) return null;
  if (first && last && Number(last) < Number(first)) return null;
  const head = await env.PICTURES.head(key);
  if (!head) return null;
  if ((request.headers.get("if-range") ?? head.httpEtag) !== head.httpEtag) return null;
  const offset = first ? Number(first) : Math.max(0, head.size - Number(last));
  const end = first && last ? Math.min(Number(last), head.size - 1) : head.size - 1;
  if (matches(request, head)) return null;
  return offset > end || (!first && !Number(last)) ? "beyond" : { offset, length: end - offset + 1 };
}

const condition = (request) => {
  const tags = request.headers.get("if-none-match");
  return tags === null ? undefined : new Headers({ "if-none-match": tags });
};

const matches = (request, { httpEtag }) =>
  (request.headers.get("if-none-match") ?? "")
    .split(",").some((tag) => ["*", httpEtag].includes(tag.trim().replace(/^W\//, "")));
