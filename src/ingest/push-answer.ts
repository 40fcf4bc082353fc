/** The answer to a push that was stored, in the form that its route asks for. */
import type { Http2ServerResponse } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { PushResponseSchema } from "#gen/tributary/push/v1/push_service_pb.js";
import { sendGrpcMessage } from "./grpc-form.ts";
import type { LaneRoute } from "./lane-route.ts";
import type { PushResult } from "./push-call.ts";
import type { LaneResponse } from "./push-lane.ts";

/** Sends it. */
export function sendResult(response: LaneResponse, route: LaneRoute, result: PushResult): void {
  const isProto = route.kind !== "json" && route.kind !== "rest";
  // Text goes out with the head in one write.
  const body = isProto
    ? Buffer.from(toBinary(PushResponseSchema, create(PushResponseSchema, result)))
    : resultJson(result);
  if (route.kind === "grpc") {
    // The route says that the request came over HTTP/2.
    sendGrpcMessage(response as Http2ServerResponse, body as Buffer);
    return;
  }
  response.statusCode = 200;
  response.setHeader("content-type", isProto ? "application/proto" : "application/json");
  response.setHeader("content-length", String(Buffer.byteLength(body)));
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("cache-control", "no-store");
  response.end(body);
}

/** PushResponse in proto JSON: 64-bit integers as strings, fields without a value left out. */
function resultJson(result: PushResult): string {
  const { duplicate, firstPlace, recordIds, durabilityWarning } = result;
  const isUsual = !duplicate && recordIds.length === 0 && durabilityWarning === "";
  // Numbers and a dash: nothing to escape.
  if (isUsual && firstPlace !== "") {
    return `{"accepted":"${result.accepted}","firstPlace":"${firstPlace}"}`;
  }
  return JSON.stringify({
    accepted: String(result.accepted),
    duplicate: result.duplicate || undefined,
    firstPlace: result.firstPlace || undefined,
    recordIds: result.recordIds.length > 0 ? result.recordIds : undefined,
    durabilityWarning: result.durabilityWarning || undefined,
  });
}
