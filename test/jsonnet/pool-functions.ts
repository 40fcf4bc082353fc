/** Host functions for the tests of the pool. */
import type { HostModule } from "../../src/jsonnet/index.ts";

const host: HostModule = {
  createContexts: (records) => (records as string[]).map((record) => JSON.parse(record) as unknown),
  functions: {
    Value: { params: [], run: (context) => context },
    Missing: {
      params: [],
      run: () => {
        throw new Error("nothing here");
      },
    },
    /** A host function that hangs: no budget of the template counts it. */
    Hang: {
      params: [],
      run: () => {
        while (true);
      },
    },
    Environment: { params: [], run: () => Object.keys(process.env).length },
    Hoard: {
      params: [],
      run: () => {
        const kept: unknown[] = [];
        while (true) kept.push(new Array(10_000).fill(kept.length));
      },
    },
  },
};

export const { createContexts, functions } = host;
