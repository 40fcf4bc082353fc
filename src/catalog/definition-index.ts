/** Definitions in memory with their look-ups. */
import type {
  ApplicationDefinition,
  Definitions,
  GrantDefinition,
  PersonDefinition,
  ProjectDefinition,
  SinkDefinition,
  SourceDefinition,
  StreamDefinition,
  TokenDefinition,
} from "../core/definitions.ts";

/** Definitions that replace those of the same uids. */
export interface DefinitionUpdate {
  readonly projects: DefinitionPart<ProjectDefinition>;
  readonly streams: DefinitionPart<StreamDefinition>;
  readonly sinks: DefinitionPart<SinkDefinition>;
  readonly sources: DefinitionPart<SourceDefinition>;
  readonly applications: DefinitionPart<ApplicationDefinition>;
  readonly persons: DefinitionPart<PersonDefinition>;
  readonly tokens: DefinitionPart<TokenDefinition>;
  readonly grants: DefinitionPart<GrantDefinition>;
}

/** What was read of one kind: of these uids (those not found are gone), or all there is. */
export interface DefinitionPart<T> {
  readonly uids: readonly string[] | "all";
  readonly found: readonly T[];
}

/** The look-ups, and the way to change what they find. */
export interface DefinitionIndex {
  readonly lookups: Omit<Definitions, "freshAtMs" | "onChange">;
  /** Takes effect between two look-ups, never during one. */
  apply(update: DefinitionUpdate): void;
}

/** An empty index. */
export function createDefinitionIndex(): DefinitionIndex {
  const projects = createTable<ProjectDefinition>((project) => [project.name, project.uid]);
  const streams = createTable<StreamDefinition>((stream) => [
    stream.name,
    ...[...stream.logs.values()].map((log) => log.uid),
  ]);
  const sinks = createTable<SinkDefinition>((sink) => [sink.name, sink.log.uid]);
  const sources = createTable<SourceDefinition>((source) => [source.publicId]);
  const applications = createTable<ApplicationDefinition>((each) => [each.clientId]);
  const persons = createTable<PersonDefinition>((person) => [person.id]);
  const tokens = createTable<TokenDefinition>(() => []);
  const grants = createTable<GrantDefinition>((grant) => [grant.principalId]);
  const none: readonly never[] = [];
  return {
    lookups: {
      project: (nameOrUid) => projects.byKey.get(nameOrUid)?.[0],
      stream: (name) => streams.byKey.get(name)?.[0],
      streamByLog: (logUid) => streams.byKey.get(logUid)?.[0],
      streams: () => streams.byUid.values(),
      sink: (name) => sinks.byKey.get(name)?.[0],
      sinkByUid: (uid) => sinks.byUid.get(uid),
      sinks: () => sinks.byUid.values(),
      sinksOfLog: (logUid) => sinks.byKey.get(logUid) ?? none,
      sourceByPublicId: (publicId) => sources.byKey.get(publicId)?.[0],
      sourceByUid: (uid) => sources.byUid.get(uid),
      applicationByClientId: (clientId) => applications.byKey.get(clientId)?.[0],
      token: (uid) => tokens.byUid.get(uid),
      person: (id) => persons.byKey.get(id)?.[0],
      grantsOf: (principalId) => grants.byKey.get(principalId) ?? none,
    },
    apply(update) {
      projects.apply(update.projects);
      streams.apply(update.streams);
      sinks.apply(update.sinks);
      sources.apply(update.sources);
      applications.apply(update.applications);
      persons.apply(update.persons);
      tokens.apply(update.tokens);
      grants.apply(update.grants);
    },
  };
}

/** Things by uid and by some keys; names hold slashes and uids none, so keys of both kinds never meet. */
function createTable<T extends { readonly uid: string }>(keysOf: (item: T) => readonly string[]) {
  const byUid = new Map<string, T>();
  const byKey = new Map<string, readonly T[]>();
  const remove = (uid: string) => {
    const item = byUid.get(uid);
    if (!item) return;
    byUid.delete(uid);
    for (const key of keysOf(item)) {
      const rest = byKey.get(key)?.filter((each) => each.uid !== uid) ?? [];
      if (rest.length > 0) byKey.set(key, rest);
      else byKey.delete(key);
    }
  };
  return {
    byUid: byUid as ReadonlyMap<string, T>,
    byKey: byKey as ReadonlyMap<string, readonly T[]>,
    apply({ uids, found }: DefinitionPart<T>) {
      if (uids === "all") {
        byUid.clear();
        byKey.clear();
      } else for (const uid of uids) remove(uid);
      for (const item of found) {
        byUid.set(item.uid, item);
        for (const key of keysOf(item)) byKey.set(key, [...(byKey.get(key) ?? []), item]);
      }
    },
  };
}
