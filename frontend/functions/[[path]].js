// Every request that `_routes.json` sends to code: a visit to one of the UI's pages, or a call for the back end.

import { isPage, page } from "../pages/page.js";
import { passOn } from "../pages/proxy.js";
import { overHttp } from "../worker/https.js";

export const onRequest = ({ request, env }) => {
  const url = new URL(request.url);
  return overHttp(request, url) ?? (isPage(request, url) ? page(request, url, env) : passOn(request, url, env));
};
