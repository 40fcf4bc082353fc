/** Whether the process lives, and whether it can do its work. */
import { sendJson } from "./answer.ts";
import type { Route } from "./route.ts";

/** One dependency. `check` rejects when it is missing; its text is shown to operators only. */
export interface ReadinessCheck {
  readonly name: string;
  readonly check: (signal: AbortSignal) => void | Promise<void>;
}

/** Time for all checks together. */
const CHECK_MS = 2_000;

/** Names of the dependencies that are missing now; empty when ready. */
export async function findMissing(checks: readonly ReadinessCheck[]): Promise<readonly string[]> {
  const results = await Promise.all(checks.map(isPresent));
  return checks.filter((_, i) => !results[i]).map(({ name }) => name);
}

/** `/healthz`: 200 while the process lives. `/readyz`: 503 that names what is missing. */
export function probeRoutes(
  checks: readonly ReadinessCheck[],
  isDraining: () => boolean,
): readonly Route[] {
  return [
    {
      methods: ["GET", "HEAD"],
      path: "/healthz",
      handle: (_request, response) => sendJson(response, { status: 200, body: { status: "ok" } }),
    },
    {
      methods: ["GET", "HEAD"],
      path: "/readyz",
      async handle(_request, response) {
        const missing = isDraining() ? ["shutting down"] : await findMissing(checks);
        const status = missing.length === 0 ? "ready" : "not ready";
        const body = { status, missing: [...missing] };
        sendJson(response, { status: missing.length === 0 ? 200 : 503, body });
      },
    },
  ];
}

async function isPresent({ check }: ReadinessCheck): Promise<boolean> {
  const signal = AbortSignal.timeout(CHECK_MS);
  const expiry = new Promise<boolean>((resolve) => {
    signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  const result = (async () => {
    await check(signal);
    return true;
  })();
  return Promise.race([result.catch(() => false), expiry]);
}
