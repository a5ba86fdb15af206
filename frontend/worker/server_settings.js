// What the server in the container is told through its environment, and what its queue tells back.

import { base64url } from "./session.js";

/** Variables and secrets that are the Worker's own. Every other one is a setting or a provider's key for the server. */
const KEPT_HERE = ["ACCESS_TOKEN", "ALLOWED_ORIGINS", "BACKEND_ORIGIN", "SLEEP_AFTER"];
/** The server's own default of INVOKEAI_DRAIN_SECONDS. */
const DRAIN_SECONDS = 20;
/** Requests that end, items that are handed back, connections to the database that are closed. */
const CLOSE_SECONDS = 40;

/** The environment of the server: the Worker's variables and secrets that are meant for it, and what never varies. */
export function serverEnvironment(env, port) {
  const isMeant = ([name, value]) => typeof value === "string" && value !== "" && !KEPT_HERE.includes(name);
  return {
    INVOKEAI_LOG_FORMAT: "json",
    ...Object.fromEntries(Object.entries(env).filter(isMeant)),
    INVOKEAI_HOST: "0.0.0.0",
    INVOKEAI_PORT: String(port),
    INVOKEAI_WEB_UI: "none",
    INVOKEAI_DATABASE: "d1",
    INVOKEAI_D1_BASE_URL: "http://d1.internal",
    INVOKEAI_IMAGE_STORAGE: "r2",
    // only the Worker reaches the container, so what it says of the visitor holds
    FORWARDED_ALLOW_IPS: "*",
  };
}

/** Whether the queue's status says that something runs or will run by itself. */
export function isBusy({ queue, processor }) {
  return queue.in_progress > 0 || processor.is_processing || (queue.pending > 0 && processor.is_started);
}

/** How long a server with this environment may take to end: its drain, and what comes before and after it. */
export function endMilliseconds({ INVOKEAI_DRAIN_SECONDS }) {
  const drain = Number.parseFloat(INVOKEAI_DRAIN_SECONDS);
  return ((drain >= 0 ? drain : DRAIN_SECONDS) + CLOSE_SECONDS) * 1000;
}

/** What tells two environments apart without showing them. */
export async function digest(environment) {
  const text = JSON.stringify(Object.entries(environment).sort());
  return base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
