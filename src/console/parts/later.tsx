/** Pages that are loaded after the first one is shown, and what is shown when one cannot be. */
import { Component, type ComponentType, lazy, type ReactNode } from "react";
import { FaultNote } from "./note.tsx";

type Loader<P> = () => Promise<{ default: ComponentType<P> }>;

const waiting = new Set<() => Promise<unknown>>();
const IDLE_MS = 300;

/**
 * A page of its own file. It is asked for soon after the start, not when it is opened: so a page also
 * opens while the server restarts, and after a new version took its files away.
 */
export function later<P extends object>(load: Loader<P>): ComponentType<P> {
  if (waiting.size === 0) setTimeout(() => void loadAll(), IDLE_MS);
  waiting.add(load);
  return lazy(load);
}

/** One after another, so they do not stand in the way of calls. */
async function loadAll(): Promise<void> {
  for (const load of waiting) {
    waiting.delete(load);
    // What fails now is asked for again when it is opened.
    await load().catch(() => undefined);
  }
}

/** Shows a fault instead of the page that threw it. */
export class Boundary extends Component<{ readonly children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <>
        <h1>This page could not be shown</h1>
        <FaultNote error={this.state.error} />
        <div>
          <button type="button" onClick={() => location.reload()}>
            Load it again
          </button>
        </div>
      </>
    );
  }
}
