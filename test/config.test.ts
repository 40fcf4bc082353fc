import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError, type Environment, loadConfig as load } from "../src/config.ts";

const loadConfig = (environment: Environment) => load({}, environment);

test("an empty environment is a loopback server with a demo", () => {
  const config = loadConfig({});
  expect(config.PORT).toBe(8080);
  expect(config.HOST).toBe("127.0.0.1");
  expect(config.hasDemo).toBe(true);
  expect(config.isLoopbackEgressAllowed).toBe(true);
  expect(Object.isFrozen(config)).toBe(true);
});

test("reports every fault at once", () => {
  const loading = () => loadConfig({ PORT: "70000", LOG_LEVEL: "loud", HOST: "0.0.0.0" });
  expect(loading).toThrow(ConfigError);
  expect(loading).toThrow(/PORT must be.*\nLOG_LEVEL must be.*\nHOST 0\.0\.0\.0 is not loopback/);
});

test("refuses an unknown TRIBUTARY_ variable with the nearest name", () => {
  expect(() => loadConfig({ TRIBUTARY_DATADIR: "x" })).toThrow(/did you mean TRIBUTARY_DATA_DIR\?/);
});

test("reads a secret from the file that <NAME>_FILE names", () => {
  const file = join(mkdtempSync(join(tmpdir(), "config-")), "secret");
  writeFileSync(file, `${"s".repeat(40)}\n`);
  expect(loadConfig({ TRIBUTARY_OPERATOR_SECRET_FILE: file }).TRIBUTARY_OPERATOR_SECRET).toBe(
    "s".repeat(40),
  );
  expect(() => loadConfig({ DATABASE_URL_FILE: "/nowhere" })).toThrow(
    /DATABASE_URL cannot be read/,
  );
  expect(() =>
    loadConfig({ TRIBUTARY_OPERATOR_SECRET: "x".repeat(32), TRIBUTARY_OPERATOR_SECRET_FILE: file }),
  ).toThrow(/keep one of them/);
});

test("HOST beyond loopback needs TLS, and then has no demo and no egress to loopback", () => {
  const config = loadConfig({ HOST: "0.0.0.0", TRIBUTARY_TRUST_PROXY_TLS: "1" });
  expect(config.hasDemo).toBe(false);
  expect(config.isLoopbackEgressAllowed).toBe(false);
  expect(() =>
    loadConfig({ HOST: "0.0.0.0", TRIBUTARY_TRUST_PROXY_TLS: "1", TRIBUTARY_DEMO: "1" }),
  ).toThrow(/TRIBUTARY_DEMO/);
  expect(() => loadConfig({ TRIBUTARY_TLS_CERT: "/a" })).toThrow(/go together/);
});

test("names every entry of TRUSTED_PROXIES and TRIBUTARY_EGRESS_ALLOW that is no address", () => {
  const proxies = "10.0.0.0/8, ::1,192.0.2.7";
  expect(loadConfig({ TRUSTED_PROXIES: proxies }).TRUSTED_PROXIES).toHaveLength(3);
  expect(() => loadConfig({ TRUSTED_PROXIES: "10.0.0.0/8,proxy.example.com" })).toThrow(
    /^TRUSTED_PROXIES must list addresses and CIDRs: proxy\.example\.com is no/,
  );
  expect(() => loadConfig({ TRIBUTARY_EGRESS_ALLOW: "10.1.2.3" })).toThrow(
    "TRIBUTARY_EGRESS_ALLOW must list CIDRs: write 10.1.2.3/32",
  );
});
