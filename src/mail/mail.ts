/** Mails, and where they wait: what the sender needs of the database. */
import { failFields } from "../core/errors.ts";
import { isMailAddress } from "./smtp-url.ts";

/** A plain text mail to one person. */
export interface Mail {
  /** One address without a name: `ada@example.com`. */
  readonly to: string;
  /** One line, 200 characters at most. */
  readonly subject: string;
  /** 64 KiB at most. It may hold a one-time link: it is encrypted while it waits. */
  readonly text: string;
  /** Whose mail it is, where it is about a project. */
  readonly projectUid?: string;
  /** Of several mails with one key, within 30 days, only the first is sent. 200 characters at most. */
  readonly key?: string;
}

/** A mail as it waits. */
export interface WaitingMail {
  readonly uid: string;
  readonly recipient: string;
  readonly subject: string;
  readonly sealedText: Uint8Array;
  /** Attempts begun, this one included. */
  readonly attempts: number;
  readonly createTime: Date;
}

/** A mail to keep. */
export interface NewMail extends Omit<WaitingMail, "attempts"> {
  readonly projectUid: string | undefined;
  readonly key: string | undefined;
}

/** The durable outbox. */
export interface MailStore {
  /** Keeps a mail unless its key is known; false when `waitingMax` mails wait already. */
  add(mail: NewMail, waitingMax: number): Promise<boolean>;
  /** Takes the mail that waits longest and is due; nobody else gets it before `leaseEnd`. */
  take(now: Date, leaseEnd: Date): Promise<WaitingMail | undefined>;
  /** The mail was sent: its text goes. */
  sent(uid: string, time: Date): Promise<void>;
  /** An attempt failed; without `nextTime` the mail is given up and its text goes. */
  failed(uid: string, outcome: { readonly error: string; readonly nextTime?: Date }): Promise<void>;
  /** Forgets mails that were made before `time`. */
  forget(time: Date): Promise<void>;
}

const SUBJECT_MAX = 200;
const TEXT_MAX_BYTES = 65_536;
const KEY_MAX = 200;

/** Fails with INVALID_FIELDS, naming every fault. */
export function checkMail({ to, subject, text, key }: Mail): void {
  const faults = [
    { field: "to", description: "must be one mail address", ok: isMailAddress(to) },
    {
      field: "subject",
      description: `must be one line of at most ${SUBJECT_MAX} characters`,
      ok: subject.length <= SUBJECT_MAX && !/\p{Cc}/u.test(subject),
    },
    {
      field: "text",
      description: `must have at most ${TEXT_MAX_BYTES} bytes`,
      ok: Buffer.byteLength(text) <= TEXT_MAX_BYTES,
    },
    {
      field: "key",
      description: `must have at most ${KEY_MAX} characters`,
      ok: key === undefined || key.length <= KEY_MAX,
    },
  ].filter(({ ok }) => !ok);
  if (faults.length > 0) throw failFields(faults);
}
