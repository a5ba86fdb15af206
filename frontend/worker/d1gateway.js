// Cloudflare D1's REST shape over a D1 binding: the same client speaks to the public API, to this gateway inside
// the container's Worker (no token: nothing outside the platform reaches it) and to this gateway in tests (token).
// One request is one D1 batch: all statements or none.

const ROUTE = /^\/client\/v4\/accounts\/[^/]+\/d1\/database\/([^/]+)\/(query|raw)$/;
const STATEMENT_AT_FAULT = /SQLITE_|D1_TYPE|bindings|statements|transaction/;

const answer = (status, body, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

const refuse = (status, code, message) =>
  answer(status, { result: [], success: false, errors: [{ code, message }], messages: [] });

const sameText = (left, right) => {
  const [a, b] = [left, right].map((text) => new TextEncoder().encode(text));
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
};

const asColumns = (rows) => {
  const columns = Object.keys(rows[0] ?? {});
  return { columns, rows: rows.map((row) => columns.map((column) => row[column])) };
};

/**
 * Answers one REST call.
 * @param {Request} request
 * @param {Record<string, D1Database>} databases binding by database id
 * @param {string | null} token bearer token to demand; null inside the platform
 */
export async function d1Gateway(request, databases, token) {
  const route = ROUTE.exec(new URL(request.url).pathname);
  if (!route || request.method !== "POST") return refuse(404, 7000, "No route for that URI");
  if (token !== null && !sameText(request.headers.get("authorization") ?? "", `Bearer ${token}`)) {
    return refuse(401, 10000, "Authentication error");
  }
  const database = Object.hasOwn(databases, route[1]) ? databases[route[1]] : undefined;
  if (!database) return refuse(404, 7404, `The database ${route[1]} could not be found`);
  const body = await request.json().catch(() => null);
  const queries = Array.isArray(body?.batch) ? body.batch : body?.sql ? [body] : [];
  if (!queries.length) return refuse(400, 7400, "The request is malformed: sql or batch required");

  try {
    const session = database.withSession(request.headers.get("x-d1-bookmark") || "first-primary");
    const statements = queries.map(({ sql, params }) =>
      params?.length ? session.prepare(sql).bind(...params) : session.prepare(sql),
    );
    const result = (await session.batch(statements)).map(({ results = [], success, meta }) => ({
      results: route[2] === "raw" ? asColumns(results) : results,
      success,
      meta,
    }));
    const headers = { "x-d1-bookmark": session.getBookmark() ?? "" };
    return answer(200, { result, success: true, errors: [], messages: [] }, headers);
  } catch (error) {
    const message = String(error?.message ?? error).replace(/^D1_ERROR: /, "");
    return refuse(STATEMENT_AT_FAULT.test(message) ? 400 : 500, 7500, message);
  }
}
