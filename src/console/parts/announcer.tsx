/** What happened, said to those who hear the page. */
import { useSyncExternalStore } from "react";

/** Sentences that stand at once: calls that end together would else take each other's word. */
const SENTENCES_MAX = 4;

/** A sentence; each has a place of its own, so that the same one twice is read twice. */
interface Sentence {
  readonly number: number;
  readonly text: string;
}

let said: readonly Sentence[] = [];
let count = 0;
const listeners = new Set<() => void>();

/** Has a sentence read out when what is being read has ended. */
export function announce(text: string): void {
  said = [...said.slice(1 - SENTENCES_MAX), { number: ++count, text }];
  for (const listener of listeners) listener();
}

/** Where the sentences stand, unseen. One in the page. */
export function Announcer() {
  const sentences = useSyncExternalStore(subscribe, () => said);
  return (
    <div className="unseen" aria-live="polite" aria-relevant="additions" data-announcer>
      {sentences.map(({ number, text }) => (
        <p key={number}>{text}</p>
      ))}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
