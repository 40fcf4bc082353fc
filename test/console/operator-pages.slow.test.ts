import { beforeAll, expect, test } from "vitest";
import { endConsole } from "../support/console-file.ts";
import { type ConsoleRig, FARM, openConsoleRig } from "../support/console-rig.ts";
import { type MailServer, startMailServer } from "../support/mail-server.ts";
import { waitFor } from "../support/wait-for.ts";

const NEW_PASSWORD = "another battery staple";

let rig: ConsoleRig;
let mails: MailServer;

beforeAll(async () => {
  mails = await startMailServer({
    onRcptTo({ address }, _session, done) {
      if (!address.startsWith("unknown@")) return done();
      done(Object.assign(new Error("no such user"), { responseCode: 550 }));
    },
  });
  const SMTP_URL = `smtp://127.0.0.1:${mails.port}?from=tributary@example.org`;
  rig = await openConsoleRig({ server: { env: { SMTP_URL } } });
  await rig.push({ sensor: "a", value: 1 });
}, 120_000);
endConsole(() => [rig, mails]);

test("the operator says who may sign up, what projects may use by default and what records cost", async () => {
  const { page, open, ada } = rig;
  await open("/operator/settings");
  await page.getByLabel("Who may sign up").selectOption({ label: "Nobody" });
  await page.getByText("Default quotas", { exact: true }).first().click();
  await page.getByLabel("Sinks", { exact: true }).fill("-4");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Sinks", { exact: true }).fill("400");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor({ state: "hidden" });
  await expect
    .poll(() => ada.call("InstallationService/GetInstallation", {}))
    .toMatchObject({ installation: { signUp: "CLOSED", defaultQuotas: { sinks: "400" } } });
});

test("quotas of a project are edited; credit is given; a refund that is none says why", async () => {
  const { page, open, ada } = rig;
  await open("/operator");
  const card = page.getByRole("article", { name: "Farm" });
  await card.getByText("Quotas", { exact: true }).click();
  await card.getByLabel("Streams", { exact: true }).fill("7");
  await card.getByRole("button", { name: "Save the quotas" }).click();
  await card.getByText("streams 1 of 7").waitFor();
  await card.getByText("Credit and refunds").click();
  await card.getByLabel("Credit", { exact: true }).fill("12,5");
  await card.getByRole("button", { name: "Give credit" }).click();
  await card.getByRole("alert").waitFor();
  await card.getByLabel("Credit", { exact: true }).fill("12.5");
  await card.getByRole("button", { name: "Give credit" }).click();
  await card.getByText("Left: 12.5").waitFor();
  expect(await ada.call("UsageService/GetBalance", { name: FARM })).toMatchObject({
    balance: { creditedMicros: "12500000" },
  });
  await card.getByLabel("Stream", { exact: true }).fill("readings");
  await card.getByLabel("Day").fill("2026-01-01");
  await card.getByLabel("Records", { exact: true }).fill("5");
  await card.getByRole("button", { name: "Refund" }).click();
  await card.getByRole("alert").waitFor();
});

test("a project is suspended with a reason, and goes on", async () => {
  const { page, open } = rig;
  await open("/operator");
  const card = page.getByRole("article", { name: "Farm" });
  await card.getByRole("button", { name: "Suspend Farm" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why, for operators").fill("unpaid");
  await dialog.getByRole("button", { name: "Suspend it" }).click();
  await card.getByText(/unpaid/).waitFor();
  await card.getByRole("button", { name: "Let it go on" }).click();
  await card.getByRole("button", { name: "Suspend Farm" }).waitFor();
});

test("G18, G19: the settings show the verification key, filled in for DNS and GET; a new one is made", async () => {
  const { page, open } = rig;
  await open(`/${FARM}/settings`);
  const proofs = page.getByRole("region", { name: "Proof of webhook hosts" });
  await proofs.locator(".copy-line").first().waitFor();
  const [record = "", key = ""] = await proofs.locator(".copy-line code").allInnerTexts();
  expect(record).toBe(`tributary=${key}`);
  await proofs.getByLabel("Value prefix").fill("getstream=");
  await proofs.getByRole("button", { name: "Save the proof" }).click();
  await proofs.getByText(`getstream=${key}`).waitFor();
  await proofs.getByRole("button", { name: "Make a new key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make it" }).click();
  await expect.poll(() => proofs.locator(".copy-line code").last().innerText()).not.toBe(key);
});

test("S12: a project's account shows its lines; its owner says that pushes stop when nothing is left", async () => {
  const { page, open } = rig;
  await open("/projects/farm/usage");
  await page.getByRole("row", { name: /Credit 12.5/ }).waitFor();
  await page.getByText("pushes go on").waitFor();
  await page.getByRole("button", { name: "Refuse pushes when the balance is used up" }).click();
  await page.getByText("pushes are refused").waitFor();
  await page.getByRole("button", { name: "Let pushes go on" }).click();
  await page.getByText("pushes go on", { exact: true }).waitFor();
});

test("the operator sees how mail is sent and tries it; a failure is shown in the server's words", async () => {
  const { page, open, ada } = rig;
  await open("/operator/mail");
  await page.getByText("none: the server is on this machine").waitFor();
  await page.getByText("tributary@example.org").waitFor();
  await page.getByLabel("Recipient").fill("nobody");
  await page.getByRole("button", { name: "Send a test mail" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Recipient").fill("ada@example.com");
  await page.getByRole("button", { name: "Send a test mail" }).click();
  await page.getByText("The server took the mail after").waitFor();
  await expect
    .poll(() => mails.mails.filter(({ source }) => source.includes("Test of the mail settings")))
    .toMatchObject([{ to: ["ada@example.com"] }]);
  await page.getByLabel("Recipient").fill("unknown@example.com");
  await page.getByRole("button", { name: "Send a test mail" }).click();
  await page.getByText("The mail was not sent: 550 no such user").waitFor();
  const { auditEvents } = await ada.call<{ auditEvents: { method: string }[] }>(
    "AuditService/ListInstallationAuditEvents",
    {},
  );
  expect(auditEvents.filter(({ method }) => method.endsWith("/SendTestMail"))).toHaveLength(3);
  await open("/operator/backup");
  await page.getByText("npx tributary backup").waitFor();
});

test("a forgotten password is asked for, and chosen by the mailed link, which leaves the address at once", {
  timeout: 120_000,
}, async () => {
  const { browser, server } = rig;
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(server.url);
  await page.getByRole("button", { name: "I forgot my password" }).click();
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("a mail with a link is on its way").waitFor();
  const link = await waitFor(() =>
    mails.mails.map(({ source }) => /#reset=[\w-]{43}/.exec(plainText(source))?.[0]).find(Boolean),
  );
  await page.goto("about:blank");
  await page.goto(`${server.url}/${link}`);
  await page.getByRole("heading", { name: "New password" }).waitFor();
  expect(page.url()).not.toContain("reset");
  await page.getByLabel("New password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await page.context().close();
});

test("everybody is signed out everywhere, by the person whose sessions they are", async () => {
  const { browser, server } = rig;
  const page = await (await browser.newContext()).newPage();
  await page.goto(server.url);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByLabel("Password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await page.goto(`${server.url}/account`);
  await page.getByText("Delete the account").click();
  await page.getByLabel("Password, to confirm").fill("not the password");
  await page.getByRole("button", { name: "Delete my account" }).click();
  await page.getByRole("alert").first().waitFor();
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("button", { name: "Sign all of them out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await page.context().close();
});

/** Undoes quoted-printable, as far as links go. */
function plainText(source: string): string {
  return source.replace(/=\r?\n/g, "").replaceAll("=3D", "=");
}

test("the policy of the pages stopped nothing that they do", () => {
  expect(rig.complaints).toEqual([]);
});
