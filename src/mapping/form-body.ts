/** Bodies of type application/x-www-form-urlencoded as objects, with bracket nesting (`k[x][0]=…`). */

const DEPTH_MAX = 20;

/** A node while it is built: names in the order of their first use. */
type Node = Map<string, Node | string>;

/**
 * The object that a form stands for: `a=1` gives a string, `a[b]=1` an object, `a[]=1` and `a[0]=1` an
 * array when its indexes run from 0 without a gap. Of a name that is given twice the last counts, and
 * one that is used both as a value and as an object keeps what came last.
 */
export function parseForm(text: string): Record<string, unknown> {
  const root: Node = new Map();
  for (const [key, value] of new URLSearchParams(text)) put(root, stepsOf(key), value);
  return Object.fromEntries([...root].map(([name, node]) => [name, plain(node)]));
}

/** `k[x][0]` as `k`, `x`, `0`; a key whose brackets make no sense is taken as it stands. */
function stepsOf(key: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])+)$/.exec(key);
  if (!match) return [key];
  const steps = [match[1]!, ...match[2]!.slice(1, -1).split("][")];
  return steps.length > DEPTH_MAX ? [key] : steps;
}

function put(root: Node, steps: readonly string[], value: string): void {
  let node = root;
  for (const [i, given] of steps.entries()) {
    const step = given === "" && i > 0 ? String(node.size) : given;
    if (i === steps.length - 1) {
      node.set(step, value);
      return;
    }
    const known = node.get(step);
    const next: Node = known instanceof Map ? known : new Map();
    node.set(step, next);
    node = next;
  }
}

function plain(node: Node | string): unknown {
  if (typeof node === "string") return node;
  const isArray = [...node.keys()].every((name, i) => name === String(i));
  if (isArray) return [...node.values()].map(plain);
  return Object.fromEntries([...node].map(([name, inner]) => [name, plain(inner)]));
}
