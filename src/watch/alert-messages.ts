/** What owners are told, as a mail and as the body of a webhook. Pure. */
import { Alert_Kind as Kind } from "#gen/tributary/management/v1/alert_pb.js";
import type { AlertRow } from "./alert-store.ts";

/** What is told: an alert, or a test. */
export type Told = Pick<
  AlertRow,
  "uid" | "sinkName" | "kind" | "reason" | "message" | "createTime"
>;

const TYPES: Readonly<Record<number, string>> = {
  [Kind.KIND_UNSPECIFIED]: "test",
  [Kind.HELD]: "sink.held",
  [Kind.ERROR]: "sink.error",
  [Kind.RECOVERED]: "sink.recovered",
  [Kind.LOSS]: "sink.loss_ahead",
  [Kind.LAG]: "sink.lag",
  [Kind.MISSING]: "sink.records_missing",
  [Kind.ARCHIVE]: "branch.archive_failing",
};
const TITLES: Readonly<Record<number, string>> = {
  [Kind.KIND_UNSPECIFIED]: "test of alerts",
  [Kind.HELD]: "records are held",
  [Kind.ERROR]: "a sink fails",
  [Kind.RECOVERED]: "a sink delivers again",
  [Kind.LOSS]: "records will be lost",
  [Kind.LAG]: "a sink is late",
  [Kind.MISSING]: "stored records are missing",
  [Kind.ARCHIVE]: "an archive cannot be written",
};
const SUBJECT_MAX = 200;
/** Names of branches, as against sinks. */
const BRANCH = /\/branches\/[^/]+$/;

/** Subject and text of a mail. */
export function mailOf(told: Told, url: string | undefined): { subject: string; text: string } {
  const { kind, sinkName, message, reason, createTime } = told;
  const subject = `Tributary: ${TITLES[kind]}: ${sinkName}`.slice(0, SUBJECT_MAX);
  const lines = [
    sinkName,
    "",
    message,
    "",
    `Reason: ${reason}`,
    `Noticed: ${createTime.toISOString()}`,
    ...(url ? ["", url] : []),
    "",
    "This is told once for each episode. The owners of the project choose who gets it in its alert settings.",
  ];
  return { subject, text: lines.join("\n") };
}

/** Body of a webhook, after Standard Webhooks. */
export function bodyOf(told: Told): string {
  const { kind, sinkName, message, reason, createTime, uid } = told;
  const isOfBranch = BRANCH.test(sinkName);
  return JSON.stringify({
    type: isOfBranch && kind === Kind.MISSING ? "branch.records_missing" : TYPES[kind],
    timestamp: createTime.toISOString(),
    data: { alert: uid, [isOfBranch ? "branch" : "sink"]: sinkName, reason, message },
  });
}
