/** DeliveryService: tells what happens to records on their way to sinks. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import { createAttemptMethods } from "./attempt-methods.ts";
import { exportLedgers, getLedger } from "./ledger-methods.ts";
import { listParkedKeys } from "./parked-methods.ts";
import { getStreamStatistics } from "./stream-statistics.ts";
import { traceRecord } from "./trace-record.ts";
import type { TraceParts } from "./trace-sink.ts";

/** The rpcs of DeliveryService. */
export function createDeliveryService(parts: TraceParts): ServiceImpl<typeof DeliveryService> {
  return {
    ...createAttemptMethods(parts),
    getLedger: (request) => getLedger(parts, request),
    exportLedgers: (request) => exportLedgers(parts, request),
    getStreamStatistics: ({ name }) => getStreamStatistics(parts, name),
    listParkedKeys: (request) => listParkedKeys(parts, request),
    traceRecord: async (request) => ({ trace: await traceRecord(parts, request) }),
  };
}
