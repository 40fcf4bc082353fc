import { createTurns, type Turns } from "../turns.ts";
import type { ShardMap } from "./shard-map.ts";

/** Work for the shards of a map, one piece at a time for each name. */
export type Lanes = <T>(map: ShardMap, name: string, work: () => Promise<T>) => Promise<T>;

/**
 * Makes lanes. Where a stream was resharded a key changes its lane: work that goes by another map starts
 * when all that went by the one before has ended, so the parent of a shard is left before its children
 * are entered.
 */
export function createLanes(): Lanes {
  let current: {
    readonly map: ShardMap;
    readonly inTurn: Turns;
    readonly opened: Promise<unknown>;
  };
  const underWay = new Set<Promise<unknown>>();
  return (map, name, work) => {
    if (current?.map !== map) {
      current = { map, inTurn: createTurns(), opened: Promise.allSettled([...underWay]) };
    }
    const { inTurn, opened } = current;
    const result = inTurn(name, () => opened.then(work));
    underWay.add(result);
    const leave = () => underWay.delete(result);
    result.then(leave, leave);
    return result;
  };
}
