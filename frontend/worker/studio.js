// The container that runs the studio's server. It sleeps when nobody is there and nothing is left to generate.
// Invariant: it gets the settings and keys of the studio, never ACCESS_TOKEN.

import { Container, getContainer } from "@cloudflare/containers";
import { d1Gateway } from "./d1gateway.js";
import { isBusy, serverEnvironment } from "./server_settings.js";

const PORT = 8080;
const STATUS = "http://localhost/api/v1/queue/default/status";
const STATUS_MILLISECONDS = 10_000;
/** How often in a row the server may stay silent when it is asked, before it is put to sleep anyway. */
const MOST_SILENCES = 3;

export class Studio extends Container {
  defaultPort = PORT;
  sleepAfter = this.env.SLEEP_AFTER || "10m";
  pingEndpoint = "localhost/healthz";
  envVars = serverEnvironment(this.env, PORT);
  silences = 0;

  /** Asked when no request and no socket was there for `sleepAfter`: generations go on without either. */
  async onActivityExpired() {
    if (await this.hasWork()) this.renewActivityTimeout();
    else await super.onActivityExpired();
  }

  async hasWork() {
    if (!this.ctx.container.running) return false;
    try {
      // not containerFetch, which counts as activity and would start the container
      const answer = await this.ctx.container.getTcpPort(PORT).fetch(STATUS, { signal: AbortSignal.timeout(STATUS_MILLISECONDS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const status = await answer.json();
      this.silences = 0;
      return isBusy(status);
    } catch (error) {
      this.silences += 1;
      console.error("The studio's server does not tell whether it works:", error);
      return this.silences < MOST_SILENCES;
    }
  }
}

Studio.outboundByHost = {
  "d1.internal": (request, env) => d1Gateway(request, { [env.INVOKEAI_D1_DATABASE_ID]: env.DB }, null),
};

/** The container of a user. The same user always meets the same one: its sockets carry that user's events. */
export function studioOf(user, env) {
  return getContainer(env.STUDIO, instanceOf(user, Number(env.INSTANCES ?? 1)));
}

/** Name of one of `instances` containers. */
function instanceOf(user, instances) {
  let hash = 0;
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return `studio-${hash % instances}`;
}
