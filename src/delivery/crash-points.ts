/**
 * Where delivery may be cut off by a crash: between any two of these something outside the process has
 * changed, or something inside it was learnt. Tests kill a process at each of them and then judge D1 to
 * D5. Nothing is called while none is armed.
 */
export const DELIVERY_POINTS = [
  /** The cursor has our epoch; nothing was read. */
  "claimed",
  /** The target has our epoch, where it keeps the cursor. */
  "resumed",
  /** A message of the log is about to be given to the lanes. */
  "fetched",
  /** Requests are planned in memory. */
  "planned",
  /** A cursor is about to be written. */
  "cursor-writing",
  /** It is written; nothing in memory says so yet. */
  "cursor-written",
  /** A request is about to be sent. */
  "sending",
  /** The destination has answered; nothing was made of it. */
  "answered",
  /** A request that was refused as a whole is halved. */
  "halved",
  /** Copies of refused records are stored; the cursor has not passed them. */
  "held",
  /** A key is parked in memory. */
  "parked",
  /** Records are settled in memory. */
  "settled",
  /** Held records are marked as replayed or discarded; their copies are still there. */
  "released",
  /** A new version of the sink applies; requests may have moved to it. */
  "version-applied",
  /** The end of a sink that is handed over is fixed in memory. */
  "handing-over",
  /** It stands in the cursor. */
  "handed-over",
  /** What retention takes is booked in memory. */
  "expiring",
  /** It stands in the cursor. */
  "expired",
  /** The log is marked as trimmed; its records are still there. */
  "trim-marked",
] as const;

/** One of these points. */
export type DeliveryPoint = (typeof DELIVERY_POINTS)[number];

/** Is told of each point before anything else happens. */
export type AtPoint = (point: DeliveryPoint) => void;
