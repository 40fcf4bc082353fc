/**
 * Names on NATS. Every JetStream stream must own subjects that no other stream owns, so the number
 * of the shard stands in each subject, before the log.
 */

/** Makes and parses the names of one installation on a NATS account. */
export interface SubjectNames {
  /** JetStream stream of a shard: `TRIBUTARY_SHARD_<n>`. */
  shardStream(shard: number): string;
  /** Everything that a shard's stream stores: records, seals and claims. */
  shardSubjects(shard: number): string[];
  /** Subject of the messages of one partition. */
  records(place: { shard: number; logUid: string; generation: number; partition: number }): string;
  /** All messages of one log. */
  recordsOfLog(shard: number, logUid: string): string;
  /** All messages of a shard. */
  recordsOfShard(shard: number): string;
  /**
   * The message that ends a generation. It stands outside the records, so that neither readers nor
   * retention meet it.
   */
  seal(shard: number, logUid: string, generation: number): string;
  sealsOfLog(shard: number, logUid: string): string;
  /** A message by which an idle shard elects an owner. */
  claim(shard: number): string;
  /** Core subject on which the owner of a shard says which logs are full. */
  fullLogs(shard: number): string;
  /** Core subject of what is asked of one node. */
  questions(node: string): string;
  /** Stream of a keyed store: `TRIBUTARY_<NAME>`. */
  storeStream(name: string): string;
  /** Prefix, with its dot, of the subjects of a keyed store. */
  storePrefix(name: string): string;
}

/** Names for a namespace of lower-case letters, digits and `-`; `tributary` unless tests share a server. */
export function createSubjectNames(namespace = "tributary"): SubjectNames {
  const streams = namespace.toUpperCase();
  return {
    shardStream: (shard) => `${streams}_SHARD_${shard}`,
    shardSubjects: (shard) => [
      `${namespace}.records.${shard}.>`,
      `${namespace}.seals.${shard}.>`,
      `${namespace}.claims.${shard}`,
    ],
    records: (p) => `${namespace}.records.${p.shard}.${p.logUid}.${p.generation}.${p.partition}`,
    recordsOfLog: (shard, logUid) => `${namespace}.records.${shard}.${logUid}.>`,
    recordsOfShard: (shard) => `${namespace}.records.${shard}.>`,
    seal: (shard, logUid, generation) => `${namespace}.seals.${shard}.${logUid}.${generation}`,
    sealsOfLog: (shard, logUid) => `${namespace}.seals.${shard}.${logUid}.>`,
    claim: (shard) => `${namespace}.claims.${shard}`,
    fullLogs: (shard) => `${namespace}.full-logs.${shard}`,
    questions: (node) => `${namespace}.questions.${node}`,
    storeStream: (name) => `${streams}_${name.toUpperCase()}`,
    storePrefix: (name) => `${namespace}.${name}.`,
  };
}

/** What the subject of a stored message says. */
export interface RecordsSubject {
  readonly logUid: string;
  readonly generation: number;
  readonly partition: number;
}

/** Parses a subject made by `records`; undefined for any other subject. */
export function parseRecordsSubject(subject: string): RecordsSubject | undefined {
  const tokens = subject.split(".");
  if (tokens.length !== 6 || tokens[1] !== "records") return undefined;
  return {
    logUid: tokens[3]!,
    generation: Number(tokens[4]),
    partition: Number(tokens[5]),
  };
}
