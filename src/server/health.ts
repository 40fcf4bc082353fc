/** grpc.health.v1 on the same port. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
} from "#gen/grpc/health/v1/health_pb.js";
import { notFound } from "../core/errors.ts";

/** How often Watch looks, and how often it repeats a status that stayed the same, in milliseconds. */
const LOOK_MS = 1_000;
const REPEAT_MS = 30_000;

/** Makes the handlers: a known service, or "" for the server, serves while `isReady`. */
export function createHealthService(options: {
  readonly services: () => readonly DescService[];
  readonly isReady: () => Promise<boolean>;
}): ServiceImpl<typeof Health> {
  const known = () => new Set(["", ...options.services().map(({ typeName }) => typeName)]);
  const look = async () => ((await options.isReady()) ? Status.SERVING : Status.NOT_SERVING);
  return {
    async check({ service }) {
      if (!known().has(service)) throw notFound(service);
      return { status: await look() };
    },
    async list() {
      const status = await look();
      return { statuses: Object.fromEntries([...known()].map((name) => [name, { status }])) };
    },
    watch: ({ service }, context) => watch(known().has(service) ? look : unknown, context),
  };
}

async function unknown(): Promise<Status> {
  return Status.SERVICE_UNKNOWN;
}

async function* watch(look: () => Promise<Status>, { signal }: HandlerContext) {
  let shown: Status | undefined;
  let shownMs = 0;
  while (!signal.aborted) {
    const status = await look();
    if (status !== shown || performance.now() - shownMs > REPEAT_MS) {
      shown = status;
      shownMs = performance.now();
      yield { status };
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
  throw signal.reason;
}
