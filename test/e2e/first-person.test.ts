import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createBrowser, refusalOf } from "../support/browser.ts";
import { startTestNats } from "../support/nats.ts";
import { launchServer, makeDataDir, removeData, waitFor } from "../support/server.ts";
import { createTestDatabase } from "../support/shared-servers.ts";

const ADA = { email: "ada@example.com", password: "correct horse battery" };

/** A server that others reach through a proxy that ends TLS. */
async function startPublic() {
  const [nats, database] = await Promise.all([startTestNats(), createTestDatabase()]);
  const dataDir = makeDataDir();
  const env = {
    ...{ HOST: "0.0.0.0", TRIBUTARY_TRUST_PROXY_TLS: "1" },
    ...{ NATS_URL: nats.url, DATABASE_URL: database },
  };
  const server = launchServer({ dataDir, env });
  onTestFinished(async () => {
    server.child.kill("SIGTERM");
    await server.exited;
    await nats.close();
    await removeData(dataDir);
  });
  await waitFor(() => /^ready/m.test(server.output()), {
    timeoutMs: 60_000,
    what: () => `the server: ${server.output()}`,
  });
  const port = /http:\/\/0\.0\.0\.0:(\d+)/.exec(server.output())?.[1];
  return { url: `http://127.0.0.1:${port}`, dataDir, output: server.output };
}

test("S02: where others reach the server, the first person needs the set-up token of its banner, and one of many at once is first", async () => {
  const { url, dataDir, output } = await startPublic();
  const file = join(dataDir, "setup.token");
  const setupToken = readFileSync(file, "utf8").trim();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(output()).toContain(setupToken);
  const stranger = createBrowser(url);
  const options = await stranger.call("AccountService/GetSignUpOptions");
  expect(options).toEqual({ mode: "FIRST_PERSON", setupTokenRequired: true });
  for (const guess of ["", "x", setupToken.slice(1)]) {
    const enter = stranger.call("AccountService/SignUp", { ...ADA, setupToken: guess });
    expect(await refusalOf(enter)).toBe("SIGN_UP_REFUSED");
  }
  const answers = await Promise.all(
    ["ada@example.com", "ADA@example.com", "eve@example.com", "bob@example.com"].map((email) =>
      stranger.fetch("/v1/account:signUp", {
        method: "POST",
        body: JSON.stringify({ ...ADA, email, setupToken }),
      }),
    ),
  );
  const first = answers.filter(({ status }) => status === 200);
  expect(first).toHaveLength(1);
  // Over https, which the proxy ends, the cookie is bound to this host.
  expect(first[0]?.headers.getSetCookie()[0]).toMatch(
    /^__Host-tributary=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
  );
  expect(() => statSync(file)).toThrow("ENOENT");
  expect(await stranger.call("AccountService/GetSignUpOptions")).toEqual({ mode: "BY_INVITATION" });
});
