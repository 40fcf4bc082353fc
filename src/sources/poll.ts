/** What is asked of polled sources, and when. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Cron } from "croner";
import type { Poll } from "#gen/tributary/management/v1/source_pb.js";
import type { FieldViolation } from "../core/errors.ts";
import { parseJsonPath } from "../core/json-path.ts";

/** Headers that belong to the connection or are made here. */
const OWN_HEADERS =
  /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|accept-encoding|if-none-match|if-modified-since)$/;
/** After this long a source is asked anyway: a schedule without a next time is refused before. */
const NEVER_MS = 365 * 86_400_000;

/** When to ask next, after a moment. */
export function nextPollTime({ schedule }: Poll, after: Date): Date {
  if (schedule.case === "interval") return new Date(after.getTime() + durationMs(schedule.value));
  const next = schedule.case === "cron" ? cronOf(schedule.value).nextRun(after) : null;
  return next ?? new Date(after.getTime() + NEVER_MS);
}

function cronOf(text: string): Cron {
  return new Cron(text, { paused: true, timezone: "UTC" });
}

/** What is wrong with the settings; paths begin with `source.poll`. */
export function checkPoll(poll: Poll | undefined): FieldViolation[] {
  if (!poll) return [{ field: "source.poll", description: "is required in mode POLL" }];
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) =>
    violations.push({ field: `source.poll.${field}`, description });
  const fault = urlFault(poll.url);
  if (fault) add("url", fault);
  const when = scheduleFault(poll);
  if (when) add(poll.schedule.case ?? "schedule", when);
  for (const name of Object.keys(poll.headers)) {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name))
      add("headers", `"${name}" is no name of a header`);
    else if (OWN_HEADERS.test(name.toLowerCase())) add("headers", `${name} is set by the server`);
  }
  for (const value of Object.values(poll.headers)) {
    if (!/^[\t\x20-\x7e]*$/.test(value)) add("headers", "values are printable ASCII");
  }
  const paths = { items_path: poll.itemsPath, cursor_path: poll.cursorPath };
  for (const [field, text] of Object.entries(paths)) {
    const parsed = text === "" ? undefined : parseJsonPath(text);
    if (!parsed) continue;
    if ("fault" in parsed) add(field, `${parsed.fault} at character ${parsed.at + 1}`);
    else if (parsed.end < text.length) add(field, `is no path from character ${parsed.end + 1} on`);
  }
  if ((poll.cursorPath === "") !== (poll.cursorParameter === "")) {
    add("cursor_parameter", "goes with cursor_path: give both or none");
  }
  return violations;
}

function urlFault(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return "is not an http or https address";
  return url.username || url.password ? "holds a user: use the header authorization" : undefined;
}

function scheduleFault({ schedule }: Poll): string | undefined {
  if (schedule.case === undefined) return "give a cron expression or an interval";
  if (schedule.case === "interval") return undefined;
  try {
    return cronOf(schedule.value).nextRun() ? undefined : "never comes";
  } catch (error) {
    return `is no cron expression: ${(error as Error).message.slice(0, 200)}`;
  }
}
