/** How a person wants to see the console in this browser. Kept in its storage; the server is not told. */
import { useSyncExternalStore } from "react";

/** What there is to choose from; the first of each is the one of somebody who never chose. */
export const PREFERENCES = {
  colours: [
    ["system", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
  ],
  times: [
    ["local", "My own zone"],
    ["utc", "UTC"],
  ],
} as const;

/** A thing that one may choose. */
export type Preference = keyof typeof PREFERENCES;

const PREFIX = "tributary.";
const chosen = new Map<Preference, string>();
const listeners = new Set<() => void>();

/** Reads what was chosen, applies it to the page, and follows the browser's other tabs. */
export function startPreferences(): void {
  readAll();
  addEventListener("storage", readAll);
}

/** Chooses for this tab and those to come. A browser that keeps nothing forgets it with the tab. */
export function choose(preference: Preference, value: string): void {
  try {
    localStorage.setItem(PREFIX + preference, value);
  } catch {
    // Storage may be switched off: then this tab alone has it.
  }
  keep(preference, value);
}

/** What is chosen now. */
export function usePreference(preference: Preference): string {
  return useSyncExternalStore(subscribe, () => valueNow(preference));
}

function readAll(): void {
  for (const preference of Object.keys(PREFERENCES) as Preference[]) {
    keep(preference, readStored(preference) ?? PREFERENCES[preference][0][0]);
  }
}

function readStored(preference: Preference): string | undefined {
  try {
    const stored = localStorage.getItem(PREFIX + preference);
    return PREFERENCES[preference].find(([value]) => value === stored)?.[0];
  } catch {
    return undefined;
  }
}

function keep(preference: Preference, value: string): void {
  chosen.set(preference, value);
  const colours = valueNow("colours");
  document.documentElement.style.colorScheme = colours === "system" ? "" : colours;
  for (const listener of listeners) listener();
}

function valueNow(preference: Preference): string {
  return chosen.get(preference) ?? PREFERENCES[preference][0][0];
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
