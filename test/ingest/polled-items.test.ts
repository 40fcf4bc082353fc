import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { valueAt } from "../../src/core/json-path.ts";
import { itemsIn } from "../../src/ingest/polled-items.ts";

const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();
const reason = (text: string, path = "") => itemsIn(Buffer.from(text), path).catch(reasonOf);

describe("S01: the items of an answer", () => {
  test("stand where the path says, byte for byte", async () => {
    const text = ' {"a":[1,{"b":[ 1.0 ,{}]}],"b":null, "none":[ ]} ';
    expect(textOf(await itemsIn(Buffer.from(text), ""))).toBe(text.trim());
    expect(textOf(await itemsIn(Buffer.from(text), "a[1].b"))).toBe("[ 1.0 ,{}]");
    expect(await itemsIn(Buffer.from(text), "b")).toBeUndefined();
    expect(await itemsIn(Buffer.from(text), "none")).toBeUndefined();
    expect(await reason(text, "c")).toBe("INVALID_BODY");
  });

  test("an answer that is no JSON is refused, wherever its fault stands", async () => {
    for (const text of ['{"a":1', '{"a":1,}', '{"a":1,"a":2}', "[1,]", "[1 2]", "", "[] []"]) {
      expect(await reason(text), text).toBe("INVALID_JSON");
    }
    expect(await reason(`${"[".repeat(65)}${"]".repeat(65)}`)).toBe("INVALID_JSON");
    expect(await reason(`${"[".repeat(64)}${"]".repeat(64)}`)).toBeInstanceOf(Uint8Array);
    const names = Array.from({ length: 10_001 }, (_, i) => `"n${i}":1`);
    expect(await reason(`{${names.join(",")}}`)).toBe("INVALID_JSON");
  });

  test("the same value is found as by parsing, and what is no JSON is refused as by parsing", async () => {
    const paths = [[], ["a"], ["a", 0], ["a", "b"], [1, "a"]] as const;
    const written = (path: readonly (string | number)[]) =>
      path
        .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
        .join("")
        .slice(1);
    await fc.assert(
      fc.asyncProperty(
        fc.json({ maxDepth: 4 }),
        fc.constantFrom(...paths.slice(0, 4)),
        fc.option(fc.nat(), { nil: undefined }),
        async (json, path, cutAt) => {
          const text = cutAt === undefined ? json : json.slice(0, cutAt % (json.length + 1));
          const found = await reason(text, written(path));
          let parsed: unknown;
          try {
            parsed = JSON.parse(text);
          } catch {
            expect(found).toBe("INVALID_JSON");
            return;
          }
          const wanted = valueAt(parsed, path);
          if (found === "INVALID_JSON") return;
          if (wanted === undefined) expect(found).toBe("INVALID_BODY");
          else if (found === undefined)
            expect(wanted === null || (wanted as []).length === 0).toBe(true);
          else expect(JSON.parse(textOf(found as Uint8Array) ?? "")).toEqual(wanted);
        },
      ),
      { numRuns: 1_000, seed: 5 },
    );
  });

  test("4 MiB are read in slices: others have their turns meanwhile", async () => {
    const item = `{"id":1,"text":"${"x".repeat(100)}"}`;
    const body = Buffer.from(`{"data":{"items":[${Array(36_000).fill(item).join(",")}]}}`);
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await itemsIn(body, "data.items");
    isDone = true;
    expect(body.length).toBeGreaterThan(4 * 1024 * 1024);
    expect(turns).toBeGreaterThan(20);
  });
});
