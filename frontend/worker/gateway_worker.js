// The gateway as a Worker of its own: every D1 binding named DB_<id> is served under the database id <id>.

import { d1Gateway } from "./d1gateway.js";

const PREFIX = "DB_";

export default {
  fetch(request, env) {
    const bindings = Object.entries(env).filter(([name]) => name.startsWith(PREFIX));
    const databases = Object.fromEntries(bindings.map(([name, database]) => [name.slice(PREFIX.length), database]));
    return d1Gateway(request, databases, env.TOKEN);
  },
};
