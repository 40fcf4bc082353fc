/** What somebody sees who opens the address of the server. */
import { sendText } from "./answer.ts";
import type { Route } from "./route.ts";

const WELCOME = `Tributary takes JSON records and delivers them, in order and without loss.

  Push     POST /v1/projects/{p}/streams/{s}/records    [{"value": {…}}]
  Token    POST /oauth2/token                           client credentials (RFC 6749)
  API      /openapi.json, and gRPC reflection on this port
  Health   /healthz, /readyz
`;

/** `GET /`: where to go from here. */
export const welcomeRoute: Route = {
  methods: ["GET", "HEAD"],
  path: "/",
  handle: (_request, response) => {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    sendText(response, { status: 200, text: WELCOME, headers });
  },
};
