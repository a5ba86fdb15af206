// The studio's Worker whose object fails at the first request, as it does when its storage or its engine is out of order.

import { Studio as WholeStudio } from "../../frontend/worker/worker.js";

export { ContainerProxy, default } from "../../frontend/worker/worker.js";

export class Studio extends WholeStudio {
  failures = 1;

  async replaceOlderServer() {
    if (this.failures-- > 0) throw new Error("the storage is out of order");
    return super.replaceOlderServer();
  }
}
