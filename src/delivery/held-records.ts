/** Held records as the API offers them, from any node: commands go to the owner through the store. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type HeldCommand,
  HeldCommand_Action,
  HeldCommandSchema,
} from "#gen/tributary/delivery/v1/cursor_pb.js";
import type { KeyedStore } from "../bus/index.ts";
import type { SinkDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import type { Place } from "../sinks/sink.ts";
import { discardHeld, replayHeld } from "./held-lane.ts";
import type { HeldEntry, HeldKey, HeldStore } from "./held-store.ts";
import { placeToMessage } from "./lane-state.ts";
import { comparePlaces, formatPlace, isWithin } from "./place.ts";
import { holdReplayRefusals, type ReplayRefusals } from "./replay-refusals.ts";
import { refusalsToMessage } from "./replay-refusals-message.ts";
import type { SinkState } from "./sink-state.ts";
import type { SinkWorker } from "./sink-worker.ts";

const ANSWER_MS = 30_000;
const POLL_MS = 250;
/** Refused records that one command carries. */
const REFUSED_AT_ONCE = 100;
/** Copies that one page with a reason looks at, and at once. */
const SCAN_MAX = 5_000;
const SCAN_STEP = 250;

/** What other nodes ask of the owner of a sink: mostly about held records. */
export type HeldAction = "replay" | "discard" | "hand-over" | "take-back" | "hold-refused";

const ACTIONS = {
  replay: HeldCommand_Action.REPLAY,
  discard: HeldCommand_Action.DISCARD,
  "hand-over": HeldCommand_Action.HAND_OVER,
  "take-back": HeldCommand_Action.TAKE_BACK,
  "hold-refused": HeldCommand_Action.HOLD_REFUSED,
} as const satisfies Record<HeldAction, HeldCommand_Action>;

/** What a command asks for. */
export function actionOf({ action }: Pick<HeldCommand, "action">): HeldAction {
  const names = Object.keys(ACTIONS) as HeldAction[];
  const name = names.find((each) => ACTIONS[each] === action);
  if (!name) throw new Error(`command ${action} is of a newer version`);
  return name;
}

/** What the owner is asked to do. */
export interface HeldOrder {
  readonly action: HeldAction;
  /** None for all. */
  readonly places: readonly Place[];
  readonly refused?: ReplayRefusals | undefined;
}

/** A page of held records. */
export interface HeldPage {
  /** Newest place first. */
  readonly entries: readonly HeldEntry[];
  /** Where the next page begins; undefined at the end. */
  readonly next: Place | undefined;
}

/** Which page. */
export interface HeldPageRequest {
  readonly size: number;
  readonly before?: Place | undefined;
  /** Only those held for this reason; a page may be short and still have a next one. */
  readonly reason?: string | undefined;
}

/** Held records of sinks. */
export interface HeldRecords {
  list(sink: SinkDefinition, page: HeldPageRequest): Promise<HeldPage>;
  /** Held records at places; without those that are held no more. */
  read(sink: SinkDefinition, places: readonly Place[]): Promise<HeldEntry[]>;
  /** Delivers them again; no places means all. Gives how many were delivered. */
  replay(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
  /** Gives them up; no places means all. Gives how many it was. */
  discard(sink: SinkDefinition, places: readonly Place[]): Promise<number>;
  /** Ends a sink at a sequence above all that it delivered, and gives it; idempotent. */
  handOver(sink: SinkDefinition): Promise<number>;
  /** Undoes that, as long as no other sink goes on from there; idempotent. */
  takeBack(sink: SinkDefinition): Promise<void>;
  /** Holds what a request of a replay had refused, as `holdReplayRefusals`; idempotent. */
  holdRefused(sink: SinkDefinition, refused: ReplayRefusals): Promise<void>;
}

/** What `createHeldRecords` needs. */
export interface HeldRecordsInput {
  readonly held: HeldStore;
  readonly commands: KeyedStore;
  readonly now: () => number;
  readonly stateOf: (sink: SinkDefinition) => Promise<SinkState | undefined>;
  /** The worker of a sink when this node owns its shard. */
  readonly workerOf: (sink: SinkDefinition) => SinkWorker | undefined;
}

/** Makes the face of held records. */
export function createHeldRecords(input: HeldRecordsInput): HeldRecords {
  const runCommand = (sink: SinkDefinition, command: HeldOrder) => {
    const worker = input.workerOf(sink);
    return worker ? runHeldCommand(input, worker, command) : forward(input, sink, command);
  };
  const run = (sink: SinkDefinition, action: HeldAction, places: readonly Place[]) =>
    runCommand(sink, { action, places });
  return {
    async list(sink, request) {
      const { before } = request;
      const all = await listHeld(input, sink);
      const from = before ? all.filter((key) => comparePlaces(key.place, before) < 0) : all;
      return await readPage(input, sink, { keys: from, ...request });
    },
    async read(sink, places) {
      const wanted = new Set(places.map(formatPlace));
      const all = await listHeld(input, sink);
      const keys = all.filter(({ place }) => wanted.has(formatPlace(place)));
      return await input.held.read(sink.uid, keys);
    },
    replay: (sink, places) => run(sink, "replay", places),
    discard: (sink, places) => run(sink, "discard", places),
    handOver: (sink) => run(sink, "hand-over", []),
    async takeBack(sink) {
      await run(sink, "take-back", []);
    },
    async holdRefused(sink, { rows, ...refused }) {
      for (let at = 0; at < rows.length; at += REFUSED_AT_ONCE) {
        const some = { ...refused, rows: rows.slice(at, at + REFUSED_AT_ONCE) };
        await runCommand(sink, { action: "hold-refused", places: [], refused: some });
      }
    },
  };
}

/** Copies are read only as far as a page needs them. */
async function readPage(
  { held }: HeldRecordsInput,
  { uid }: SinkDefinition,
  { keys, size, reason }: HeldPageRequest & { readonly keys: readonly HeldKey[] },
): Promise<HeldPage> {
  const entries: HeldEntry[] = [];
  const scanMax = reason ? Math.max(size, SCAN_MAX) : size;
  let at = 0;
  while (at < Math.min(keys.length, scanMax) && entries.length < size) {
    const some = keys.slice(at, at + (reason ? SCAN_STEP : size));
    for (const entry of await held.read(uid, some)) {
      if (reason && entry.copy.reason !== reason) continue;
      entries.push(entry);
      if (entries.length < size) continue;
      at = keys.findIndex((key) => comparePlaces(key.place, entry.place) === 0) + 1;
      return { entries, next: at < keys.length ? entry.place : undefined };
    }
    at += some.length;
  }
  return { entries, next: at < keys.length ? keys[at - 1]?.place : undefined };
}

/** Keys of the copies that the cursor has passed: the others are of records that will be attempted again. */
async function listHeld(input: HeldRecordsInput, sink: SinkDefinition): Promise<HeldKey[]> {
  const [keys, state] = await Promise.all([input.held.keys(sink.uid), input.stateOf(sink)]);
  const lanes = new Map(state?.lanes.map((lane) => [lane.partition, lane]));
  const gone = new Set(state?.lanes.flatMap((lane) => lane.released.map(formatPlace)));
  return keys.filter(({ place, partition }) => {
    const lane = lanes.get(partition);
    if (!lane || comparePlaces(place, lane.next) >= 0 || gone.has(formatPlace(place))) return false;
    const isOpen = lane.requests.some(({ ranges }) => isWithin(ranges, place));
    return !isOpen && !isWithin(lane.staged, place);
  });
}

/**
 * Carries a command out on the node that owns the sink. Fails with LOG_UNAVAILABLE when that changes meanwhile:
 * the next owner does it.
 */
export async function runHeldCommand(
  input: HeldRecordsInput,
  worker: SinkWorker,
  order: HeldOrder,
): Promise<number> {
  try {
    return await carryOut(input, worker, order);
  } catch (cause) {
    if (!worker.signal.aborted) throw cause;
    const hint = { retryAfterMs: 1_000, cause };
    throw fail("LOG_UNAVAILABLE", "delivery of the sink changes its node now", hint);
  }
}

async function carryOut(
  input: HeldRecordsInput,
  worker: SinkWorker,
  { action, places, refused }: HeldOrder,
): Promise<number> {
  const { definition } = worker;
  if (action === "hand-over") return worker.handOver();
  if (action === "take-back") {
    await worker.takeBack();
    return 0;
  }
  if (action === "hold-refused") {
    if (!refused) return 0;
    return worker.exclusively(async () => holdReplayRefusals(await worker.ensureRun(), refused));
  }
  if (action === "replay" && definition.isPaused) {
    throw fail("WRONG_STATE", "the sink is paused: resume it to replay its held records");
  }
  return worker.exclusively(async () => {
    const all = await listHeld(input, definition);
    const wanted = new Set(places.map(formatPlace));
    const keys = all.filter((key) => wanted.size === 0 || wanted.has(formatPlace(key.place)));
    if (keys.length === 0) return 0;
    const run = await worker.ensureRun();
    return action === "replay" ? replayHeld(run, keys) : discardHeld(run, keys);
  });
}

async function forward(
  { commands, now }: HeldRecordsInput,
  sink: SinkDefinition,
  { action, places, refused }: HeldOrder,
): Promise<number> {
  const key = `command.${sink.uid}.${randomBytes(9).toString("hex")}`;
  const deadlineMs = now() + ANSWER_MS;
  const command = create(HeldCommandSchema, {
    action: ACTIONS[action],
    places: places.map(placeToMessage),
    ...(refused && { refusals: refusalsToMessage(refused) }),
    deadlineMs: BigInt(Math.round(deadlineMs)),
  });
  await commands.writeMany([
    { key, value: toBinary(HeldCommandSchema, command), expectedSequence: 0 },
  ]);
  try {
    while (now() < deadlineMs) {
      await delay(POLL_MS);
      const entry = await commands.get(key);
      const answer = entry && fromBinary(HeldCommandSchema, entry.value);
      if (!answer?.isDone) continue;
      if (answer.error) throw fail("DESTINATION_REFUSED", answer.error);
      return Number(answer.count);
    }
  } finally {
    await commands.delete(key).catch(() => undefined);
  }
  throw fail("LOG_UNAVAILABLE", "no node delivers for this sink now", { retryAfterMs: 5_000 });
}
