import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  ConfigOf,
  OpenSink,
  SinkDriver,
  SinkEnvironment,
  SinkKind,
  SinkRequest,
} from "../../src/sinks/sink.ts";
import { attempt, requestOf, rowsOf } from "../sinks/sample.ts";

/** A destination of a kind, as a test sees it. */
export interface SinkHarness<K extends SinkKind> {
  readonly driver: SinkDriver<K>;
  /** A configuration that works; the records of the suite are `{"id": n}`. */
  readonly config: ConfigOf<K>;
  readonly env: SinkEnvironment;
  /** A configuration with a secret in every place that can hold one, and those secrets. */
  readonly secret: { readonly config: ConfigOf<K>; readonly values: readonly string[] };
  /** Configurations with the field that is at fault. */
  readonly faulty: readonly { readonly config: ConfigOf<K>; readonly field: string }[];
  /** A record that the destination refuses by itself; undefined when it takes everything. */
  readonly refused: string | undefined;
  /** Ids of the records that arrived, in order, repeats included. */
  arrived(): Promise<number[]>;
  /** Makes the destination hang until the returned function is called; undefined when it cannot. */
  readonly hang: (() => Promise<() => Promise<void>>) | undefined;
  /** Whether a request that is sent twice arrives once. */
  readonly isExactlyOnce: boolean;
  close(): Promise<void>;
}

/** What every kind of sink promises, tested against a real destination. */
export function describeSink<K extends SinkKind>(
  kind: K,
  start: () => Promise<SinkHarness<K>>,
): void {
  describe(`sink contract: ${kind}`, () => {
    let harness: SinkHarness<K>;
    let sequence = 0;
    const opened: OpenSink[] = [];
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(async () => {
      for (const sink of opened) await sink.close();
      await harness?.close();
    });
    const open = async (epoch = 1) => {
      const sink = await harness.driver.open(harness.config, harness.env);
      opened.push(sink);
      await sink.resume?.(0, epoch);
      return sink;
    };
    const next = (records: unknown[], epoch = 1) => {
      sequence += 1;
      return requestOf(rowsOf(records, sequence), { epoch });
    };
    /** Writes and settles; gives how many rows are durable. */
    const settle = async (sink: OpenSink, request: SinkRequest) => {
      const outcome = await sink.write(request, attempt());
      expect(outcome.kind).toBe("rows");
      const outcomes = outcome.kind === "rows" ? outcome.outcomes : [];
      expect(outcomes).toHaveLength(request.rows.length);
      const delivered = outcomes.filter((row) => row.kind === "delivered").length;
      return delivered + ((await sink.flush?.("count", attempt())) ?? []).length;
    };

    test("check is pure, accepts what works, and names the field at fault", () => {
      const { driver, config, env, faulty } = harness;
      expect(driver.check(config, env)).toEqual([]);
      for (const { config: bad, field } of faulty) {
        const fields = driver.check(bad, env).map((violation) => violation.field);
        expect(fields).toContain(field);
        expect(driver.check(bad, env)).toEqual(driver.check(bad, env));
      }
    });

    test("mask hides every secret, and keepSecrets brings them back", () => {
      const { driver, secret } = harness;
      const masked = driver.mask(secret.config);
      const text = JSON.stringify(masked);
      for (const value of secret.values) expect(text).not.toContain(value);
      expect(driver.keepSecrets(masked, secret.config)).toEqual(secret.config);
      expect(driver.mask(masked)).toEqual(masked);
    });

    test("every stage of a test passes and stores no record", async () => {
      const { driver, config, env } = harness;
      const before = await harness.arrived().catch(() => []);
      const results = await driver.test(config, env, { prepare: true, signal: attempt() });
      expect(results.filter((result) => !result.isOk)).toEqual([]);
      expect(results.at(-1)?.name).toBe("write");
      expect(await harness.arrived()).toEqual(before);
    });

    test("rows arrive in order and are settled", async () => {
      const sink = await open();
      const before = (await harness.arrived()).length;
      expect(await settle(sink, next([{ id: 1 }, { id: 2 }, { id: 3 }]))).toBe(3);
      expect((await harness.arrived()).slice(before)).toEqual([1, 2, 3]);
    });

    test("the same request twice is settled twice", async () => {
      const sink = await open();
      const request = next([{ id: 11 }, { id: 12 }]);
      expect(await settle(sink, request)).toBe(2);
      expect(await settle(sink, request)).toBe(2);
      const ids = (await harness.arrived()).filter((id) => id === 11 || id === 12);
      if (harness.isExactlyOnce) expect(ids).toEqual([11, 12]);
      else expect(new Set(ids)).toEqual(new Set([11, 12]));
    });

    test("a refused record is named, and a request of it alone is a rejected row", async (context) => {
      if (harness.refused === undefined) return context.skip();
      const sink = await open();
      const many = await sink.write(next([{ id: 21 }, harness.refused, { id: 22 }]), attempt());
      const kinds = many.kind === "rows" ? many.outcomes.map((row) => row.kind) : undefined;
      if (kinds) expect(kinds).toEqual(["delivered", "reject", "delivered"]);
      else expect(many).toMatchObject({ kind: "retry", scope: "request" });
      const alone = await sink.write(next([harness.refused]), attempt());
      expect(alone).toMatchObject({ kind: "rows", outcomes: [{ kind: "reject" }] });
    });

    test("the signal ends a hanging request within 1 s, and the sink goes on after it", async (context) => {
      if (!harness.hang) return context.skip();
      const sink = await open();
      const request = next([{ id: 31 }]);
      const goOn = await harness.hang();
      try {
        const start = performance.now();
        const outcome = await sink.write(request, attempt(200));
        expect(outcome).toMatchObject({ kind: "retry", scope: "sink", burnsAttempt: true });
        expect(performance.now() - start).toBeLessThan(1200);
      } finally {
        await goOn();
      }
      expect(await settle(sink, request)).toBe(1);
    });

    test("a signal that has ended already sends nothing", async () => {
      const sink = await open();
      const outcome = await sink.write(next([{ id: 41 }]), AbortSignal.abort());
      expect(outcome).toMatchObject({ kind: "retry", scope: "sink" });
      expect(await harness.arrived()).not.toContain(41);
    });

    test("a kept cursor is claimed by epoch, and a lower epoch is fenced", async (context) => {
      if (!harness.driver.keepsCursor) return context.skip();
      const old = await open(7);
      const request = next([{ id: 51 }], 7);
      expect(await settle(old, request)).toBe(1);
      const young = await harness.driver.open(harness.config, harness.env);
      opened.push(young);
      const kept = await young.resume?.(0, 8);
      expect(kept?.epoch).toBe(7);
      expect(Buffer.from(kept!.cursor)).toEqual(request.cursor);
      expect(await old.write(next([{ id: 52 }], 7), attempt())).toEqual({ kind: "fenced" });
      expect(await harness.arrived()).not.toContain(52);
    });

    test("close is idempotent, also at once", async () => {
      const sink = await harness.driver.open(harness.config, harness.env);
      await Promise.all([sink.close(), sink.close()]);
      await sink.close();
    });
  });
}
