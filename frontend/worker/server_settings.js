// What the server in the container is told through its environment, and what its queue tells back.

/** The names under which people know the providers' keys; the same list as in the server's settings. */
export const PROVIDER_KEYS = [
  "RUNWARE_API_KEY", "GEMINI_API_KEY", "PARASAIL_API_KEY", "OPENAI_API_KEY", "CLOUDFLARE_API_TOKEN", "BFL_API_KEY",
  "STABILITY_API_KEY", "FAL_KEY", "REPLICATE_API_TOKEN", "DASHSCOPE_API_KEY", "ARK_API_KEY",
];

/** Every setting INVOKEAI_* and every provider key among the Worker's variables and secrets, and what never varies. */
export function serverEnvironment(env, port) {
  const isGiven = ([name, value]) =>
    (name.startsWith("INVOKEAI_") || PROVIDER_KEYS.includes(name)) && typeof value === "string" && value !== "";
  return {
    ...Object.fromEntries(Object.entries(env).filter(isGiven)),
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
