/** Sources as callers see them. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  PollStatus_State,
  PollStatusSchema,
  type Source,
  Source_Mode,
  SourceKeySchema,
  SourceStatsSchema,
} from "#gen/tributary/management/v1/source_pb.js";
import type { sourcePolls } from "../db/schema.ts";
import { etagOf } from "./catalog.ts";
import {
  decodeSource,
  type SavedSource,
  type SourceKeyRow,
  type SourceStatsRow,
} from "./source-store.ts";

/** A source without secrets; `publicUrl` is the address of the installation. */
export function viewSource({ row, keys, stats, poll }: SavedSource, publicUrl: string): Source {
  const source = decodeSource(row);
  const isPolled = source.mode === Source_Mode.POLL;
  return Object.assign(source, {
    name: row.name,
    branch: source.branch || "main",
    mode: source.mode || Source_Mode.RECORDS,
    publicId: row.publicId,
    url: isPolled ? "" : addressOf(publicUrl, row.publicId),
    ...(poll && { pollStatus: viewPoll(poll) }),
    warning: warningOf(source),
    keys: keys.map(viewKey),
    stats: create(SourceStatsSchema, stats && viewStats(stats)),
    uid: row.uid,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    etag: etagOf(row),
  });
}

/** The address that senders use; `secret` where it is part of it. */
export function addressOf(publicUrl: string, publicId: string, secret?: string): string {
  const tail = secret === undefined ? "" : `/${secret}`;
  return `${publicUrl.replace(/\/$/, "")}/in/${publicId}${tail}`;
}

function viewKey(row: SourceKeyRow) {
  return create(SourceKeySchema, {
    keyId: row.uid,
    hint: row.hint,
    createTime: timestampFromDate(row.createTime),
    ...(row.endTime && { endTime: timestampFromDate(row.endTime) }),
    ...(row.lastUsedTime && { lastUsedTime: timestampFromDate(row.lastUsedTime) }),
  });
}

function viewStats(row: SourceStatsRow) {
  return {
    requests: BigInt(row.requests),
    records: BigInt(row.records),
    bytes: BigInt(row.bytes),
    unauthenticatedRecords: BigInt(row.unauthenticatedRecords),
    unauthenticatedBytes: BigInt(row.unauthenticatedBytes),
    quarantined: BigInt(row.quarantined),
    refused: BigInt(row.refused),
    ...(row.firstTime && { firstTime: timestampFromDate(row.firstTime) }),
    ...(row.lastTime && { lastTime: timestampFromDate(row.lastTime) }),
  };
}

function warningOf({ authentication, allowedAddresses }: Source): string {
  if (authentication.case === "none") {
    const who = allowedAddresses.length > 0 ? "at the allowed addresses " : "";
    return (
      `no authentication: everybody ${who}who learns the address can push to the stream; ` +
      "what comes this way is counted apart and never refunded"
    );
  }
  if (authentication.case === "address") {
    return "the sender's address is the only check: it can be shared by others behind the same network";
  }
  return "";
}

function viewPoll(row: typeof sourcePolls.$inferSelect) {
  const hasAttempt = row.lastAttemptTime !== null;
  const state = row.failures > 0 ? PollStatus_State.FAILING : PollStatus_State.OK;
  return create(PollStatusSchema, {
    state: hasAttempt ? state : PollStatus_State.STATE_UNSPECIFIED,
    cause: row.cause,
    failures: row.failures,
    cursor: row.cursor,
    nextTime: timestampFromDate(row.nextTime),
    ...(row.lastAttemptTime && { lastAttemptTime: timestampFromDate(row.lastAttemptTime) }),
    ...(row.lastSuccessTime && { lastSuccessTime: timestampFromDate(row.lastSuccessTime) }),
  });
}
