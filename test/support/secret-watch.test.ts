import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noteSecrets, refuseSpilledSecrets } from "./secret-watch.ts";

const SECRET = "trib_0123456789abcdefghij";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tributary-watch-"));
  noteSecrets({ token: { name: "projects/demo/tokens/t", secret: SECRET }, pageToken: "x" });
});
afterEach(() => rmSync(folder, { recursive: true }));

test("check 10: a server that keeps no secret passes", async () => {
  writeFileSync(join(folder, "rows"), "nothing");
  writeFileSync(join(folder, "demo.env"), SECRET);
  await refuseSpilledSecrets("projects/demo/tokens/t", folder);
});

test("check 10: a secret in a log or in a file of the data is found, in clear or in hex", async () => {
  await expect(refuseSpilledSecrets(`token ${SECRET}`, folder)).rejects.toThrow(/in the log/);
  for (const text of [SECRET, Buffer.from(SECRET).toString("hex")]) {
    writeFileSync(
      join(folder, "heap"),
      Buffer.concat([Buffer.from([0, 255, 10]), Buffer.from(text)]),
    );
    await expect(refuseSpilledSecrets("", folder)).rejects.toThrow(/… in .*heap/);
  }
});
