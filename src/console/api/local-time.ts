/** Times as people type them: in their own zone. */
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";

/** The text of an input of date and time; undefined when it is empty or no time. */
export function timestampOf(text: string): Timestamp | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : timestampFromDate(date);
}
