/** Resource names: `projects/{p}/streams/{s}` and so on, after Google AIP-122. */

/** Rule of every id in a name. */
export const ID_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;

const SHAPES = {
  project: ["projects"],
  stream: ["projects", "streams"],
  branch: ["projects", "streams", "branches"],
  sink: ["projects", "streams", "sinks"],
  source: ["projects", "streams", "sources"],
  application: ["projects", "applications"],
  token: ["projects", "tokens"],
  task: ["projects", "tasks"],
  projectGrant: ["projects", "grants"],
  projectInvitation: ["projects", "invitations"],
  streamGrant: ["projects", "streams", "grants"],
} as const;

/** What a name names. */
export type NameShape = keyof typeof SHAPES;

/** The ids of a name of the given shape, in order; undefined when it is not such a name. */
export function parseName(name: string, shape: NameShape): readonly string[] | undefined {
  const segments = name.split("/");
  const collections = SHAPES[shape];
  if (segments.length !== collections.length * 2) return undefined;
  const ids: string[] = [];
  for (let i = 0; i < collections.length; i++) {
    const id = segments[i * 2 + 1] ?? "";
    if (segments[i * 2] !== collections[i] || !ID_PATTERN.test(id)) return undefined;
    ids.push(id);
  }
  return ids;
}

/** A name from its ids, which must be valid. */
export function formatName(shape: NameShape, ...ids: string[]): string {
  return SHAPES[shape].map((collection, i) => `${collection}/${ids[i]}`).join("/");
}

/** The project a name lies in, `projects/{p}`; undefined when it begins otherwise. */
export function projectOf(name: string): string | undefined {
  const [collection, id = ""] = name.split("/", 2);
  return collection === "projects" && ID_PATTERN.test(id) ? `projects/${id}` : undefined;
}

/** The stream a name lies in, `projects/{p}/streams/{s}`; undefined when it lies in none. */
export function streamOf(name: string): string | undefined {
  const prefix = name.split("/", 4).join("/");
  return parseName(prefix, "stream") ? prefix : undefined;
}

/** An id made from a title: `Wind Sensors!` gives `wind-sensors`; undefined when nothing is left. */
export function idFromTitle(title: string): string | undefined {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const id = plain
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  return ID_PATTERN.test(id) ? id : undefined;
}
