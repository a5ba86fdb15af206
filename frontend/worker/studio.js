// The container that runs the studio's server. It sleeps when nobody is there and nothing is left to generate.
// It comes back by itself when it ends unasked (lost host, rollout, crash), because its queue may not be empty.
// Invariant: it gets the settings and keys of the studio, never ACCESS_TOKEN.

import { Container, getContainer } from "@cloudflare/containers";
import { d1Gateway } from "./d1gateway.js";
import { digest, endMilliseconds, isBusy, serverEnvironment } from "./server_settings.js";

const PORT = 8080;
const STATUS = "http://localhost/api/v1/queue/default/status";
const STATUS_MILLISECONDS = 10_000;
/** How often in a row the server may stay silent when it is asked, before it is put to sleep anyway. */
const MOST_SILENCES = 3;
/** How often it comes back without any visitor: a server that cannot stay up must not cost money for ever. */
const MOST_RETURNS = 3;
const RETURN_MILLISECONDS = 1000;
const STARTED_WITH = "startedWith";
/** In storage, not in the object, which every new version of the Worker makes anew: a server is told to end once. */
const ENDING_SINCE = "endingSince";
const MAY_TAKE_TO_END = "mayTakeToEnd";

export class Studio extends Container {
  defaultPort = PORT;
  sleepAfter = this.env.SLEEP_AFTER || "10m";
  pingEndpoint = "localhost/healthz";
  envVars = serverEnvironment(this.env, PORT);
  silences = 0;
  returns = 0;
  visits = 0;
  visitors = 0;
  isPutToSleep = false;
  isReturning = false;
  replacement = null;

  async fetch(request) {
    this.returns = 0;
    this.visits += 1;
    this.visitors += 1;
    // whoever comes while it falls asleep wants it back
    this.isPutToSleep = false;
    try {
      this.replacement ??= this.replaceOlderServer();
      await this.replacement.catch((error) => {
        // the next request tries again
        this.replacement = null;
        throw error;
      });
      return await super.fetch(request);
    } finally {
      this.visitors -= 1;
    }
  }

  /** Asked when no request and no socket was there for `sleepAfter`: generations go on without either. */
  async onActivityExpired() {
    const before = this.visits;
    // the class itself counts a visitor only once the server has started for him, and forgets him with his answer
    const isAwaited = () => this.visitors > 0 || this.isReturning || this.visits !== before;
    if (isAwaited() || (await this.hasWork()) || isAwaited()) {
      this.renewActivityTimeout();
    } else {
      this.isPutToSleep = true;
      await super.onActivityExpired();
    }
    // the class has asked for an alarm at this very moment, which is lost when the running one was due in the same millisecond
    await this.scheduleNextAlarm();
  }

  /** A server keeps the settings and keys that it was started with. After a change it makes way for another one. */
  async replaceOlderServer() {
    const { storage, container } = this.ctx;
    if (!container.running) return;
    let since = await storage.get(ENDING_SINCE);
    if (since === undefined) {
      if ((await storage.get(STARTED_WITH)) === (await digest(this.envVars))) return;
      console.log("The settings have changed: the studio's server is replaced.");
      since = Date.now();
      await storage.put(ENDING_SINCE, since);
      await storage.sync();
      await this.stop();
    } else {
      console.log("The server with the older settings has not ended yet.");
    }
    const end = since + ((await storage.get(MAY_TAKE_TO_END)) ?? endMilliseconds(this.envVars));
    while (container.running && Date.now() < end) await scheduler.wait(100);
    if (container.running) await this.destroy();
  }

  async onStart() {
    const { storage } = this.ctx;
    await storage.delete(ENDING_SINCE);
    await storage.put({ [STARTED_WITH]: await digest(this.envVars), [MAY_TAKE_TO_END]: endMilliseconds(this.envVars) });
  }

  async onStop() {
    const wasReplaced = await this.ctx.storage.delete(ENDING_SINCE);
    // whoever waits for the new server starts it
    if (wasReplaced && this.visitors > 0) return;
    if (this.isPutToSleep) return console.log("The studio's server sleeps.");
    // a start tells of the end before it, too
    if (!this.isReturning) this.ctx.waitUntil(this.comeBack());
  }

  async comeBack() {
    this.isReturning = true;
    while (this.returns < MOST_RETURNS) {
      this.returns += 1;
      console.warn("The studio's server ended unasked; it comes back.");
      // afterwards: the alarm that tells of the end clears the alarms when it is through
      await scheduler.wait(RETURN_MILLISECONDS);
      const isBack = await this.startAndWaitForPorts().then(() => true, () => false);
      if (isBack) break;
    }
    this.isReturning = false;
    if (!this.ctx.container.running) console.error("The studio's server keeps ending; it stays away until somebody comes.");
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

/** The studio's one container: it has one user, whose events and queue are one server's. */
export const theStudio = (env) => getContainer(env.STUDIO, "studio-0");
