// The signed session of a browser: `v1.<user>.<seconds since 1970 it ends at>.<HMAC-SHA256>`.
// The key is derived from ACCESS_TOKEN alone, so another token ends every session. Nothing is stored.

const VERSION = "v1";
const DERIVATION = "invokeai-cloud session key v1";
const encoder = new TextEncoder();
let derived = { token: null, key: null };

/** Whether two secrets are the same; takes as long for every pair. */
export async function sameSecret(left, right) {
  const [a, b] = await Promise.all([left, right].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))));
  return crypto.subtle.timingSafeEqual(a, b);
}

/** A session of `user` that ends at `endsAt` (seconds since 1970). */
export async function signSession(accessToken, user, endsAt) {
  const claims = `${VERSION}.${user}.${endsAt}`;
  const signature = await crypto.subtle.sign("HMAC", await keyOf(accessToken), encoder.encode(claims));
  return `${claims}.${base64url(signature)}`;
}

/** `{user, endsAt}` of a session that is ours and not over, else null. */
export async function readSession(accessToken, text, now) {
  const [version, user, endsAt, signature, ...more] = (text ?? "").split(".");
  if (version !== VERSION || signature === undefined || more.length || !/^\d{1,12}$/.test(endsAt)) return null;
  const ours = await signSession(accessToken, user, Number(endsAt));
  return (await sameSecret(ours, text)) && Number(endsAt) > now ? { user, endsAt: Number(endsAt) } : null;
}

async function keyOf(accessToken) {
  if (derived.token !== accessToken) {
    const secret = await crypto.subtle.importKey("raw", encoder.encode(accessToken), "HKDF", false, ["deriveKey"]);
    const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(DERIVATION) };
    const key = await crypto.subtle.deriveKey(how, secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    derived = { token: accessToken, key };
  }
  return derived.key;
}

export const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
