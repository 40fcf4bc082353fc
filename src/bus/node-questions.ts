/** Words from node to node over core NATS: nothing is stored, and nobody waits for long. */
import type { NatsConnection } from "@nats-io/transport-node";
import type { SubjectNames } from "./subjects.ts";

/** Asks other nodes and answers them, and tells all of them at once. All of it are short texts. */
export interface NodeQuestions {
  /** Sends to every node that hears this name, this one too. Nothing happens while NATS is away. */
  tell(name: string, words: string): void;
  /** Hears until the function returned is called. */
  hear(name: string, listener: (words: string) => void): () => void;
  /** Answers what is asked of this name until the function returned is called. */
  answer(name: string, answerTo: (question: string) => string): () => void;
  /** The answer; undefined when nobody of this name gives one within a second, or too many are asked. */
  ask(name: string, question: string): Promise<string | undefined>;
}

const TIMEOUT_MS = 1_000;
/** Questions without an answer, of this node. */
const ASKED_MAX = 1_000;
/** What a name may be: it is one token of a subject. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Questions on the subjects of one installation; they end with the connection. */
export function createNodeQuestions(nc: NatsConnection, names: SubjectNames): NodeQuestions {
  let asked = 0;
  return {
    tell(name, words) {
      if (!nc.isClosed()) nc.publish(names.questions(name), words);
    },
    hear(name, listener) {
      const subscription = nc.subscribe(names.questions(name), {
        callback(error, message) {
          if (!error) listener(message.string());
        },
      });
      return () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      };
    },
    answer(name, answerTo) {
      const subscription = nc.subscribe(names.questions(name), {
        callback(error, message) {
          if (!error) message.respond(answerTo(message.string()));
        },
      });
      return () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      };
    },
    async ask(name, question) {
      if (!NAME.test(name) || asked >= ASKED_MAX) return undefined;
      asked++;
      try {
        return (
          await nc.request(names.questions(name), question, { timeout: TIMEOUT_MS })
        ).string();
      } catch {
        return undefined;
      } finally {
        asked--;
      }
    },
  };
}
