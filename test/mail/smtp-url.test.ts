import { expect, test } from "vitest";
import { ConfigError, loadConfig } from "../../src/config.ts";
import { parseSmtpUrl } from "../../src/mail/smtp-url.ts";

test("reads host, port, TLS, user, password and sender", () => {
  expect(parseSmtpUrl("smtps://me:p%40ss@smtp.example.com?from=data%40example.com")).toEqual({
    host: "smtp.example.com",
    port: 465,
    isSecure: true,
    user: "me",
    password: "p@ss",
    from: "data@example.com",
  });
  expect(parseSmtpUrl("smtp://[::1]:2525")).toEqual({ host: "::1", port: 2525, isSecure: false });
  expect(parseSmtpUrl("smtp://mail.example.com")).toMatchObject({ port: 587 });
});

test.each([
  "mail.example.com",
  "http://mail.example.com",
  "smtp://mail.example.com/path",
  "smtp://mail.example.com?tls=no",
  "smtp://mail.example.com?from=nobody",
])("refuses %s", (text) => {
  expect(() => parseSmtpUrl(text)).toThrow();
});

test("a server needs a sender's address", () => {
  const load = (env: Record<string, string>) => loadConfig({}, env);
  expect(() => load({ SMTP_URL: "smtp://mail.example.com" })).toThrow(ConfigError);
  const from = "data@example.com";
  expect(load({ SMTP_URL: "smtp://mail.example.com", TRIBUTARY_MAIL_FROM: from })).toMatchObject({
    TRIBUTARY_MAIL_FROM: from,
  });
  expect(load({ SMTP_URL: `smtp://mail.example.com?from=${from}` }).SMTP_URL?.from).toBe(from);
});
