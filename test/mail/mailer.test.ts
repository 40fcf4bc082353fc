import { expect, onTestFinished, test } from "vitest";
import { reasonOf } from "../../src/core/errors.ts";
import { makeUid } from "../../src/core/uid.ts";
import type { Database } from "../../src/db/client.ts";
import { createMailStore } from "../../src/db/mail-store.ts";
import { type MailerOptions, noMailer, startMailer } from "../../src/mail/mailer.ts";
import { createSmtpSender } from "../../src/mail/smtp-sender.ts";
import { parseSmtpUrl } from "../../src/mail/smtp-url.ts";
import { useTestDatabase } from "../support/database.ts";
import { startMailServer } from "../support/mail-server.ts";
import { quietLogger } from "../support/quiet-logger.ts";
import { waitFor } from "../support/wait-for.ts";

const masterKey = Buffer.alloc(32, 7);
const from = "tributary@example.org";
const invitation = {
  to: "ada@example.com",
  subject: "You are invited ✉",
  text: "Open https://example.org/join/secret-9f8e7d to join.\n",
};

async function useMailServer(options?: Parameters<typeof startMailServer>[0]) {
  const server = await startMailServer(options);
  onTestFinished(server.close);
  return server;
}

function useMailer(database: Database, port: number, options: Partial<MailerOptions> = {}) {
  const mailer = startMailer({
    store: createMailStore(database),
    sendMail: createSmtpSender(parseSmtpUrl(`smtp://127.0.0.1:${port}`), from),
    from,
    masterKey,
    logger: quietLogger,
    makeUid,
    everyMs: 50,
    firstWaitMs: 50,
    ...options,
  });
  onTestFinished(mailer.close);
  return mailer;
}

const rowsOf = (database: Database) => database.sql`
  SELECT *, next_attempt_time IS NULL AS settled FROM tributary.mails ORDER BY create_time`;

test("a mail arrives once, with one sender on each of three nodes", async () => {
  const { database } = await useTestDatabase();
  const server = await useMailServer();
  const mailers = [1, 2, 3].map(() => useMailer(database, server.port));
  await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      mailers[n % 3]!.send({ ...invitation, to: `p${n}@example.com` }),
    ),
  );
  await waitFor(async () => (await rowsOf(database)).every((row) => row.settled));
  expect(server.mails.map((mail) => mail.to.join()).sort()).toEqual(
    Array.from({ length: 12 }, (_, n) => `p${n}@example.com`).sort(),
  );
  const [{ source, from: sender } = { source: "", from: "" }] = server.mails;
  expect(sender).toBe(from);
  expect(source).toContain("Open https://example.org/join/secret-9f8e7d to join.");
  expect(source).toMatch(/^Content-Type: text\/plain/m);
  expect(source).toMatch(/^Message-ID: <\w{20}@example\.org>/m);
  expect(source).toMatch(/^Subject: =\?UTF-8\?/m);
});

test("check 10: the text of a waiting mail is encrypted, and gone once it is sent", async () => {
  const { database } = await useTestDatabase();
  const store = createMailStore(database);
  const never = useMailer(database, 1, { store: { ...store, take: async () => undefined } });
  await never.send(invitation);
  const [waiting] = await rowsOf(database);
  expect(waiting?.sealed_text.length).toBeGreaterThan(invitation.text.length);
  expect(waiting?.sealed_text.includes("secret-9f8e7d")).toBe(false);
  await never.close();
  const server = await useMailServer();
  useMailer(database, server.port);
  await waitFor(() => server.mails.length === 1);
  await waitFor(async () => Boolean((await rowsOf(database))[0]?.sent_time));
  const [sent] = await rowsOf(database);
  expect(sent).toMatchObject({ sealed_text: null, attempts: 1, last_error: "", settled: true });
});

test("a mail waits while the server is away, and is sent when it is back", async () => {
  const { database } = await useTestDatabase();
  const away = await startMailServer();
  await away.close();
  const mailer = useMailer(database, away.port);
  await mailer.send(invitation);
  await waitFor(async () => (await rowsOf(database))[0]?.attempts >= 2);
  expect((await rowsOf(database))[0]?.last_error).toContain("ECONNREFUSED");
  const server = await useMailServer({ port: away.port });
  await waitFor(async () => Boolean((await rowsOf(database))[0]?.sent_time));
  expect(server.mails).toHaveLength(1);
});

test("a refused recipient is recorded and not tried again, the next mail goes out", async () => {
  const { database } = await useTestDatabase();
  const refusal = Object.assign(new Error("no such person"), { responseCode: 550 });
  const server = await useMailServer({
    onRcptTo: ({ address }, _, done) => done(address.startsWith("nobody") ? refusal : null),
  });
  const mailer = useMailer(database, server.port);
  await mailer.send({ ...invitation, to: "nobody@example.com" });
  await mailer.send(invitation);
  await waitFor(async () => (await rowsOf(database)).every((row) => row.settled));
  const rows = await rowsOf(database);
  expect(rows[0]).toMatchObject({ attempts: 1, sent_time: null, sealed_text: null });
  expect(rows[0]?.last_error).toMatch(/^550 no such person/);
  expect(server.mails.map((mail) => mail.to)).toEqual([["ada@example.com"]]);
});

test("an answer that may pass is retried, and given up after a day", async () => {
  const { database } = await useTestDatabase();
  const busy = Object.assign(new Error("greylisted"), { responseCode: 451 });
  const server = await useMailServer({ onRcptTo: (_, __, done) => done(busy) });
  let passedMs = 0;
  const mailer = useMailer(database, server.port, { now: () => Date.now() + passedMs });
  await mailer.send(invitation);
  await waitFor(async () => (await rowsOf(database))[0]?.attempts >= 2);
  expect((await rowsOf(database))[0]).toMatchObject({ settled: false });
  passedMs = 86_500_000;
  await waitFor(async () => (await rowsOf(database))[0]?.settled);
  expect((await rowsOf(database))[0]).toMatchObject({ sent_time: null, sealed_text: null });
  expect((await rowsOf(database))[0]?.last_error).toContain("greylisted");
});

test("of several mails with one key one is sent", async () => {
  const { database } = await useTestDatabase();
  const server = await useMailServer();
  const mailer = useMailer(database, server.port);
  for (let i = 0; i < 3; i++) await mailer.send({ ...invitation, key: "shape 17" });
  await mailer.send({ ...invitation, key: "shape 18" });
  await waitFor(async () => (await rowsOf(database)).every((row) => row.settled));
  expect(server.mails).toHaveLength(2);
});

test("signs in with the user and password of the address", async () => {
  const { database } = await useTestDatabase();
  const server = await useMailServer({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _, done) =>
      username === "mara" && password === "p@ss:word"
        ? done(null, { user: username })
        : done(new Error("wrong")),
  });
  const smtp = parseSmtpUrl(`smtp://mara:p%40ss%3Aword@127.0.0.1:${server.port}?from=${from}`);
  const mailer = useMailer(database, server.port, { sendMail: createSmtpSender(smtp, from) });
  await mailer.send(invitation);
  await waitFor(() => server.mails.length === 1);
  expect(server.mails[0]?.user).toBe("mara");
});

test("mails that could mean more than one person or line are refused, naming the field", async () => {
  const { database } = await useTestDatabase();
  const mailer = useMailer(database, 1);
  for (const to of [
    "",
    "ada",
    "a@example.com, b@example.com",
    "a@example.com\r\nBcc: b@example.com",
  ])
    await expect(mailer.send({ ...invitation, to })).rejects.toThrow(
      "to: must be one mail address",
    );
  await expect(mailer.send({ ...invitation, subject: "a\r\nBcc: b@example.com" })).rejects.toThrow(
    "subject: must be one line",
  );
  await expect(mailer.send({ ...invitation, text: "x".repeat(65_537) })).rejects.toThrow("text:");
  expect(await rowsOf(database)).toHaveLength(0);
});

test("the outbox has a bound", async () => {
  const { database } = await useTestDatabase();
  const mailer = useMailer(database, 1);
  await database.sql`
    INSERT INTO tributary.mails
    SELECT 'u' || n, null, null, 'a@example.com', '', '', 0, now() + '1 day', null, '', now()
    FROM generate_series(1, 10000) AS n`;
  const error = await mailer.send(invitation).catch((caught: unknown) => caught);
  expect(reasonOf(error)).toBe("OVERLOADED");
});

test("without a server a mail is refused with the fix", async () => {
  const error = await noMailer.send(invitation).catch((caught: unknown) => caught);
  expect(reasonOf(error)).toBe("MAIL_NOT_CONFIGURED");
  expect(String(error)).toContain("SMTP_URL");
});
