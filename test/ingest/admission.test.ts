import { describe, expect, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { createAdmission } from "../../src/ingest/admission.ts";

const reasonOfRejection = (promise: Promise<unknown>) => promise.then(() => "taken", reasonOf);

describe("admission of bytes", () => {
  test("bounds the bytes of all projects, and gives them back", async () => {
    const admission = createAdmission({ bytesMax: 100, waitMs: 20 });
    const first = await admission.admit("a", 60);
    expect(await reasonOfRejection(admission.admit("b", 60))).toBe("OVERLOADED");
    first.release();
    first.release();
    expect(admission.heldBytes()).toBe(0);
    expect(await reasonOfRejection(admission.admit("b", 60))).toBe("taken");
  });

  test("D5 one project gets at most its share while others wait, and all get turns", async () => {
    const admission = createAdmission({ bytesMax: 100, waitMs: 5000 });
    const order: string[] = [];
    const held = await admission.admit("a", 100);
    const waits = ["a", "a", "a", "b", "c"].map(async (project) => {
      const admitted = await admission.admit(project, 25);
      order.push(project);
      return admitted;
    });
    await Promise.resolve();
    held.release();
    const all = await Promise.race([Promise.all(waits), new Promise((r) => setTimeout(r, 20))]);
    expect(all).toBeUndefined();
    expect(order.slice(0, 3).sort()).toEqual(["a", "b", "c"]);
    expect(admission.heldBytes()).toBeLessThanOrEqual(100);
    for (const admitted of await Promise.all(waits.slice(3))) admitted.release();
    for (const admitted of await Promise.all(waits)) admitted.release();
    expect(admission.heldBytes()).toBe(0);
  });

  test("a call larger than the bound goes alone; growing beyond the bound is refused", async () => {
    const admission = createAdmission({ bytesMax: 100, waitMs: 20 });
    const large = await admission.admit("a", 500);
    large.release();
    const one = await admission.admit("a", 10);
    const two = await admission.admit("b", 10);
    one.grow(80);
    expect(() => two.grow(50)).toThrow(/too many bytes/);
    expect(admission.heldBytes()).toBe(90);
  });

  test("ends the waits of callers that went, and all waits at its close", async () => {
    const admission = createAdmission({ bytesMax: 10, waitMs: 5000 });
    await admission.admit("a", 10);
    const gone = new AbortController();
    const first = admission.admit("b", 5, gone.signal);
    const second = reasonOfRejection(admission.admit("b", 5));
    gone.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    const { close } = admission;
    close();
    close();
    expect(await second).toBe("SHUTTING_DOWN");
    expect(await reasonOfRejection(admission.admit("c", 1))).toBe("SHUTTING_DOWN");
  });
});
