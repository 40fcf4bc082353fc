import { describe, expect, test } from "vitest";
import { createAttemptLimit } from "../../src/auth/attempt-limit.ts";
import { createClientAuthenticator } from "../../src/auth/authenticate-client.ts";
import { createOpaqueTokens } from "../../src/auth/opaque-tokens.ts";
import type { TokenDefinition } from "../../src/core/definitions.ts";
import { makeTokenText } from "../../src/core/token-text.ts";
import { basic } from "./support/auth-server.ts";
import { createMemoryDefinitions } from "./support/memory-definitions.ts";

const ROUNDS = 3_000;

/** Medians of both in turn, so that what disturbs one disturbs the other. */
async function medians(ways: readonly (() => Promise<unknown>)[]): Promise<number[]> {
  const took = ways.map(() => new Float64Array(ROUNDS));
  for (let round = -500; round < ROUNDS; round++) {
    for (const [i, way] of ways.entries()) {
      const start = performance.now();
      await way();
      if (round >= 0) took[i]![round] = performance.now() - start;
    }
  }
  return took.map((times) => times.sort()[ROUNDS / 2]!);
}

function expectAlike([one = 0, other = 0]: number[]): void {
  expect(Math.max(one, other) / Math.min(one, other)).toBeLessThan(1.5);
}

describe("check 11: what is unknown takes the time of what is known", () => {
  test("at the token endpoint", async () => {
    const definitions = createMemoryDefinitions();
    definitions.putApplication({ clientId: "app", project: "demo" });
    const authenticate = createClientAuthenticator({
      definitions,
      attempts: createAttemptLimit({ perClient: 1e9, perAddress: 1e9 }),
      checkAssertion: async () => false,
    });
    const ask = (clientId: string) => () =>
      authenticate({ authorization: [basic(clientId, "wrong")], address: "192.0.2.1" }).catch(
        (error: Error) => error.message,
      );
    expect(await ask("app")()).toBe(await ask("xyz")());
    expectAlike(await medians([ask("app"), ask("xyz")]));
  });

  test("for service tokens", async () => {
    const known = makeTokenText("service");
    const token = {
      uid: known.uid,
      kind: "service",
      isDisabled: false,
      secrets: [{ sha256: known.sha256 }],
    } as unknown as TokenDefinition;
    const definitions = {
      ...createMemoryDefinitions(),
      token: (uid: string) => (uid === known.uid ? token : undefined),
    };
    const tokens = createOpaqueTokens({ definitions });
    const wrong = makeTokenText("service", known.uid).text;
    const unknown = makeTokenText("service").text;
    expect(await tokens.verify(wrong)).toBeUndefined();
    expectAlike(await medians([() => tokens.verify(wrong), () => tokens.verify(unknown)]));
  });
});
