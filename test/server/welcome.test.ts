import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/core/logger.ts";
import { createPort, type Port } from "../../src/server/listen.ts";
import { findRoute } from "../../src/server/route.ts";
import { welcomeRoute } from "../../src/server/welcome.ts";

let port: Port;
beforeAll(async () => {
  port = await createPort({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    handler: (request, response, call) =>
      findRoute([welcomeRoute], request).match?.handle(request, response, call),
  });
});
afterAll(() => port.close());

test("the bare address says what this is and where to go", async () => {
  const answer = await fetch(`http://127.0.0.1:${port.port}/`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  const text = await answer.text();
  for (const path of ["/v1/projects/", "/oauth2/token", "/openapi.json", "/readyz"]) {
    expect(text).toContain(path);
  }
});
