/** V8 and the allocator of C with less room to grow than they take by themselves. */

/**
 * Most of what a push makes dies young, and 8 MiB a half of the young generation hold it for some
 * hundred calls; V8's own 16 MiB only make the process larger. Threads of glibc share two arenas, for
 * each of their own keeps what it once had. Measured under pushes: 236 MiB became 201, and 318 became
 * 266, at the same CPU time.
 */
const FLAG = "--max-semi-space-size";
const FLAGS = [
  `${FLAG}=8`,
  // (`--external-memory-accounted-in-global-limit` spares half of the collections beside bodies of 16 MiB, but
  // under calls of 1,000 the process grew to 374 and 429 MiB with it, and to 339 without.)
  // Node's own four help with a collection all at once, and where the CPUs are few take them from the one
  // thread that serves: a turn of 20 ms lasted 100.
  "--v8-pool-size=2",
];
const VARIABLES = { MALLOC_ARENA_MAX: "2" };

/** What the program was started with. */
export interface Started {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  /** The environment, which wins over ours. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Replaces the program by itself with the flags, in the same process (execve), before anything is open:
 * both are read only when a process begins. Returns where it cannot, or need not: on Windows, under a
 * parent that talks to it (`--watch`), and when the young generation has a size already.
 */
export function startWithMemoryFlags({ execPath, execArgv, argv, environment }: Started): void {
  const given = [...execArgv, environment.NODE_OPTIONS ?? ""].join(" ");
  if (given.includes(FLAG) || process.send || !process.execve || process.platform === "win32")
    return;
  const words = [execPath, ...FLAGS, ...execArgv, ...argv.slice(1)];
  const defined = Object.entries({ ...VARIABLES, ...environment }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  process.execve(execPath, words, Object.fromEntries(defined));
}
