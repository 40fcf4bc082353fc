import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { PushRequestSchema, PushService } from "../../client/index.js";

test("tributary/client needs nothing of Node: a browser can load its bundle", async () => {
  const bundle = await rolldown({
    input: join(import.meta.dirname, "../../client/index.js"),
    platform: "browser",
    onLog: (level, log) => {
      throw new Error(`${level}: ${log.message}`);
    },
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  expect(output).toHaveLength(1);
  const [entry] = output;
  expect([...entry.imports, ...entry.dynamicImports]).toEqual([]);
  expect(entry.code).not.toMatch(/\bnode:|\brequire\(/);
  expect(entry.exports).toEqual(expect.arrayContaining(["PushService", "StreamService"]));
  expect(entry.code.length).toBeLessThan(512 * 1024);
});

test("tributary/client exports services and messages", () => {
  expect(PushService.typeName).toBe("tributary.push.v1.PushService");
  const request = create(PushRequestSchema, { stream: "projects/demo/streams/sensors" });
  expect(toJsonString(PushRequestSchema, request)).toContain("projects/demo/streams/sensors");
});
